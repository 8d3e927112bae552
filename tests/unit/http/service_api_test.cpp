// Service operations over a session with a real hub (spec/https.md section 3).
#include "tests/unit/http/support.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace http::test {

namespace json = boost::json;

namespace {

const std::string version = "?api-version=2021-04-12";

struct Service {
  Answer call(const std::string& method, const std::string& path, std::string body = {},
              std::vector<std::pair<std::string, std::string>> headers = {}) {
    const auto query = path.find('?') == std::string::npos ? version : "";
    return hub.call(
        {method, path + query, hub.policy_token(), std::move(headers), std::move(body)});
  }
  static json::value parsed(const Answer& answer) {
    CHECK(answer.header("Content-Type") == "application/json; charset=utf-8");  // T-09
    return json::parse(answer.body);
  }
  static std::string text(const json::value& value, const char* name) {
    return std::string(value.at(name).as_string());
  }
  HttpHub hub;
};

}  // namespace

TEST_CASE("T-09 H-50 create, get, update, delete a device; the status codes are exact") {
  Service service;
  const auto created = service.call(
      "PUT", "/devices/d1",
      R"({"deviceId":"d1","status":"enabled","authentication":{"type":"sas","symmetricKey":)"
      R"({"primaryKey":"","secondaryKey":""}}})");
  CHECK(created.status == 200);
  const auto device = Service::parsed(created);
  CHECK(Service::text(device, "deviceId") == "d1");
  CHECK(device.at("authentication").at("symmetricKey").at("primaryKey").as_string().size() == 44);

  const auto again = service.call("PUT", "/devices/d1", "{}");
  CHECK(again.status == 409);
  CHECK(again.error() == "DeviceAlreadyExists");

  CHECK(Service::parsed(service.call("GET", "/devices/d1")) == device);
  const auto updated = service.call(
      "PUT", "/devices/d1", R"({"status":"Disabled","statusReason":"x"})", {{"If-Match", "\"*\""}});
  CHECK(updated.status == 200);
  CHECK(Service::text(Service::parsed(updated), "status") == "disabled");
  CHECK(Service::parsed(updated).at("authentication") == device.at("authentication"));
  CHECK(Service::text(Service::parsed(updated), "etag") != Service::text(device, "etag"));

  const auto removed = service.call("DELETE", "/devices/d1", {}, {{"If-Match", "*"}});
  CHECK(removed.status == 204);
  CHECK(removed.body.empty());
  const auto gone = service.call("GET", "/devices/d1");
  CHECK(gone.status == 404);
  CHECK(gone.error() == "DeviceNotFound");
  CHECK(gone.body.find("ErrorCode:DeviceNotFound;") != std::string::npos);
  CHECK(service.call("DELETE", "/devices/d1").error() == "DeviceNotFound");
}

TEST_CASE("H-29 H-71 If-Match: another etag is 412001 on update and delete, and so is a bare one") {
  Service service;
  service.hub.create("d1");
  const auto etag = [&] {
    return service.hub.hub.registry().get({"d1"}, service.hub.now)->identity.etag;
  };
  const auto put = [&](const std::string& if_match) {
    return service.call("PUT", "/devices/d1", "{}", {{"If-Match", if_match}});
  };
  const auto stale = etag();
  CHECK(put('"' + etag() + '"').status == 200);
  CHECK(put("W/\"" + etag() + '"').status == 200);
  const std::string right = etag();
  for (const std::string& wrong : {right, "W/" + right, stale, '"' + stale + '"', "\"x\""s}) {
    CAPTURE(wrong);
    const auto answer = put(wrong);
    CHECK(answer.status == 412);
    CHECK(answer.error() == "PreconditionFailed");
    CHECK(service.call("DELETE", "/devices/d1", {}, {{"If-Match", wrong}}).status == 412);
  }
  CHECK(etag() == right);
  CHECK(put("*").status == 200);
  // Missing on PUT is a create; missing on DELETE is unconditional (U9).
  CHECK(service.call("PUT", "/devices/d1", "{}").status == 409);
  CHECK(service.call("PUT", "/devices/none", "{}", {{"If-Match", "*"}}).status == 404);
  CHECK(service.call("DELETE", "/devices/d1").status == 204);
}

