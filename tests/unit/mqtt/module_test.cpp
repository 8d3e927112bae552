// Modules over MQTT: client id `D/M`, their topics, and the line between them and their device.
#include <algorithm>

#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

const Lines accepted{"CONNACK 0 present=0"};
const Lines refused{"CONNACK 5 present=0"};
const hub::DeviceId m{"dev1", "m"};

struct ModuleWorld : World {
  ModuleWorld() {
    add_device("dev1");
    add_module("dev1", "m");
    add_module("dev1", "n");
    add_device("dev2");
    add_module("dev2", "m");
  }
  ConnectOptions as_module(std::string_view device = "dev1", std::string_view module = "m") {
    return {.password = module_token(device, module)};
  }
  bool is_connected(const hub::DeviceId& id) { return hub.registry().get(id, now)->connected; }
};

struct Connected : ModuleWorld {
  Connected() {
    client.connect("dev1/m", as_module());
    REQUIRE(client.take() == accepted);
  }
  Client client{*this};
};

}  // namespace

TEST_CASE_FIXTURE(ModuleWorld, "MOD-12 a module connects as D/M with a token of its own key") {
  Client client(*this);
  CHECK(client.connect("dev1/m", as_module()).take() == accepted);
  CHECK(log.contains("device connected over MQTT device=dev1/m"));
  CHECK(is_connected(m));
  CHECK_FALSE(is_connected({"dev1"}));
  CHECK_FALSE(is_connected({"dev1", "n"}));
  client.send(mqtt::Disconnect{});
  CHECK(client.closed());
  CHECK_FALSE(is_connected(m));
}

TEST_CASE_FIXTURE(ModuleWorld, "MOD-12 a policy with DeviceConnect, or the module's certificate") {
  Client by_policy(*this);
  by_policy.connect("dev1/m", {.password = policy_token("device", "hub.local/devices/dev1")});
  CHECK(by_policy.take() == accepted);

  hub::DeviceSpec spec;
  spec.id = {"dev1", "x509"};
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(hub.registry().create(spec, now).has_value());
  const hub::ClientCertificate certificate{std::string(40, 'a'), std::string(64, 'b'), "any"};
  Client by_certificate(*this, certificate);
  CHECK(by_certificate.connect("dev1/x509", {.no_password = true}).take() == accepted);
  Client for_another(*this, certificate);
  CHECK(for_another.connect("dev1/m", {.no_password = true}).take() == refused);
  Client for_the_device(*this, certificate);
  CHECK(for_the_device.connect("dev1", {.no_password = true}).take() == refused);
}

TEST_CASE_FIXTURE(ModuleWorld, "MOD-12 whoever is not that very module gets CONNACK 5") {
  const auto check = [&](std::string_view name, const ConnectOptions& options,
                         std::string_view reason) {
    CAPTURE(reason);
    log.lines.clear();
    Client client(*this);
    CHECK(client.connect(name, options).take() == refused);
    CHECK(client.closed());
    CHECK(log.contains(reason));
  };
  check("dev1/m", {.password = token("dev2")}, "scope does not cover module m of device dev1");
  check("dev1", as_module(), "scope does not cover device dev1");
  check("dev1/m", as_module("dev1", "n"), "scope does not cover module m of device dev1");
  check("dev1/m", as_module("dev2", "m"), "scope does not cover module m of device dev1");
  check("dev1/nobody", as_module("dev1", "nobody"), "module nobody of device dev1 is not reg");
  check("dev1/m", {.client_id = "dev1", .password = as_module().password}, "client id is not");
  check("dev1/m", {.client_id = "m", .password = as_module().password}, "client id is not");
  check("dev1", {.client_id = "dev1/m"}, "client id is not");
  check("dev1/m",
        {.username = "hub.local/dev1%2Fm/?api-version=1", .password = as_module().password},
        "client id is not");
  set_status("dev1", hub::DeviceStatus::disabled);
  check("dev1/m", as_module(), "device dev1 is disabled");
}

