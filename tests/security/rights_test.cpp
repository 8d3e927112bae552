// Every operation of every protocol against every combination of rights (spec/c2d.md 6.2).
#include "protocols/http/routes.hpp"
#include "tests/security/doors.hpp"

#include <functional>

using namespace security;
using hub::Right;

namespace {

const std::string token_in_path = "00000000-0000-4000-8000-000000000000";

// A policy for each subset of the four rights: "rights-0" to "rights-15".
std::vector<hub::SharedAccessPolicy> all_policies() {
  std::vector<hub::SharedAccessPolicy> all;
  for (hub::Rights rights = 0; rights < 16; ++rights) {
    all.push_back({"rights-" + std::to_string(rights), std::string(well_known_key),
                   std::string(well_known_key), rights});
  }
  return all;
}

struct Bench : HttpHub {
  Bench() : HttpHub({}, false, all_policies()) {
    create("d1");
    create("d2");
    create_module("d1", "m");
  }
  std::string token(hub::Rights rights, const std::string& sr = "localhost") {
    return hub::make_sas_token(sr, well_known_key, now + 1h, "rights-" + std::to_string(rights));
  }
};

struct Operation {
  std::string name;
  Right needed;
  std::function<bool(Bench&, const std::string& token)> allowed;
};

Operation call(Right needed, const std::string& method, const std::string& path,
               const std::string& body = {}) {
  return {method + " " + path, needed, [=](Bench& bench, const std::string& token) {
            const int status = https(bench, method, path, token, body);
            CHECK(status != 403);
            CHECK(status != 404);  // the route is there, and so is what it names
            return status != 401;
          }};
}

// Both ways in: put-token, and the token as the password of SASL PLAIN.
Operation link(Right needed, bool sends, const std::string& address) {
  return {(sends ? "AMQP to " : "AMQP from ") + address, needed,
          [=](Bench& bench, const std::string& token) {
            Amqp by_cbs(bench, token);
            CHECK(by_cbs.status() == 200);  // who it is is one thing, what it may another
            const bool attached =
                (sends ? by_cbs.sender(address) : by_cbs.receiver(address)) != nullptr;
            if (!attached) CHECK(by_cbs.condition == "amqp:unauthorized-access");

            Client::Options plain;
            plain.mechanism = "PLAIN";
            plain.user = token.substr(token.find("skn=") + 4) + "@sas.root.localhost";
            plain.password = token;
            Client by_sasl(bench, plain);
            REQUIRE(by_sasl.is_open());
            CHECK(Client::is_attached(sends ? by_sasl.sender("l", address)
                                            : by_sasl.receiver("l", address)) == attached);
            return attached;
          }};
}

Operation mqtt_session(const std::string& name, const std::function<bool(Mqtt&)>& works) {
  return {"MQTT " + name, Right::device_connect, [=](Bench& bench, const std::string& token) {
            Mqtt client(bench, {.device = "d1", .password = token});
            return client.accepted() && works(client);
          }};
}

std::vector<Operation> https_operations() {
  const Right read = Right::registry_read, write = Right::registry_write;
  const Right service = Right::service_connect, device = Right::device_connect;
  return {
      call(read, "GET", "/devices"),
      call(read, "GET", "/devices/d1"),
      call(read, "GET", "/statistics/devices"),
      call(write, "PUT", "/devices/d1", "{}"),
      call(write, "POST", "/devices", R"([{"id":"d1","importMode":"update"}])"),
      call(write, "DELETE", "/devices/d1"),
      call(read, "GET", "/devices/d1/modules"),
      call(read, "GET", "/devices/d1/modules/m"),
      call(write, "PUT", "/devices/d1/modules/n", "{}"),
      call(write, "DELETE", "/devices/d1/modules/m"),
      call(service, "GET", "/twins/d1/modules/m"),
      call(service, "POST", "/devices/query", R"({"query":"SELECT * FROM devices"})"),
      call(service, "DELETE", "/devices/d1/commands"),
      call(service, "GET", "/statistics/service"),
      call(service, "GET", "/twins/d1"),
      call(service, "GET", "/messages/serviceBound/feedback"),
      call(service, "DELETE", "/messages/serviceBound/feedback/" + token_in_path),
      call(service, "POST", "/messages/serviceBound/feedback/" + token_in_path + "/abandon"),
      call(service, "POST", "/messages/deviceBound", "x"),
      call(device, "POST", "/devices/d1/messages/events", "x"),
      call(device, "POST", "/devices/d1/modules/m/messages/events", "x"),
      call(device, "GET", "/devices/d1/messages/deviceBound"),
      call(device, "DELETE", "/devices/d1/messages/deviceBound/" + token_in_path),
      call(device, "POST", "/devices/d1/messages/deviceBound/" + token_in_path + "/abandon"),
  };
}

std::vector<Operation> amqp_operations() {
  const Right service = Right::service_connect, device = Right::device_connect;
  return {
      link(service, true, "/messages/devicebound"),
      link(service, false, "/messages/serviceBound/feedback"),
      link(service, false, "/messages/serviceBound/filenotifications"),
      link(device, true, events("d1")),
      link(device, false, devicebound("d1")),
      link(device, true, "/devices/d1/twin"),
      link(device, false, "/devices/d1/twin"),
      link(device, true, "/devices/d1/methods/devicebound"),
      link(device, false, "/devices/d1/methods/devicebound"),
  };
}

std::vector<Operation> mqtt_operations() {
  const auto sees = [](const char* what) {
    return [what](Mqtt& client) {
      const auto seen = client.take();
      return !seen.empty() && seen.back().find(what) != std::string::npos;
    };
  };
  return {
      mqtt_session("telemetry",
                   [=](Mqtt& client) {
                     client.publish("devices/d1/messages/events/");
                     return sees("PUBACK")(client);
                   }),
      mqtt_session("messages",
                   [=](Mqtt& client) {
                     client.subscribe("devices/d1/messages/devicebound/#");
                     return sees("SUBACK")(client);
                   }),
      mqtt_session("twin",
                   [=](Mqtt& client) {
                     client.subscribe("$iothub/twin/res/#").publish("$iothub/twin/GET/?$rid=1", {});
                     return client.open();
                   }),
  };
}

std::vector<Operation> all_operations() {
  auto all = https_operations();
  for (const auto& more : {amqp_operations(), mqtt_operations()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("SEC-16 every operation wants its one right, whatever others a policy has") {
  for (const Operation& operation : all_operations()) {
    CAPTURE(operation.name);
    for (hub::Rights rights = 0; rights < 16; ++rights) {
      CAPTURE(int{rights});
      Bench bench;  // of its own: some operations delete
      CHECK(operation.allowed(bench, bench.token(rights)) == hub::has(rights, operation.needed));
    }
  }
}

TEST_CASE(
    "SEC-16 H-70 a device's own key opens its own endpoints, its modules, and no operation of the "
    "service") {
  for (const Operation& operation : all_operations()) {
    if (operation.name.starts_with("AMQP")) continue;  // there PLAIN has a policy's name; see below
    CAPTURE(operation.name);
    Bench bench;
    const bool of_modules = operation.name.find("/modules") != std::string::npos;
    const bool in_registry =
        operation.needed == Right::registry_read || operation.needed == Right::registry_write;
    const bool own =
        (of_modules && in_registry) || operation.needed == Right::device_connect;  // MOD-23
    CHECK(operation.allowed(bench, bench.device_token("d1")) == own);
    CHECK_FALSE(operation.allowed(bench, bench.device_token("d2")));
  }
  Bench bench;
  Amqp device(bench, bench.device_token("d1"));
  CHECK(device.sender(events("d1")) != nullptr);
  CHECK(device.receiver(devicebound("d1")) != nullptr);
  CHECK(device.sender("/messages/devicebound") == nullptr);
  CHECK(device.receiver("/messages/serviceBound/feedback") == nullptr);
  CHECK(device.receiver("/messages/serviceBound/filenotifications") == nullptr);
}

TEST_CASE("SEC-16 no route of HTTPS is without a row here") {
  const auto operations = https_operations();
  for (const http::Route& route : http::all_routes()) {
    if (route.access == http::Access::open) continue;
    CAPTURE(std::string(route.path));
    bool found = false;
    for (const Operation& operation : operations) {
      const auto space = operation.name.find(' ');
      const std::string method = operation.name.substr(0, space);
      std::vector<std::string> segments;
      for (std::string rest = operation.name.substr(space + 2); !rest.empty();) {
        const auto slash = rest.find('/');
        segments.push_back(rest.substr(0, slash));
        rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
      }
      const auto asked = method == "GET"    ? http::Method::get
                         : method == "PUT"  ? http::Method::put
                         : method == "POST" ? http::Method::post
                                            : http::Method::delete_;
      found |= http::match(http::all_routes(), asked, segments).route == &route;
    }
    CHECK(found);
  }
}

TEST_CASE("SEC-16 a longer resource URI narrows a policy's token, and no right reaches beyond it") {
  Bench bench;
  const std::string one = bench.token(15, "localhost/devices/d1");
  CHECK(https(bench, "GET", "/devices/d1", one) == 200);
  CHECK(https(bench, "GET", "/devices/d1/messages/deviceBound", one) == 204);
  CHECK(https(bench, "DELETE", "/devices/d1/commands", one) == 200);
  for (const char* beyond :
       {"/devices", "/devices/d2", "/devices/d10", "/devices/D1", "/statistics/devices",
        "/twins/d1", "/messages/serviceBound/feedback", "/devices/d2/messages/deviceBound"}) {
    CAPTURE(beyond);
    CHECK(https(bench, "GET", beyond, one) == 401);
  }
  Amqp amqp(bench, one);
  CHECK(amqp.sender(events("d1")) != nullptr);
  CHECK(amqp.sender(events("d2")) == nullptr);
  CHECK(amqp.sender("/messages/devicebound") == nullptr);
  CHECK(amqp.receiver("/messages/serviceBound/feedback") == nullptr);
  CHECK(Mqtt(bench, {.device = "d1", .password = one}).accepted());
  CHECK_FALSE(Mqtt(bench, {.device = "d2", .password = one}).accepted());

  const std::string messages = bench.token(15, "localhost/messages");
  CHECK(https(bench, "GET", "/messages/serviceBound/feedback", messages) == 204);
  CHECK(https(bench, "GET", "/devices/d1", messages) == 401);
  Amqp service(bench, messages);
  CHECK(service.sender("/messages/devicebound") != nullptr);
  CHECK(service.receiver("/messages/serviceBound/feedback") != nullptr);
  CHECK(service.sender(events("d1")) == nullptr);
  const std::string feedback = bench.token(15, "localhost/messages/serviceBound/feedback");
  CHECK(https(bench, "GET", "/messages/serviceBound/feedback", feedback) == 204);
  Amqp reader(bench, feedback);
  CHECK(reader.receiver("/messages/serviceBound/feedback") != nullptr);
  CHECK(reader.receiver("/messages/serviceBound/filenotifications") == nullptr);
  CHECK(reader.sender("/messages/devicebound") == nullptr);
}

TEST_CASE("SEC-16 without any credential nothing opens") {
  Bench bench;
  for (const Operation& operation : https_operations()) {
    CAPTURE(operation.name);
    CHECK_FALSE(operation.allowed(bench, ""));
  }
  Client client(bench);
  for (const char* address : {"/messages/devicebound", "/devices/d1/messages/events"}) {
    CHECK_FALSE(Client::is_attached(client.sender(address, address)));
  }
  for (const char* address :
       {"/messages/serviceBound/feedback", "/devices/d1/messages/devicebound"}) {
    CHECK_FALSE(Client::is_attached(client.receiver(address, address)));
  }
  CHECK_FALSE(Mqtt(bench, {.device = "d1"}).accepted());
}