TEST_CASE("H-32 a bad id, another id in the body or a body that is no device is a 400") {
  Service service;
  for (const std::string id : {"a%2Fb", "a%20b", "caf%C3%A9", "%00"}) {
    CAPTURE(id);
    CHECK(service.call("PUT", "/devices/" + id, "{}").error() == "ArgumentInvalid");
    CHECK(service.call("GET", "/devices/" + id).status == 400);
  }
  CHECK(service.call("PUT", "/devices/" + std::string(129, 'a'), "{}").status == 400);
  CHECK(service.call("PUT", "/devices/d1", R"({"deviceId":"d2"})").error() == "ArgumentInvalid");
  CHECK(service.call("PUT", "/devices/d1", R"({"deviceId":7})").status == 400);
  for (const std::string body : {"", "[]", "{", "null", "\"d1\"", "{\"a\":1}x"}) {
    CAPTURE(body);
    CHECK(service.call("PUT", "/devices/d1", body).error() == "IotHubFormatError");
  }
  CHECK(
      service
          .call("PUT", "/devices/d1", R"({"authentication":{"symmetricKey":{"primaryKey":"no"}}})")
          .error() == "ArgumentInvalid");
  CHECK(service.call("PUT", "/devices/d1", std::string(40, '[')).status == 400);
  CHECK(service.hub.hub.registry().statistics(service.hub.now).total_device_count == 0);
}

TEST_CASE("T-06 ids with every legal character go through the path, encoded or not") {
  Service service;
  const std::string id = "A-:.+%_#*?!(),=@;$'z";
  CHECK(service.call("PUT", "/devices/A-%3A.%2B%25_%23%2A%3F%21%28%29%2C%3D%40%3B%24%27z", "{}")
            .status == 200);
  CHECK(service.hub.depth(id) == 0);
  CHECK(Service::text(Service::parsed(service.call("GET", "/devices/A-:.+%25_%23*%3F!(),=@;$'z/")),
                      "deviceId") == id);
}

TEST_CASE("H-44 list: in the order of ids, as many as top says, 1000 if top is out of range") {
  Service service;
  for (const char* id : {"c", "a", "b"}) service.hub.create(id);
  const auto ids = [&](const std::string& path) {
    std::string out;
    const auto devices = Service::parsed(service.call("GET", path));
    for (const auto& device : devices.as_array()) {
      out += Service::text(device, "deviceId");
    }
    return out;
  };
  CHECK(ids("/devices") == "abc");
  CHECK(ids("/devices/?top=2&api-version=2021-04-12") == "ab");
  for (const std::string top : {"0", "-1", "1001", "x", "", "99999999999999999999999"}) {
    CHECK(ids("/devices?api-version=2021-04-12&top=" + top) == "abc");
  }
}