TEST_CASE_FIXTURE(Connected, "MOD-13 telemetry on the module's topic is stamped with both ids") {
  client.publish("devices/dev1/modules/m/messages/events/%24.mid=7&$.cmid=n&%24.on=out&k=v/", "hi");
  CHECK(client.take() == Lines{"PUBACK id=9"});
  REQUIRE(events().size() == 1);
  const auto event = events().front();
  CHECK(event->origin->device.text == "dev1");
  CHECK(event->origin->device.module == "m");
  CHECK(event->origin->auth_generation_id == hub.registry().get(m, now)->identity.generation_id);
  CHECK(event->origin->auth_method ==
        R"({"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  CHECK(event->content.message_id.text == "7");
  CHECK(event->content.body == "hi");
  CHECK(std::count(event->content.properties.begin(), event->content.properties.end(),
                   hub::Property{"iothub-outputname", "out"}) == 1);
}

TEST_CASE("MOD-13 a topic of the device, a sister or another device's module closes") {
  for (const auto* topic :
       {"devices/dev1/messages/events/", "devices/dev1/modules/n/messages/events/",
        "devices/dev1/modules/mm/messages/events/", "devices/dev1/modules/M/messages/events/",
        "devices/dev2/modules/m/messages/events/", "devices/dev1/modules/", "devices/dev1"}) {
    Connected c;
    c.client.publish(topic);
    CHECK(c.client.closed());
    CHECK(c.client.take().empty());
    CHECK(c.log.contains("topic of another identity"));
    CHECK(c.events().empty());
  }
  for (const auto* topic :
       {"devices/dev1/modules/m", "devices/dev1/modules/m/messages/devicebound/",
        "devices/dev1/modules/m/messages/eventsx", "devices/dev1/modules/m/inputs/i/"}) {
    Connected c;
    c.client.publish(topic);
    CHECK(c.client.closed());
    CHECK(c.log.contains("topic the hub does not know"));
  }
}

TEST_CASE_FIXTURE(Connected, "MOD-13 the filters of every SDK's module client are granted") {
  client.send(mqtt::Subscribe{8,
                              {{"devices/dev1/modules/m/inputs/#", 1},
                               {"devices/dev1/modules/m/#", 1},
                               {"devices/dev1/modules/m/messages/devicebound/#", 1},
                               {"devices/+/messages/devicebound/#", 1},
                               {"$iothub/twin/res/#", 0},
                               {"$iothub/methods/POST/#", 0},
                               {"#", 1}}});
  CHECK(client.take() == Lines{"SUBACK id=8 1 1 1 1 0 0 1"});
}

TEST_CASE("MOD-13 a filter that names the device's own topics, a sister or another device closes") {
  for (const auto* filter :
       {"devices/dev1/messages/devicebound/#", "devices/dev1/messages/#",
        "devices/dev1/modules/n/#", "devices/dev2/modules/m/#", "devices/dev2/#"}) {
    CAPTURE(filter);
    Connected c;
    CHECK(c.client.subscribe(filter).take().empty());
    CHECK(c.client.closed());
    CHECK_FALSE(c.hub.connections().mqtt_session(m));
  }
  for (const auto* filter : {"devices/dev1/modules/m/#", "devices/dev1/modules/m/inputs/#"}) {
    CAPTURE(filter);
    ModuleWorld world;
    Client device(world);
    device.connect("dev1").subscribe(filter);
    CHECK(device.closed());
  }
}

TEST_CASE_FIXTURE(Connected, "MOD-08 no filter brings a module the messages of its device") {
  client.subscribe("#").subscribe("devices/#").subscribe("devices/dev1/#");
  client.subscribe("devices/+/messages/devicebound/#");
  client.take();
  send("dev1", "for the device");
  CHECK(client.run().take().empty());
  CHECK_FALSE(client.closed());
  CHECK(locked("dev1") == 0);
  Client device(*this);
  device.connect("dev1").subscribe(c2d_filter("dev1")).take();
  send("dev1", "for the device, too");
  CHECK(device.run().take().size() == 1);
  CHECK(client.run().take().empty());
}

TEST_CASE_FIXTURE(Connected, "MOD-13 a module reads a twin and may report") {
  client.subscribe("$iothub/twin/res/#", 0).take();
  client.publish("$iothub/twin/GET/?$rid=1", " ", 0);
  CHECK(client.take() ==
        Lines{"PUBLISH qos=0 dup=0 retain=0 id=0 topic=$iothub/twin/res/200/?$rid=1 "
              R"(payload={"desired":{"$version":1},"reported":{"$version":1}})"});
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", "{}", 0);
  CHECK(client.take() == Lines{"PUBLISH qos=0 dup=0 retain=0 id=0 "
                               "topic=$iothub/twin/res/204/?$rid=2&$version=2 payload="});
}

TEST_CASE_FIXTURE(Connected,
                  "MOD-12 a newer connection of the module drops the older, nobody else") {
  Client device(*this);
  CHECK(device.connect("dev1").take() == accepted);
  Client sister(*this);
  CHECK(sister.connect("dev1/n", as_module("dev1", "n")).take() == accepted);
  CHECK_FALSE(client.run().closed());
  Client newer(*this);
  CHECK(newer.connect("dev1/m", as_module()).take() == accepted);
  CHECK(client.run().closed());
  CHECK_FALSE(device.run().closed());
  CHECK_FALSE(sister.run().closed());
  CHECK(is_connected(m));
}

TEST_CASE_FIXTURE(Connected, "MOD-12 a module that is deleted, or whose device is, is cut") {
  SUBCASE("the module") { REQUIRE(hub.registry().remove(m, {}, now).has_value()); }
  SUBCASE("its device") { REQUIRE(hub.registry().remove({"dev1"}, {}, now).has_value()); }
  CHECK(client.run().closed());
  CHECK(log.contains("MQTT connection closed device=dev1/m"));
  CHECK(log.contains("the identity was deleted"));
}

TEST_CASE_FIXTURE(Connected, "MOD-12 a module's session is kept apart from its device's") {
  client.subscribe("$iothub/twin/res/#", 0).send(mqtt::Disconnect{});
  Client device(*this);
  CHECK(device.connect("dev1").take() == Lines{"CONNACK 0 present=0"});
  Client again(*this);
  CHECK(again.connect("dev1/m", as_module()).take() == Lines{"CONNACK 0 present=1"});
  again.publish("$iothub/twin/GET/?$rid=1", {}, 0);
  CHECK(again.take().size() == 1);
}

TEST_CASE_FIXTURE(ModuleWorld,
                  "MOD-12 a module's will becomes its telemetry, on its own topic only") {
  for (const auto* topic :
       {"devices/dev1/modules/m/messages/events/", "devices/dev1/messages/events/"}) {
    Client client(*this);
    auto options = as_module();
    options.will = mqtt::Will{topic, "bye", 1, false};
    client.connect("dev1/m", options);
    client.session->on_peer_closed(now);
  }
  REQUIRE(events().size() == 1);
  CHECK(events()[0]->origin->device.module == "m");
  CHECK(log.contains("will ignored"));
}
