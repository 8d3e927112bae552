// Modules over HTTPS: the registry (spec/https.md 3.2), bulk entries, telemetry of a module.
#include "tests/unit/http/support.hpp"

#include <boost/json/parse.hpp>

namespace http::test {

namespace json = boost::json;

namespace {

using ::test::module_key;

const std::string version = "?api-version=2021-04-12";
const hub::DeviceId m{"d1", "m"};

struct Modules {
  Modules() { hub.create("d1"); }

  Answer call(const std::string& method, const std::string& path, std::string body = {},
              std::vector<std::pair<std::string, std::string>> headers = {}) {
    return hub.call(
        {method, path + version, hub.policy_token(), std::move(headers), std::move(body)});
  }
  Answer as(const std::string& policy, const std::string& method, const std::string& path) {
    return hub.call({method, path + version, hub.policy_token(policy), {}, {}});
  }
  Answer send(const std::string& module, const std::string& token, std::string body = "hi",
              std::vector<std::pair<std::string, std::string>> headers = {}) {
    return hub.call({"POST", "/devices/d1/modules/" + module + "/messages/events" + version, token,
                     std::move(headers), std::move(body)});
  }
  std::string module_token(const std::string& module = "m") {
    return hub::make_sas_token("localhost/devices/d1/modules/" + module, module_key, hub.now + 1h);
  }
  HttpHub hub;
};

std::string text(const json::value& value, const char* name) {
  return std::string(value.at(name).as_string());
}

}  // namespace

TEST_CASE("MOD-14 create, get, update, delete a module; the status codes are exact") {
  Modules modules;
  const auto created = modules.call("PUT", "/devices/d1/modules/m",
                                    R"({"deviceId":"d1","moduleId":"m","managedBy":"me",)"
                                    R"("authentication":{"type":"sas","symmetricKey":)"
                                    R"({"primaryKey":"","secondaryKey":""}}})");
  CHECK(created.status == 200);
  const auto module = json::parse(created.body);
  CHECK(module.at("authentication").at("symmetricKey").at("primaryKey").as_string().size() == 44);
  CHECK(json::parse(modules.call("GET", "/devices/d1/modules/m").body) == module);
  CHECK(json::parse(modules.call("GET", "/devices/d1/MODULES/m/").body) == module);  // T-06

  CHECK(modules.call("PUT", "/devices/d1/modules/m", "{}").error() ==
        "ModuleAlreadyExistsOnDevice");
  CHECK(modules.call("PUT", "/devices/d1/modules/m", "{}").status == 409);
  const auto updated = modules.call("PUT", "/devices/d1/modules/m", R"({"managedBy":"you"})",
                                    {{"If-Match", "\"" + text(module, "etag") + "\""}});
  CHECK(updated.status == 200);
  CHECK(text(json::parse(updated.body), "managedBy") == "you");
  CHECK(json::parse(updated.body).at("authentication") == module.at("authentication"));
  const auto stale = modules.call("PUT", "/devices/d1/modules/m", "{}",
                                  {{"If-Match", "\"" + text(module, "etag") + "\""}});
  CHECK(stale.error() == "PreconditionFailed");
  CHECK(modules.call("DELETE", "/devices/d1/modules/m", {}, {{"If-Match", "\"stale\""}}).status ==
        412);
  const auto removed = modules.call("DELETE", "/devices/d1/modules/m", {}, {{"If-Match", "*"}});
  CHECK(removed.status == 204);
  CHECK(removed.body.empty());
  for (const char* method : {"GET", "DELETE"}) {
    CHECK(modules.call(method, "/devices/d1/modules/m").error() == "ModuleNotFound");
  }
}

TEST_CASE("MOD-14 a module has these members, and none of a device's own") {
  Modules modules;
  modules.hub.create_module("d1", "m");
  auto presence = *modules.hub.hub.connections().connect(
      m, hub::Transport::mqtt, [] {}, modules.hub.now);
  const auto module = json::parse(modules.call("GET", "/devices/d1/modules/m").body).as_object();
  std::string names;
  for (const auto& member : module) names += std::string(member.key()) + " ";
  CHECK(names ==
        "moduleId managedBy deviceId generationId etag connectionState connectionStateUpdatedTime "
        "lastActivityTime cloudToDeviceMessageCount authentication ");
  CHECK(text(module, "moduleId") == "m");
  CHECK(module.at("managedBy").is_null());
  CHECK(text(module, "deviceId") == "d1");
  CHECK(text(module, "connectionState") == "Connected");
  CHECK(module.at("cloudToDeviceMessageCount").to_number<int>() == 0);
  CHECK(text(module.at("authentication"), "type") == "sas");
  CHECK(module.at("authentication").at("x509Thumbprint").at("primaryThumbprint").is_null());
}

TEST_CASE("MOD-14 the modules of a device are listed, those of nobody are not found") {
  Modules modules;
  CHECK(modules.call("GET", "/devices/d1/modules").body == "[]");
  modules.hub.create_module("d1", "b");
  modules.hub.create_module("d1", "a");
  modules.hub.create("d2");
  modules.hub.create_module("d2", "c");
  const auto list = json::parse(modules.call("GET", "/devices/d1/modules").body).as_array();
  REQUIRE(list.size() == 2);
  CHECK(text(list[0], "moduleId") == "a");
  CHECK(text(list[1], "moduleId") == "b");
  CHECK(json::parse(modules.call("GET", "/devices").body).as_array().size() == 2);
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/devices/none/modules"},
                                                        {"GET", "/devices/none/modules/m"},
                                                        {"PUT", "/devices/none/modules/m"},
                                                        {"DELETE", "/devices/none/modules/m"}}) {
    CAPTURE(path);
    const auto answer = modules.call(method, path, method == "PUT" ? "{}" : "");
    CHECK(answer.status == 404);
    CHECK(answer.error() == "DeviceNotFound");
  }
}