TEST_CASE(
    "H-57 a query lists all devices page by page, by a continuation that ends with the last") {
  Service service;
  for (const char* id : {"c", "a", "d", "b"}) service.hub.create(id);
  const auto query = [&](std::vector<std::pair<std::string, std::string>> headers,
                         const std::string& text = "select  * from\tdevices ") {
    return service.call("POST", "/devices/query", json::serialize(json::object{{"query", text}}),
                        std::move(headers));
  };
  const auto ids = [](const Answer& answer) {
    std::string out;
    const auto twins = Service::parsed(answer);
    for (const auto& twin : twins.as_array()) {
      out += Service::text(twin, "deviceId");
    }
    return out;
  };
  const auto first = query({{"x-ms-max-item-count", "3"}});
  CHECK(ids(first) == "abc");
  CHECK(first.header("x-ms-item-type") == "Twin");
  const auto next = first.header("x-ms-continuation").value_or("");
  REQUIRE(!next.empty());
  // The device that the token names may go meanwhile.
  CHECK(service.call("DELETE", "/devices/c").status == 204);
  const auto last = query({{"x-ms-max-item-count", "3"}, {"x-ms-continuation", next}});
  CHECK(ids(last) == "d");
  CHECK_FALSE(last.header("x-ms-continuation"));
  // A page that is exactly full is the last one too; any other size is the default.
  CHECK_FALSE(query({{"x-ms-max-item-count", "3"}}).header("x-ms-continuation"));
  CHECK(ids(query({{"x-ms-max-item-count", "0"}})) == "abd");
  CHECK(ids(query({{"x-ms-max-item-count", "99999"}})) == "abd");

  CHECK(query({{"x-ms-continuation", "!"}}).error() == "ArgumentInvalid");
  CHECK(service.call("POST", "/devices/query", "{}").error() == "ArgumentInvalid");
  CHECK(service.call("POST", "/devices/query", "x").error() == "IotHubFormatError");
  CHECK(query({}, "SELECT deviceId FROM devices").error() == "FeatureNotSupported");
}

TEST_CASE("H-50 statistics count devices, enabled, disabled and connected") {
  Service service;
  service.hub.create("a");
  service.hub.create("b");
  CHECK(service.call("PUT", "/devices/c", R"({"status":"disabled"})").status == 200);
  auto presence = service.hub.hub.connections().connect(
      {"a"}, hub::Transport::mqtt, [] {}, service.hub.now);
  REQUIRE(presence);
  CHECK(service.call("GET", "/statistics/devices").body ==
        R"({"totalDeviceCount":3,"enabledDeviceCount":2,"enableDeviceCount":2,)"
        R"("disabledDeviceCount":1})");
  CHECK(service.call("GET", "/statistics/service").body == R"({"connectedDeviceCount":1})");
  CHECK(Service::text(Service::parsed(service.call("GET", "/devices/a")), "connectionState") ==
        "Connected");
}

TEST_CASE("H-33 GET twin answers the minimal twin, T-07 an overridden POST is a PATCH") {
  Service service;
  service.hub.create("d1");
  service.hub.send("d1", "x");
  const auto twin = Service::parsed(service.call("GET", "/twins/d1"));
  CHECK(Service::text(twin, "deviceId") == "d1");
  CHECK(twin.at("cloudToDeviceMessageCount").to_number<int>() == 1);
  CHECK(service.call("GET", "/twins/none").error() == "DeviceNotFound");
  // Twin updates come later; the answer shows that the override was understood.
  const auto patch = service.call("POST", "/twins/d1", "{}", {{"X-HTTP-Method-Override", "PATCH"}});
  CHECK(patch.error() == "FeatureNotSupported");
  const auto post =
      service.call("POST", "/statistics/devices", "{}", {{"X-HTTP-Method-Override", "GET"}});
  CHECK(post.status == 405);
}

TEST_CASE("H-45 routes that come later say so in Form A") {
  Service service;
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"PUT", "/twins/d1"},
                                                        {"POST", "/twins/d1/methods"},
                                                        {"PUT", "/jobs/v2/j"},
                                                        {"GET", "/configurations/"},
                                                        {"POST", "/devices/d1/files"},
                                                        {"GET", "/digitaltwins/d1"}}) {
    CAPTURE(path);
    const auto answer = service.call(method, path, method == "GET" ? "" : "{}");
    CHECK(answer.status == 404);
    CHECK(answer.error() == "FeatureNotSupported");
    CHECK(answer.body.find("not there yet") != std::string::npos);
  }
  CHECK(service.call("GET", "/no/such/route").error() == "GenericNotFound");
  const auto wrong = service.call("PUT", "/statistics/devices", "{}");
  CHECK(wrong.status == 405);
  CHECK(wrong.header("Allow") == "GET");
}

