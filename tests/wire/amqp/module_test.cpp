// Modules over AMQP: how they get in, their links, and the line between them and their device.
#include <proton/delivery.h>
#include <proton/disposition.h>

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::module_key;
using test::TestHub;

namespace {

const hub::DeviceId m{"dev1", "m"};
const std::string root = "/devices/dev1/modules/m/";

struct ModuleHub : TestHub {
  ModuleHub() {
    create("dev1");
    create_module("dev1", "m");
    create_module("dev1", "n");
  }
  std::string module_token(const std::string& module = "m", hub::Duration ttl = 1h) const {
    return hub::make_sas_token("localhost/devices/dev1/modules/" + module, module_key, now + ttl);
  }
  bool is_connected(const hub::DeviceId& id) { return hub.registry().get(id, now)->connected; }
  std::vector<hub::TelemetryPtr> events() {
    std::vector<hub::TelemetryPtr> all;
    for (std::uint32_t p = 0; p < hub.events().partition_count(); ++p) {
      for (auto& event : hub.events().read(p, 0, 1000)) all.push_back(event);
    }
    return all;
  }
};

struct Module : ModuleHub {
  Module() { REQUIRE(client.put_token(module_token()) == 200); }
  // What the hub says to a link that it refuses; "" if it takes it.
  std::string refusal(bool sends, const std::string& address) {
    const std::string name = "n" + std::to_string(++links_);
    pn_link_t* link = sends ? client.sender(name, address) : client.receiver(name, address);
    return Client::is_attached(link) ? "" : Client::condition_of(link);
  }
  Client client{*this};

 private:
  int links_ = 0;
};

Client::Options plain(const std::string& user, const std::string& password) {
  Client::Options options;
  options.mechanism = "PLAIN";
  options.user = user;
  options.password = password;
  return options;
}

Client::Options external(const std::string& thumbprint) {
  Client::Options options;
  options.mechanism = "EXTERNAL";
  options.certificate = hub::ClientCertificate{thumbprint, std::string(64, 'b'), "any"};
  return options;
}

}  // namespace