TEST_CASE("MOD-14 what a PUT says must fit its path, and the ids their rules") {
  Modules modules;
  const auto put = [&](const std::string& path, const std::string& body) {
    return modules.call("PUT", path, body).error();
  };
  CHECK(put("/devices/d1/modules/m", R"({"moduleId":"n"})") == "ArgumentInvalid");
  CHECK(put("/devices/d1/modules/m", R"({"deviceId":"d2"})") == "ArgumentInvalid");
  CHECK(put("/devices/d1/modules/m", R"({"moduleId":7})") == "ArgumentInvalid");
  CHECK(put("/devices/d1/modules/m", R"({"managedBy":7})") == "ArgumentInvalid");
  CHECK(put("/devices/d1/modules/m", "[]") == "IotHubFormatError");
  CHECK(put("/devices/d1/modules/a%2Fb", "{}") == "ArgumentInvalid");
  CHECK(put("/devices/d1/modules/a%20b", "{}") == "ArgumentInvalid");
  CHECK(put("/devices/d1%2Fmodules/m", "{}") == "GenericNotFound");
  CHECK(modules.hub.hub.registry().modules_of({"d1"}, modules.hub.now)->empty());
  CHECK(put("/devices/d1/modules/%24edgeAgent", "{}").empty());
  CHECK(modules.hub.hub.registry().get({"d1", "$edgeAgent"}, modules.hub.now));
}

TEST_CASE("MOD-14 the 51st module of a device is 413003") {
  Modules modules;
  for (int i = 0; i < 50; ++i) modules.hub.create_module("d1", std::to_string(i));
  const auto answer = modules.call("PUT", "/devices/d1/modules/m", "{}");
  CHECK(answer.status == 413);
  CHECK(answer.error() == "TooManyModulesOnDevice");
}

TEST_CASE("MOD-14 reading needs RegistryRead, writing RegistryWrite, and a module may do neither") {
  Modules modules;
  modules.hub.create_module("d1", "m");
  const std::string path = "/devices/d1/modules/m";
  CHECK(modules.as("registryRead", "GET", path).status == 200);
  CHECK(modules.as("registryRead", "GET", "/devices/d1/modules").status == 200);
  CHECK(modules.as("registryRead", "DELETE", path).status == 401);
  CHECK(modules.as("registryRead", "PUT", path).status == 401);
  CHECK(modules.as("service", "GET", path).status == 401);
  CHECK(modules.as("device", "GET", "/devices/d1/modules").status == 401);
  for (const std::string method : {"GET", "DELETE"}) {
    CHECK(modules.hub.call({method, path + version, modules.module_token(), {}, {}}).status == 401);
  }
  CHECK(modules.as("registryReadWrite", "DELETE", path).status == 204);
}

TEST_CASE("MOD-14 GET of a module's twin answers the minimal twin with both ids") {
  Modules modules;
  modules.hub.create_module("d1", "m");
  const auto twin = json::parse(modules.call("GET", "/twins/d1/modules/m").body);
  CHECK(text(twin, "deviceId") == "d1");
  CHECK(text(twin, "moduleId") == "m");
  CHECK(modules.call("GET", "/twins/d1/modules/n").error() == "ModuleNotFound");
  CHECK(modules.call("PATCH", "/twins/d1/modules/m", "{}").error() == "FeatureNotSupported");
}