TEST_CASE("H-42 bulk: every import mode in any case, all well is 200") {
  Service service;
  service.hub.create("upd");
  service.hub.create("del");
  service.hub.create("del2");
  const auto etag = service.hub.hub.registry().get({"del2"}, service.hub.now)->identity.etag;
  const auto answer = service.call(
      "POST", "/devices",
      R"([{"id":"new","importMode":"Create","status":"disabled"},)"
      R"({"id":"new2"},{"id":"upd","importMode":"UPDATE","statusReason":"r"},)"
      R"({"id":"new3","importMode":"createOrUpdate"},{"id":"del","importMode":"delete"},)"
      R"({"id":"del2","importMode":"DeleteIfMatchETag","etag":")" +
          etag + R"("}])");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"isSuccessful":true,"errors":[],"warnings":[]})");
  CHECK(service.hub.hub.registry().statistics(service.hub.now).total_device_count == 4);
  CHECK(service.hub.hub.registry().get({"upd"}, service.hub.now)->identity.status_reason == "r");
  CHECK(service.hub.hub.registry().get({"new"}, service.hub.now)->identity.status ==
        hub::DeviceStatus::disabled);
}

TEST_CASE("H-42 bulk: failures are listed in a 400 with both headers, the rest is done") {
  Service service;
  service.hub.create("old");
  const auto answer =
      service.call("POST", "/devices/",
                   R"([{"id":"old","importMode":"create"},{"id":"none","importMode":"update"},)"
                   R"({"id":"none2","importMode":"Delete"},{"id":"fine","importMode":"create"},)"
                   R"({"id":"fine","importMode":"create"},{"id":"old2","importMode":"explode"},)"
                   R"({"id":"old3","importMode":"updateTwin"},{"id":"x","moduleId":"m"},)"
                   R"({"importMode":"create"},5,)"
                   R"({"id":"old","importMode":"update"},{"id":"bad id"},)"
                   R"({"id":"etag","status":7}])");
  CHECK(answer.status == 400);
  CHECK(answer.error() == "BulkRegistryOperationFailure");
  CHECK(answer.header("IotHubErrorCode") == "BulkRegistryOperationFailure");
  const auto body = Service::parsed(answer);
  CHECK_FALSE(body.at("isSuccessful").as_bool());
  std::string seen;
  for (const auto& error : body.at("errors").as_array()) {
    seen += Service::text(error, "deviceId") + ":" + Service::text(error, "errorCode") + " ";
    CHECK_FALSE(Service::text(error, "errorStatus").empty());
  }
  CHECK(seen ==
        "old:DeviceAlreadyExists none:DeviceNotFound none2:DeviceNotFound "
        "fine:DeviceDefinedMultipleTimes old2:ArgumentInvalid old3:InvalidOperation "
        "x:DeviceNotFound :ArgumentInvalid :ArgumentInvalid old:DeviceDefinedMultipleTimes "
        "bad id:ArgumentInvalid etag:ArgumentInvalid ");
  CHECK(service.hub.hub.registry().get({"fine"}, service.hub.now));
}

TEST_CASE("H-42 bulk: a stale etag, an empty list and more than 100 devices") {
  Service service;
  service.hub.create("d1");
  const auto error = [&](const std::string& body) {
    return service.call("POST", "/devices", body);
  };
  for (const char* mode : {"updateIfMatchETag", "createOrUpdateIfMatchETag", "deleteIfMatchETag"}) {
    const auto answer = error(R"([{"id":"d1","eTag":"\"stale\"","importMode":")"s + mode + "\"}]");
    CHECK(answer.body.find("PreconditionFailed") != std::string::npos);
  }
  CHECK(error("[]").error() == "ArgumentInvalid");
  CHECK(error("{}").error() == "ArgumentInvalid");
  CHECK(error("[").error() == "IotHubFormatError");
  std::string many;
  for (int i = 0; i <= 100; ++i) {
    many += (many.empty() ? "[" : ",") + R"({"id":"n)"s + std::to_string(i) + "\"}";
  }
  const auto too_many = error(many + "]");
  CHECK(too_many.status == 413);
  CHECK(too_many.error() == "TooManyDevices");
}