TEST_CASE_FIXTURE(Module,
                  "MOD-16 put-token of a module opens its telemetry link, stamped with both ids") {
  pn_link_t* link = client.sender("s", root + "messages/events");
  REQUIRE(Client::is_attached(link));
  CHECK(is_connected(m));
  CHECK_FALSE(is_connected({"dev1"}));
  CHECK(client.send(link, Message().id("1").property("k", "v").body("hi")).state == PN_ACCEPTED);
  REQUIRE(events().size() == 1);
  const auto event = events().front();
  CHECK(event->origin->device.text == "dev1");
  CHECK(event->origin->device.module == "m");
  CHECK(event->origin->auth_generation_id == hub.registry().get(m, now)->identity.generation_id);
  CHECK(event->origin->auth_method ==
        R"({"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  CHECK(event->content.body == "hi");
  client.close(link);
  CHECK_FALSE(is_connected(m));
}

TEST_CASE_FIXTURE(ModuleHub,
                  "MOD-16 PLAIN with the module's user name and token needs no put-token") {
  for (const char* host : {"localhost", "127"}) {
    Client client(*this, plain("dev1/modules/m@sas." + std::string(host), module_token()));
    REQUIRE(client.is_open());
    CHECK(Client::is_attached(client.sender("s", root + "messages/events")));
  }
  Client by_policy(*this, plain("dev1/modules/m@sas.localhost", service_token(*this, "device")));
  CHECK(by_policy.is_open());
  for (const auto& [user, token] : std::vector<std::pair<std::string, std::string>>{
           {"dev1/modules/m", device_token(*this, "dev2")},
           {"dev1", module_token()},
           {"dev1/modules/n", module_token()},
           {"dev1/modules/", module_token()},
           {"dev1/m", module_token()},
           {"dev1/modules/none", service_token(*this, "device")},
           {"dev1/modules/m", module_token("m", 0s)}}) {
    CAPTURE(user);
    Client refused(*this, plain(user + "@sas.localhost", token));
    CHECK_FALSE(refused.is_open());
  }
}

TEST_CASE_FIXTURE(ModuleHub, "MOD-16 EXTERNAL: the certificate opens the module that has it") {
  hub::DeviceSpec spec;
  spec.id = {"dev1", "x509"};
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(hub.registry().create(spec, now));
  Client client(*this, external(std::string(40, 'a')));
  pn_link_t* link = client.sender("s", "/devices/dev1/modules/x509/messages/events");
  REQUIRE(Client::is_attached(link));
  CHECK(client.send(link, Message().body("hi")).state == PN_ACCEPTED);
  CHECK(events().at(0)->origin->auth_method ==
        R"({"scope":"module","type":"x509","issuer":"iothub","acceptingIpFilterRule":null})");
  for (const std::string address : {"/devices/dev1/", "/devices/dev1/modules/m/"}) {
    pn_link_t* other = client.sender(address, address + "messages/events");
    CHECK_FALSE(Client::is_attached(other));
    CHECK(Client::condition_of(other) == "amqp:unauthorized-access");
  }
}

TEST_CASE_FIXTURE(Module, "MOD-16 a module's token is good for its links only") {
  for (const std::string other : {"/devices/dev1/", "/devices/dev1/modules/n/",
                                  "/devices/dev1%2Fm/", "/devices/dev1%2Fmodules%2Fm/"}) {
    CAPTURE(other);
    CHECK(refusal(true, other + "messages/events") == "amqp:unauthorized-access");
    CHECK(refusal(false, other + "messages/devicebound") == "amqp:unauthorized-access");
    CHECK(refusal(true, other + "twin") == "amqp:unauthorized-access");
  }
  CHECK(refusal(true, "/messages/devicebound") == "amqp:unauthorized-access");
  CHECK(refusal(false, "/messages/serviceBound/feedback") == "amqp:unauthorized-access");
}

TEST_CASE_FIXTURE(ModuleHub,
                  "MOD-16 MOD-23 its device's token is good for a module, and a policy's") {
  Client device(*this);
  REQUIRE(device.put_token(device_token(*this, "dev1")) == 200);
  CHECK(Client::is_attached(device.sender("s", root + "messages/events")));
  pn_link_t* link = device.sender("x", "/devices/dev1/modules/none/messages/events");
  CHECK(Client::condition_of(link) == "amqp:unauthorized-access");

  Client policy(*this);
  REQUIRE(policy.put_token(service_token(*this, "device")) == 200);
  CHECK(Client::is_attached(policy.sender("s", root + "messages/events")));
  link = policy.sender("none", "/devices/dev1/modules/none/messages/events");
  CHECK(Client::condition_of(link) == "amqp:unauthorized-access");

  Client wrong(*this);
  CHECK(wrong.put_token(hub::make_sas_token("localhost/devices/dev1/modules/m",
                                            test::well_known_key, now + 1h)) == 401);
}

TEST_CASE_FIXTURE(
    Module, "MOD-08 what a module receives on stays silent, and takes nothing of its device") {
  const std::string d2c = root + "messages/events";
  pn_link_t* inputs = client.receiver("i", d2c);
  pn_link_t* devicebound = client.receiver("c", root + "messages/devicebound");
  pn_link_t* methods = client.receiver("m", root + "methods/devicebound");
  CHECK(Client::is_attached(inputs));
  CHECK(Client::is_attached(devicebound));
  CHECK(Client::is_attached(methods));
  CHECK(refusal(true, root + "methods/devicebound").empty());
  CHECK(refusal(true, root + "messages/devicebound") == "amqp:not-allowed");
  REQUIRE(send("dev1", "for the device"));
  client.run();
  CHECK(client.receive(devicebound).empty());
  CHECK(client.receive(inputs).empty());
  CHECK(hub.registry().get({"dev1"}, now)->c2d_locked_count == 0);

  Client device(*this);
  REQUIRE(device.put_token(device_token(*this, "dev1")) == 200);
  pn_link_t* own = device.receiver("c", "/devices/dev1/messages/devicebound");
  REQUIRE(device.receive(own).size() == 1);
  client.close(devicebound);
  CHECK(hub.registry().get({"dev1"}, now)->c2d_locked_count == 1);  // its lock is not the module's
}

TEST_CASE_FIXTURE(
    Module, "MOD-16 a module reads a twin; two identities on one connection keep theirs apart") {
  REQUIRE(client.put_token(device_token(*this, "dev1")) == 200);
  pn_link_t* device_replies = client.receiver("dr", "/devices/dev1/twin");
  pn_link_t* replies = client.receiver("r", root + "twin");
  pn_link_t* requests = client.sender("s", root + "twin");
  CHECK(client.send(requests, Message().correlation_id("7").annotation("operation", "GET")).state ==
        PN_ACCEPTED);
  const auto received = client.receive(replies);
  REQUIRE(received.size() == 1);
  CHECK(received[0].message().correlation_text() == "7");
  CHECK(received[0].message().body_bytes() ==
        R"({"desired":{"$version":1},"reported":{"$version":1}})");
  CHECK(client.receive(device_replies).empty());
}

TEST_CASE_FIXTURE(
    Module, "MOD-16 a module that is deleted, or its device, loses its links, others keep theirs") {
  REQUIRE(client.put_token(module_token("n")) == 200);
  pn_link_t* link = client.sender("s", root + "messages/events");
  pn_link_t* sister = client.sender("n", "/devices/dev1/modules/n/messages/events");
  REQUIRE(hub.registry().remove(m, {}, now));
  client.run();
  CHECK(Client::condition_of(link) == "amqp:link:detach-forced");
  CHECK(Client::is_attached(sister));
  CHECK(refusal(true, root + "messages/events") == "amqp:unauthorized-access");
  hub::DeviceSpec spec;
  spec.id = {"dev1"};
  spec.status = hub::DeviceStatus::disabled;
  REQUIRE(hub.registry().update(spec, {}, now));
  client.run();
  CHECK(Client::condition_of(sister) == "amqp:link:detach-forced");
  CHECK(client.put_token(module_token("n")) == 401);
  CHECK(client.is_open());
}

TEST_CASE_FIXTURE(Module, "MOD-16 a module's token that ends takes its links, not its device's") {
  REQUIRE(client.put_token(module_token("m", 100s)) == 200);  // renewed, for less
  REQUIRE(client.put_token(device_token(*this, "dev1", 200s)) == 200);
  pn_link_t* link = client.sender("s", root + "messages/events");
  pn_link_t* own = client.sender("d", "/devices/dev1/messages/events");
  advance(100s);
  client.run();
  CHECK(Client::condition_of(link) == "amqp:unauthorized-access");
  CHECK(Client::is_attached(own));
  CHECK_FALSE(is_connected(m));
  CHECK(is_connected({"dev1"}));
}