TEST_CASE("MOD-15 bulk entries with a moduleId are of that module, in every import mode") {
  Modules modules;
  modules.hub.create_module("d1", "upd");
  modules.hub.create_module("d1", "upd2");
  modules.hub.create_module("d1", "del");
  const auto etag = modules.hub.create_module("d1", "del2").identity.etag;
  const auto answer = modules.call(
      "POST", "/devices",
      R"([{"id":"d1","moduleId":"new","importMode":"create","managedBy":"me"},)"
      R"({"id":"d1","moduleId":"new2"},{"id":"d1","importMode":"update","statusReason":"r"},)"
      R"({"id":"d1","moduleId":"upd","importMode":"Update","managedBy":"you"},)"
      R"({"id":"d1","moduleId":"upd2","importMode":"createOrUpdate","managedBy":"you"},)"
      R"({"id":"d1","moduleId":"del","importMode":"delete"},)"
      R"({"id":"d2"},{"id":"d2","moduleId":"m"},)"
      R"({"id":"d1","moduleId":"del2","importMode":"DeleteIfMatchETag","etag":")" +
          etag + R"("}])");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"isSuccessful":true,"errors":[],"warnings":[]})");
  std::string seen;
  for (const auto& module : *modules.hub.hub.registry().modules_of({"d1"}, modules.hub.now)) {
    seen += module.identity.id.name() + ":" + module.identity.managed_by + " ";
  }
  CHECK(seen == "d1/new:me d1/new2: d1/upd:you d1/upd2:you ");
  CHECK(modules.hub.hub.registry().get({"d1"}, modules.hub.now)->identity.status_reason == "r");
  CHECK(modules.hub.hub.registry().get({"d2", "m"}, modules.hub.now));
}

TEST_CASE("MOD-15 bulk failures name the module") {
  Modules modules;
  modules.hub.create_module("d1", "old");
  const auto answer =
      modules.call("POST", "/devices",
                   R"([{"id":"d1","moduleId":"old","importMode":"create"},)"
                   R"({"id":"d1","moduleId":"none","importMode":"update"},)"
                   R"({"id":"d1","moduleId":"none","importMode":"delete"},)"
                   R"({"id":"none","moduleId":"m"},{"id":"d1","moduleId":"bad id"},)"
                   R"({"id":"d1","moduleId":"x","importMode":"updateTwin"},)"
                   R"({"id":"d1","moduleId":"y","eTag":"\"s\"","importMode":"deleteIfMatchETag"},)"
                   R"({"moduleId":"m"}])");
  CHECK(answer.status == 400);
  const auto body = json::parse(answer.body);
  std::string seen;
  for (const auto& error : body.at("errors").as_array()) {
    seen += text(error, "deviceId") + "/" + text(error, "moduleId") + ":" +
            text(error, "errorCode") + " ";
  }
  CHECK(seen ==
        "d1/old:ModuleAlreadyExistsOnDevice d1/none:ModuleNotFound "
        "d1/none:DeviceDefinedMultipleTimes none/m:DeviceNotFound d1/bad id:ArgumentInvalid "
        "d1/x:InvalidOperation d1/y:ModuleNotFound /m:ArgumentInvalid ");
}

TEST_CASE("MOD-17 a module sends telemetry with its own key, a policy's, or its certificate") {
  Modules modules;
  modules.hub.create_module("d1", "m");
  hub::DeviceSpec spec;
  spec.id = {"d1", "x509"};
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(modules.hub.hub.registry().create(spec, modules.hub.now));
  CHECK(modules.send("m", modules.module_token(), "one", {{"iothub-app-k", "v"}}).status == 204);
  CHECK(modules.send("m", modules.hub.policy_token("device"), "two").status == 204);
  const hub::ClientCertificate certificate{std::string(40, 'a'), std::string(64, 'b'), "any"};
  CHECK(modules.hub
            .call({"POST", "/devices/d1/modules/x509/messages/events" + version, {}, {}, "three"},
                  certificate)
            .status == 204);
  const auto events = modules.hub.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0]->origin->device.text == "d1");
  CHECK(events[0]->origin->device.module == "m");
  CHECK(events[0]->content.body == "one");
  CHECK(events[0]->content.properties == std::vector<hub::Property>{{"k", "v"}});
  CHECK(events[0]->origin->auth_method.starts_with(R"({"scope":"module","type":"sas")"));
  CHECK(events[1]->origin->auth_method.starts_with(R"({"scope":"hub","type":"sas")"));
  CHECK(events[2]->origin->device.module == "x509");
  CHECK(events[2]->origin->auth_method.starts_with(R"({"scope":"module","type":"x509")"));
  CHECK_FALSE(modules.hub.hub.registry().get(m, modules.hub.now)->connected);  // HTTPS never is
}