TEST_CASE("H-51 purge says how many it removed, locked ones too") {
  Service service;
  service.hub.create("d1");
  for (const char* body : {"a", "b", "c"}) service.hub.send("d1", body);
  REQUIRE(service.hub.get("d1"));
  const auto answer = service.call("DELETE", "/devices/d1/commands");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"totalMessagesPurged":3,"deviceId":"d1","moduleId":null})");
  CHECK(service.call("DELETE", "/devices/d1/commands").body.find("Purged\":0") !=
        std::string::npos);
  CHECK(service.call("DELETE", "/devices/none/commands").error() == "DeviceNotFound");
}

TEST_CASE("H-52 feedback over HTTPS: receive, abandon, receive again, complete") {
  Service service;
  service.hub.create("d1");
  const std::string path = "/messages/serviceBound/feedback";
  CHECK(service.call("GET", path).status == 204);
  service.hub.send("d1", "a", hub::Ack::full);
  const auto lock = service.hub.get("d1")->lock_token;
  REQUIRE(service.hub.hub.c2d().complete(hub::QueueId{{"d1"}}, lock, service.hub.now));
  service.hub.advance(15s);

  const auto batch = service.call("GET", "/messages/servicebound/feedback");
  CHECK(batch.status == 200);
  CHECK(batch.header("ContentType") == "application/vnd.microsoft.iothub.feedback.json");
  CHECK(batch.header("iothub-userid") == "localhost");
  CHECK(batch.header("iothub-enqueuedtime") == hub::to_iso8601(service.hub.now));
  const auto records = Service::parsed(batch).as_array();
  REQUIRE(records.size() == 1);
  CHECK(Service::text(records[0], "originalMessageId") == "id-a");
  CHECK(Service::text(records[0], "statusCode") == "Success");
  CHECK(Service::text(records[0], "deviceId") == "d1");

  const auto token = [](const Answer& answer) { return answer.header("ETag")->substr(1, 36); };
  CHECK(service.call("GET", path).status == 204);  // locked
  CHECK(service.call("POST", path + "/" + token(batch) + "/abandon").status == 204);
  const auto again = service.call("GET", path);
  CHECK(again.body == batch.body);
  CHECK(service.call("DELETE", path + "/" + token(batch)).error() == "DeviceMessageLockLost");
  CHECK(service.call("DELETE", path + "/" + token(again)).status == 204);
  CHECK(service.call("DELETE", path + "/" + token(again)).status == 412);
  service.hub.advance(61s);
  CHECK(service.call("GET", path).status == 204);
}

TEST_CASE("H-43 our own c2d send: what it carries reaches the device") {
  Service service;
  service.hub.create("d1");
  const auto sent = service.call("POST", "/messages/deviceBound?", "Cloud to device message.",
                                 {{"iothub-to", "/devices/d1/messages/deviceBound"},
                                  {"iothub-messageid", "My Message ID"},
                                  {"iothub-correlationid", "c"},
                                  {"iothub-userid", "u"},
                                  {"iothub-ack", "FULL"},
                                  {"iothub-expiry", hub::to_iso8601(service.hub.now + 1min)},
                                  {"iothub-app-k", "v"},
                                  {"Content-Type", "application/x-www-form-urlencoded"}});
  CHECK(sent.status == 204);
  const auto got = service.hub.call({"GET",
                                     "/devices/d1/messages/devicebound" + version,
                                     service.hub.device_token("d1"),
                                     {},
                                     {}});
  CHECK(got.body == "Cloud to device message.");
  CHECK(got.header("iothub-to") == "/devices/d1/messages/deviceBound");
  CHECK(got.header("iothub-messageid") == "My Message ID");
  CHECK(got.header("iothub-ack") == "full");
  CHECK(got.header("iothub-app-k") == "v");
  CHECK(got.header("iothub-expiry") == hub::to_iso8601(service.hub.now + 1min));
  CHECK_FALSE(got.header("ContentType"));
}

