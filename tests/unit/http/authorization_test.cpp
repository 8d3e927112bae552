// Who may come in: the SAS forms of every SDK, certificates, rights (spec/https.md 1.3).
#include "tests/unit/http/support.hpp"

namespace http::test {

namespace {

Call receive_as(const std::string& id_in_path, const std::string& token) {
  return {"GET",
          "/devices/" + id_in_path + "/messages/deviceBound?api-version=2021-04-12",
          token,
          {},
          {}};
}

}  // namespace

TEST_CASE("T-06 H-48 every SDK's way to write sr verifies, raw slashes and double encoding too") {
  HttpHub hub;
  hub.create("d1");
  hub.create("a:b+c");
  const auto expiry = hub.now + 1h;
  struct {
    const char* who;
    std::string path;
    std::string token;
  } cases[] = {
      {"Node device", "d1", sign_raw("localhost%2Fdevices%2Fd1", device_key, expiry)},
      {"C, Java: raw slashes", "d1", sign_raw("localhost/devices/d1", device_key, expiry)},
      {"C: lower-case hex", "a%3Ab%2Bc",
       sign_raw("localhost/devices/a%3ab%2bc", device_key, expiry)},
      {"C#: id encoded twice", "a%3Ab%2Bc",
       sign_raw("localhost%2Fdevices%2Fa%253Ab%252Bc", device_key, expiry)},
      {"Java: sig, se, sr", "d1",
       sign_raw("localhost/devices/d1", device_key, expiry, "", "sig,se,sr")},
      {"host with port", "d1", sign_raw("localhost%3A443%2Fdevices%2Fd1", device_key, expiry)},
      {"CLI: policy acts as any device", "d1",
       sign_raw("localhost", well_known_key, expiry, "iothubowner")},
      {"device policy, narrowed", "d1",
       sign_raw("localhost%2Fdevices%2Fd1", well_known_key, expiry, "device")},
  };
  for (const auto& [who, path, token] : cases) {
    CAPTURE(who);
    CHECK(hub.call(receive_as(path, token)).status == 204);
  }
  // The Node service SDK leaves the host unencoded and encodes skn; JS lower-cases the host.
  for (const std::string sr : {"localhost", "LOCALHOST", "hub.example.net"}) {
    CAPTURE(sr);
    CHECK(hub.call({"GET",
                    "/devices?api-version=2021-04-12",
                    sign_raw(sr, well_known_key, expiry, "registryRead"),
                    {},
                    {}})
              .status == 200);
  }
}

TEST_CASE("H-48 a token of another device, prefix, case or time is refused with a plain 401") {
  HttpHub hub;
  hub.create("dev1");
  hub.create("dev10");
  const auto expiry = hub.now + 1h;
  const std::string good = sign_raw("localhost%2Fdevices%2Fdev1", device_key, expiry);
  std::string forged = good;
  forged[forged.find("sig=") + 6] ^= 1;
  struct {
    const char* what;
    std::string path;
    std::string token;
  } cases[] = {
      {"S26: dev1's token as dev10", "dev10", good},
      {"S26: Dev1 when there is only dev1", "Dev1",
       sign_raw("localhost%2Fdevices%2FDev1", device_key, expiry)},
      {"expired", "dev1", sign_raw("localhost%2Fdevices%2Fdev1", device_key, hub.now)},
      {"forged", "dev1", forged},
      {"unknown device", "nobody", sign_raw("localhost%2Fdevices%2Fnobody", device_key, expiry)},
      {"unknown device, policy", "nobody", hub.policy_token()},
      {"policy without DeviceConnect", "dev1", hub.policy_token("service")},
      {"policy narrowed to another", "dev10",
       sign_raw("localhost%2Fdevices%2Fdev1", well_known_key, expiry, "device")},
      {"no skn, host only", "dev1", sign_raw("localhost", device_key, expiry)},
      {"Bearer", "dev1", "Bearer abc.def.ghi"},
      {"Basic", "dev1", "Basic YTpi"},
      {"nothing", "dev1", ""},
  };
  for (const auto& [what, path, token] : cases) {
    CAPTURE(what);
    const auto answer = hub.call(receive_as(path, token));
    CHECK(answer.status == 401);
    CHECK(answer.error() == "IotHubUnauthorizedAccess");
    CHECK(answer.body.find("\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\"") !=
          answer.body.npos);
    CHECK(hub.log.contains("reason="));
  }
  CHECK(hub.call(receive_as("dev1", good)).status == 204);
}

TEST_CASE("H-48 a disabled or deleted device, or a new key, is refused from the next call on") {
  HttpHub hub;
  hub.create("d1");
  const auto token = hub.device_token("d1");
  auto session = hub.connect();
  const auto get = [&] {
    session->on_bytes(to_wire(receive_as("d1", token)), hub.now);
    return parse_answers(take_output(*session)).at(0).status;
  };
  CHECK(get() == 204);
  hub::DeviceSpec spec;
  spec.id = {"d1"};
  spec.status = hub::DeviceStatus::disabled;
  REQUIRE(hub.hub.registry().update(spec, "*", hub.now));
  CHECK(get() == 401);
  spec.status = hub::DeviceStatus::enabled;
  REQUIRE(hub.hub.registry().update(spec, "*", hub.now));
  CHECK(get() == 204);
  spec.primary_key = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=";
  REQUIRE(hub.hub.registry().update(spec, "*", hub.now));
  CHECK(get() == 401);
}

TEST_CASE("T-04 a client certificate counts when Authorization is absent, empty or blank") {
  HttpHub hub;
  hub::DeviceSpec spec;
  spec.id = {"x1"};
  spec.authentication_type = hub::AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(64, 'A');
  REQUIRE(hub.hub.registry().create(spec, hub.now));
  hub.create("d1");
  const hub::ClientCertificate certificate{std::string(40, 'b'), std::string(64, 'a'), "x1"};
  const hub::ClientCertificate stranger{std::string(40, 'c'), std::string(64, 'c'), "x1"};

  CHECK(hub.call(receive_as("x1", ""), certificate).status == 204);
  for (const std::string blank : {"", "   "}) {
    Call call = receive_as("x1", "");
    call.headers.emplace_back("Authorization", blank);
    CHECK(hub.call(call, certificate).status == 204);
  }
  CHECK(hub.call(receive_as("x1", ""), stranger).status == 401);
  CHECK(hub.call(receive_as("x1", "")).status == 401);
  CHECK(hub.call(receive_as("d1", ""), certificate).status == 401);  // uses keys
  CHECK(hub.call(receive_as("x1", hub.device_token("x1")), certificate).status == 401);
  // A certificate opens no service route.
  CHECK(hub.call({"GET", "/devices?api-version=2021-04-12", "", {}, {}}, certificate).status ==
        401);
}

TEST_CASE("H-49 each operation group wants its own right") {
  HttpHub hub;
  hub.create("d1");
  const std::string v = "?api-version=2021-04-12";
  struct {
    Call call;
    std::vector<std::string> allowed;
  } cases[] = {
      {{"GET", "/devices/d1" + v, {}, {}, {}},
       {"iothubowner", "registryRead", "registryReadWrite"}},
      {{"GET", "/devices" + v, {}, {}, {}}, {"iothubowner", "registryRead", "registryReadWrite"}},
      {{"GET", "/statistics/devices" + v, {}, {}, {}},
       {"iothubowner", "registryRead", "registryReadWrite"}},
      {{"PUT", "/devices/d2" + v, {}, {}, "{}"}, {"iothubowner", "registryReadWrite"}},
      {{"DELETE", "/devices/none" + v, {}, {}, {}}, {"iothubowner", "registryReadWrite"}},
      {{"POST", "/devices" + v, {}, {}, "[]"}, {"iothubowner", "registryReadWrite"}},
      {{"GET", "/statistics/service" + v, {}, {}, {}}, {"iothubowner", "service"}},
      {{"GET", "/twins/d1" + v, {}, {}, {}}, {"iothubowner", "service"}},
      {{"DELETE", "/devices/d1/commands" + v, {}, {}, {}}, {"iothubowner", "service"}},
      {{"GET", "/messages/serviceBound/feedback" + v, {}, {}, {}}, {"iothubowner", "service"}},
      {{"POST", "/messages/deviceBound", {}, {}, "x"}, {"iothubowner", "service"}},
      {{"GET", "/devices/d1/messages/deviceBound" + v, {}, {}, {}}, {"iothubowner", "device"}},
      {{"POST", "/devices/d1/messages/events" + v, {}, {}, "x"}, {"iothubowner", "device"}},
  };
  for (auto& [call, allowed] : cases) {
    for (const std::string policy :
         {"iothubowner", "service", "device", "registryRead", "registryReadWrite"}) {
      CAPTURE(call.method + " " + call.target);
      CAPTURE(policy);
      call.authorization = hub.policy_token(policy);
      const bool may = std::find(allowed.begin(), allowed.end(), policy) != allowed.end();
      CHECK((hub.call(call).status != 401) == may);
    }
    call.authorization.clear();
    CHECK(hub.call(call).status == 401);
  }
  // A device's own token opens no service route.
  CHECK(hub.call({"GET", "/devices/d1" + v, hub.device_token("d1"), {}, {}}).status == 401);
}

TEST_CASE("H-47 api-version: any well-formed one; missing or garbage is 400001") {
  HttpHub hub;
  hub.create("d1");
  const auto status = [&](const std::string& query) {
    return hub.call({"GET", "/devices/d1" + query, hub.policy_token(), {}, {}});
  };
  for (const std::string version :
       {"2016-11-14", "2018-08-30-preview", "2020-09-30", "2024-03-31"}) {
    CHECK(status("?x=1&api-version=" + version).status == 200);
    CHECK(status("/?Api-Version=" + version + "&x=1").status == 200);
  }
  for (const std::string query :
       {"", "?api-version=", "?api-version=latest", "?api-version=2021-04",
        "?api-version=2021-04-12x", "?api-versions=2021-04-12"}) {
    CAPTURE(query);
    const auto answer = status(query);
    CHECK(answer.status == 400);
    CHECK(answer.error() == "InvalidProtocolVersion");
  }
}

}  // namespace http::test