TEST_CASE("MOD-17 others' words do not count, and a module reaches nothing of its device") {
  Modules modules;
  modules.hub.create_module("d1", "m");
  modules.hub.create_module("d1", "n");
  modules.hub.send("d1", "for the device");
  CHECK(modules.send("m", modules.hub.device_token("d2")).status == 401);
  CHECK(modules.send("m", modules.module_token("n")).status == 401);
  CHECK(modules.send("none", modules.module_token("none")).status == 401);
  CHECK(modules.send("none", modules.hub.policy_token("device")).status == 401);
  CHECK(modules.send("m", modules.hub.policy_token("service")).status == 401);
  CHECK(modules.send("m", {}).status == 401);
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{
           {"POST", "/devices/d1/messages/events"},
           {"GET", "/devices/d1/messages/deviceBound"},
           {"POST", "/devices/d1%2Fmodules%2Fm/messages/events"}}) {
    CAPTURE(path);
    CHECK(modules.hub.call({method, path + version, modules.module_token(), {}, {}}).status == 401);
  }
  const auto none = modules.hub.call({"GET",
                                      "/devices/d1/modules/m/messages/deviceBound" + version,
                                      modules.module_token(),
                                      {},
                                      {}});
  CHECK(none.status == 404);  // MOD-08
  CHECK(modules.hub.events().empty());
  CHECK(modules.hub.depth("d1") == 1);
}

TEST_CASE("H-70 a device makes, reads, lists, changes and deletes its modules with its own token") {
  Modules modules;
  const std::string token = modules.hub.device_token("d1");
  const auto call = [&](const std::string& method, const std::string& path, std::string body = {},
                        std::vector<std::pair<std::string, std::string>> headers = {}) {
    return modules.hub.call({method, path + version, token, std::move(headers), std::move(body)});
  };
  const auto made = call("PUT", "/devices/d1/modules/m", R"({"managedBy":"me"})");
  CHECK(made.status == 200);
  const auto module = json::parse(made.body);
  CHECK(json::parse(call("GET", "/devices/d1/modules/m").body) == module);
  CHECK(json::parse(call("GET", "/devices/d1/modules").body).as_array().size() == 1);
  const std::string etag = "\"" + text(module, "etag") + "\"";
  CHECK(
      call("PUT", "/devices/d1/modules/m", R"({"managedBy":"you"})", {{"If-Match", etag}}).status ==
      200);
  CHECK(call("DELETE", "/devices/d1/modules/m", {}, {{"If-Match", etag}}).status == 412);
  CHECK(call("DELETE", "/devices/d1/modules/m").status == 204);
  CHECK(call("GET", "/devices/d1/modules/m").error() == "ModuleNotFound");
}

TEST_CASE("H-70 a device reaches no module of another, and nothing else of the registry") {
  Modules modules;
  modules.hub.create("d2");
  modules.hub.create("D1");
  for (const std::string device : {"d1", "d2", "D1"}) modules.hub.create_module(device, "m");
  const auto status = [&](const std::string& token, const std::string& method,
                          const std::string& path) {
    return modules.hub.call({method, path + version, token, {}, method == "PUT" ? "{}" : ""})
        .status;
  };
  const std::string own = modules.hub.device_token("d1");
  for (const std::string method : {"GET", "PUT", "DELETE"}) {
    CAPTURE(method);
    for (const std::string device : {"d2", "D1", "nobody"}) {
      CHECK(status(own, method, "/devices/" + device + "/modules/m") == 401);
    }
    CHECK(status(own, method, "/devices/d1") == 401);
    // A module is not its device, and DeviceConnect no right in the registry.
    CHECK(status(modules.module_token(), method, "/devices/d1/modules/m") == 401);
    CHECK(status(modules.hub.policy_token("device"), method, "/devices/d1/modules/m") == 401);
    CHECK(status("", method, "/devices/d1/modules/m") == 401);
  }
  CHECK(status(own, "GET", "/devices/d2/modules") == 401);
  CHECK(status(own, "GET", "/devices") == 401);
  CHECK(status(own, "GET", "/twins/d1/modules/m") == 401);
  hub::DeviceSpec disabled;
  disabled.id = {"d1"};
  disabled.status = hub::DeviceStatus::disabled;
  REQUIRE(modules.hub.hub.registry().update(disabled, {}, modules.hub.now));
  CHECK(status(own, "GET", "/devices/d1/modules/m") == 401);
}

TEST_CASE("H-70 a device with a certificate manages its modules by it") {
  Modules modules;
  hub::DeviceSpec spec;
  spec.id = {"x"};
  spec.primary_thumbprint = std::string(40, 'A');
  REQUIRE(modules.hub.hub.registry().create(spec, modules.hub.now));
  hub::ClientCertificate certificate;
  certificate.sha1_hex = spec.primary_thumbprint;
  const auto status = [&](const std::string& path) {
    return modules.hub.call({"PUT", path + version, {}, {}, "{}"}, certificate).status;
  };
  CHECK(status("/devices/x/modules/m") == 200);
  CHECK(status("/devices/d1/modules/m") == 401);
}

}  // namespace http::test