TEST_CASE("H-43 our own c2d send is refused like every other send") {
  Service service;
  service.hub.create("d1");
  const auto send = [&](std::vector<std::pair<std::string, std::string>> headers,
                        std::string body = "x") {
    return service.call("POST", "/messages/deviceBound", std::move(body), std::move(headers));
  };
  const std::pair<std::string, std::string> to{"iothub-to", "/devices/d1/messages/devicebound"};
  CHECK(send({}).error() == "InvalidOperation");
  CHECK(send({{"iothub-to", "/devices/d1/messages/events"}}).error() == "InvalidOperation");
  CHECK(send({{"iothub-to", "/devices/d1"}}).error() == "InvalidOperation");
  CHECK(send({to, {"iothub-ack", "maybe"}}).error() == "ArgumentInvalid");
  CHECK(send({to, {"iothub-expiry", "tomorrow"}}).error() == "ArgumentInvalid");
  CHECK(send({to, {"iothub-expiry", hub::to_iso8601(service.hub.now + 49h)}}).error() ==
        "InvalidMessageExpiryTime");
  CHECK(send({to, {"iothub-messageid", std::string(129, 'm')}}).error() == "ArgumentInvalid");
  CHECK(send({{"iothub-to", "/devices/none/messages/devicebound"}}).error() == "DeviceNotFound");
  CHECK(send({to}, std::string(65'537, 'x')).error() == "MessageTooLarge");
  for (int i = 0; i < 50; ++i) REQUIRE(send({to}).status == 204);
  const auto full = send({to});
  CHECK(full.status == 403);
  CHECK(full.error() == "DeviceMaximumQueueDepthExceeded");
}

TEST_CASE("H-53 GET / tells people what this is") {
  Service service;
  const auto answer = service.hub.call({"GET", "/", {}, {}, {}});
  CHECK(answer.status == 200);
  CHECK(Service::text(Service::parsed(answer), "hub") == "localhost");
}

TEST_CASE("THR-01 registry calls of a tier are 429001 in Form A, a bulk call counts its devices") {
  hub::Settings settings;
  REQUIRE(settings.set("sku.name", "S1"));
  HttpHub t(settings);
  const auto token = t.policy_token();
  std::string bulk = "[";
  for (int i = 0; i < 99; ++i) {
    bulk +=
        (i == 0 ? "" : ",") + R"({"id":"d)"s + std::to_string(i) + R"(","importMode":"create"})";
  }
  REQUIRE(t.call({"POST", "/devices?api-version=2021-04-12", token, {}, bulk + "]"}).status == 200);
  REQUIRE(t.call({"GET", "/devices/d1?api-version=2021-04-12", token, {}, {}}).status == 200);
  const auto refused = t.call({"GET", "/devices/d1?api-version=2021-04-12", token, {}, {}});
  CHECK(refused.status == 429);
  CHECK(refused.error() == "ThrottlingException");
  // Queries and messaging have shares of their own.
  const auto query = [&] {
    return t
        .call({"POST",
               "/devices/query?api-version=2021-04-12",
               token,
               {},
               R"({"query":"SELECT * FROM devices"})"})
        .status;
  };
  for (int i = 0; i < 20; ++i) REQUIRE(query() == 200);
  CHECK(query() == 429);
  CHECK(t.call({"GET", "/devices/d1/messages/devicebound?api-version=2021-04-12", token, {}, {}})
            .status == 204);
}

TEST_CASE(
    "REG-10 edge devices over REST: scopes in identity, twin and bulk; a plain text is refused") {
  Service service;
  const auto edge =
      Service::parsed(service.call("PUT", "/devices/edge", R"({"capabilities":{"iotEdge":true}})"));
  const std::string scope = Service::text(edge, "deviceScope");
  CHECK(scope == "ms-azure-iot-edge://edge-" + Service::text(edge, "generationId"));
  CHECK(boost::json::serialize(edge.at("parentScopes")) == "[]");
  const std::string below = R"({"deviceScope":")" + scope + "\"}";
  const auto leaf = Service::parsed(service.call("PUT", "/devices/leaf", below));
  CHECK(Service::text(leaf, "deviceScope") == scope);
  CHECK(boost::json::serialize(leaf.at("parentScopes")) == "[\"" + scope + "\"]");
  const auto twin = Service::parsed(service.call("GET", "/twins/leaf"));
  CHECK(twin.at("parentScopes") == leaf.at("parentScopes"));
  CHECK(twin.at("deviceScope") == leaf.at("deviceScope"));

  const auto moved =
      service.call("PUT", "/devices/leaf", R"({"deviceScope":"5f0e-4f0f"})", {{"If-Match", "*"}});
  CHECK(moved.status == 400);
  CHECK(moved.error() == "InvalidDeviceScope");
  CHECK(service
            .call("PUT", "/devices/leaf", R"({"deviceScope":"","parentScopes":[]})",
                  {{"If-Match", "*"}})
            .status == 200);

  CHECK(service
            .call("POST", "/devices",
                  R"([{"id":"leaf","importMode":"update","deviceScope":")" + scope +
                      R"("},{"id":"child","importMode":"create","capabilities":{"iotEdge":true},)"
                      R"("parentScopes":[")" +
                      scope + "\"]}]")
            .status == 200);
  for (const char* id : {"leaf", "child"}) {
    const auto device = Service::parsed(service.call("GET", "/devices/"s + id));
    CHECK(boost::json::serialize(device.at("parentScopes")) == "[\"" + scope + "\"]");
  }
}

TEST_CASE(
    "H-57 REG-10 the children of an edge device, as the command-line extension asks for them") {
  Service service;
  const auto edge =
      Service::parsed(service.call("PUT", "/devices/edge", R"({"capabilities":{"iotEdge":true}})"));
  const std::string scope = Service::text(edge, "deviceScope");
  const std::string below = R"({"deviceScope":")" + scope + "\"}";
  for (const char* id : {"/devices/a", "/devices/c", "/devices/z"}) service.call("PUT", id, below);
  service.hub.create("b");
  const auto query = [&](const std::string& text,
                         std::vector<std::pair<std::string, std::string>> headers = {}) {
    return service.call("POST", "/devices/query", json::serialize(json::object{{"query", text}}),
                        std::move(headers));
  };
  const std::string asked =
      "select deviceId from devices where array_contains(parentScopes, '" + scope + "')";
  const auto all = query(asked);
  CHECK(all.body == R"([{"deviceId":"a"},{"deviceId":"c"},{"deviceId":"z"}])");
  CHECK(all.header("x-ms-item-type") == "Raw");
  CHECK_FALSE(all.header("x-ms-continuation"));
  const auto first = query(asked, {{"x-ms-max-item-count", "2"}});
  CHECK(first.body == R"([{"deviceId":"a"},{"deviceId":"c"}])");
  const auto next = first.header("x-ms-continuation").value_or("");
  REQUIRE(!next.empty());
  const auto rest = query(asked, {{"x-ms-max-item-count", "2"}, {"x-ms-continuation", next}});
  CHECK(rest.body == R"([{"deviceId":"z"}])");
  CHECK_FALSE(rest.header("x-ms-continuation"));
  CHECK(query(asked + " or true").status == 404);
  CHECK(
      query("select deviceId from devices where array_contains(parentScopes, 'a' or 'b')").status ==
      404);
}

}  // namespace http::test
