#include "tests/support/print_result.hpp"
#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

const std::string events = "devices/dev1/messages/events/";
using Properties = std::vector<hub::Property>;

struct Connected {
  Connected() {
    world.add_device("dev1");
    world.add_device("dev2");
    client.connect("dev1").take();
  }
  World world;
  Client client{world};
};

}  // namespace

TEST_CASE_FIXTURE(Connected, "M-20 telemetry is stored with what the hub stamps on it") {
  client.publish(events + "$.mid=m1&%24.ct=application%2Fjson&room=a%2Fb/", "{\"t\":1}");
  CHECK(client.take() == Lines{"PUBACK id=9"});
  REQUIRE(world.events().size() == 1);
  const auto& event = *world.events()[0];
  CHECK(event.content.body == "{\"t\":1}");
  CHECK(event.content.message_id.text == "m1");
  CHECK(event.content.content_type == "application/json");
  CHECK(event.content.properties == Properties{{"room", "a/b"}});
  CHECK(event.origin->device.text == "dev1");
  CHECK(event.origin->auth_method ==
        R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  CHECK(event.origin->auth_generation_id ==
        world.hub.registry().get({"dev1"}, world.now)->identity.generation_id);
  CHECK(event.message_source == "Telemetry");
  CHECK(event.enqueued_time == world.now);
}

TEST_CASE("M-10 the model id of the user name becomes dt-dataschema; a policy's scope is the hub") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1", {.username = "hub/dev1/?api-version=1&model-id=dtmi:com:example:T;1",
                          .password = world.policy_token("device", "hub.local")});
  client.publish(events);
  CHECK(world.events().at(0)->origin->data_schema == "dtmi:com:example:T;1");
  CHECK(world.events().at(0)->origin->auth_method ==
        R"({"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
}

TEST_CASE_FIXTURE(Connected, "QoS 0 telemetry is stored and not answered") {
  client.publish(events, "", 0);
  CHECK(client.take().empty());
  CHECK(world.events().size() == 1);
}

TEST_CASE_FIXTURE(Connected, "M-22 PUBACKs leave in the order of arrival, one for each") {
  for (const std::uint16_t id : {7, 3, 65535, 3, 1}) {
    client.send(mqtt::Publish{false, 1, false, events, id, "x"});
  }
  CHECK(client.take() ==
        Lines{"PUBACK id=7", "PUBACK id=3", "PUBACK id=65535", "PUBACK id=3", "PUBACK id=1"});
  CHECK(world.events().size() == 5);
}

TEST_CASE_FIXTURE(Connected, "M-60 PUBLISH at QoS 2 closes and is not stored") {
  client.send(mqtt::Publish{false, 2, false, events, 1, "x"});
  CHECK(client.closed());
  CHECK(client.take().empty());
  CHECK(world.events().empty());
  CHECK(world.log.contains(
      "which the hub does not have; use QoS 1 topic=devices/dev1/messages/events/"));
}

TEST_CASE_FIXTURE(Connected, "retain and dup become properties, not behaviour") {
  client.send(mqtt::Publish{true, 1, true, events + "a=b", 1, "x"});
  CHECK(world.events().at(0)->content.properties ==
        Properties{{"mqtt-dup", "true"}, {"a", "b"}, {"mqtt-retain", "true"}});
  client.send(mqtt::Publish{true, 1, false, events, 1, "x"});
  CHECK(world.events().size() == 2);  // no de-duplication
}

TEST_CASE_FIXTURE(Connected, "message size: 256 KB of packet pass, one byte more closes") {
  const std::string topic = events + "k=v";
  const std::string body(262'144 - 4 - 2 - topic.size(), 'x');
  client.send(mqtt::Publish{false, 0, false, topic, 0, body});
  CHECK_FALSE(client.closed());
  CHECK(world.events().size() == 1);
  client.send(mqtt::Publish{false, 0, false, topic, 0, body + "x"});
  CHECK(client.closed());
  CHECK(world.log.contains("above the size limit"));
}

TEST_CASE_FIXTURE(Connected, "too many properties close") {
  std::string bag;
  for (int i = 0; i < 1001; ++i) bag += "k" + std::to_string(i) + "=v&";
  client.publish(events + bag);
  CHECK(client.closed());
  CHECK(world.log.contains("more than 1000 properties"));
}

TEST_CASE("M-60 unsupported and foreign topics close, with the topic in the log") {
  for (const auto* topic :
       {"devices/dev2/messages/events/", "devices/dev1/modules/m/messages/events/", "hello",
        "devices/dev1/messages/devicebound/", "$iothub/twin/GET/", "$iothub/twin/DELETE/?$rid=1",
        "$iothub/other"}) {
    Connected c;
    c.client.publish(topic);
    CHECK(c.client.closed());
    CHECK(c.client.take().empty());
    CHECK(c.world.log.contains("topic=" + std::string(topic)));
    CHECK(c.world.events().empty());
  }
}

TEST_CASE("M-60 packets that a server must not get close") {
  const auto check = [](auto packet, std::string_view reason) {
    Connected c;
    c.client.send(packet);
    CHECK(c.client.closed());
    CHECK(c.world.log.contains(reason));
  };
  check(mqtt::Connack{}, "CONNACK is not for a server");
  check(mqtt::Suback{1, {0}}, "SUBACK is not for a server");
  check(mqtt::Unsuback{1}, "UNSUBACK is not for a server");
  check(mqtt::Pingresp{}, "PINGRESP is not for a server");
  check(mqtt::Pubrec{1}, "PUBREC belongs to QoS 2");
  check(mqtt::Pubrel{1}, "PUBREL belongs to QoS 2");
  check(mqtt::Pubcomp{1}, "PUBCOMP belongs to QoS 2");
}

TEST_CASE_FIXTURE(Connected, "M-60 a malformed packet closes behind those before it") {
  std::string bytes;
  mqtt::encode(bytes, mqtt::Publish{false, 1, false, events, 4, "x"});
  bytes += '\x00';
  client.send_bytes(bytes);
  CHECK(client.closed());
  CHECK(client.take() == Lines{"PUBACK id=4"});
  CHECK(world.events().size() == 1);
  client.publish(events);  // what comes later is not read
  CHECK(world.events().size() == 1);
}

TEST_CASE("the will becomes telemetry unless DISCONNECT comes first") {
  const std::string topic = events + "a=b/";
  const auto run = [&](auto&& end) {
    World world;
    world.add_device("dev1");
    Client client(world);
    client.connect("dev1", {.keep_alive_s = 10, .will = mqtt::Will{topic, "bye", 1, true}});
    end(client);
    CHECK(client.closed());
    const auto stored = world.events();
    if (stored.empty()) return false;
    CHECK(stored[0]->content.body == "bye");
    CHECK(stored[0]->content.properties ==
          Properties{{"iothub-MessageType", "Will"}, {"a", "b"}, {"mqtt-retain", "true"}});
    return true;
  };
  CHECK_FALSE(run([](Client& c) { c.send(mqtt::Disconnect{}); }));
  CHECK(run([](Client& c) { c.session->on_peer_closed(c.world.now); }));
  CHECK(run([](Client& c) { c.send_bytes("\xFF"); }));
  CHECK(run([](Client& c) {
    c.world.pass(15s);
    c.run();
  }));
  CHECK(run([](Client& c) {
    Client newer(c.world);
    newer.connect("dev1");
    c.run();
  }));
  CHECK_FALSE(run([](Client& c) {  // refused telemetry: said in the log
    c.world.set_status("dev1", hub::DeviceStatus::disabled);
    c.run();
    CHECK(c.world.log.contains("will lost"));
  }));
}

TEST_CASE("a will elsewhere is ignored and said so; a will of a refused CONNECT never was") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1", {.will = mqtt::Will{"devices/dev2/messages/events/", "x", 0, false}});
  CHECK(client.take() == Lines{"CONNACK 0 present=0"});
  CHECK(world.log.contains("will ignored"));
  client.session->on_peer_closed(world.now);
  Client refused(world);
  refused.connect("dev1", {.password = "x", .will = mqtt::Will{events, "x", 0, false}});
  refused.session->on_peer_closed(world.now);
  CHECK(world.events().empty());
}

TEST_CASE_FIXTURE(Connected, "M-50 M-51 twin requests are answered at QoS 0 to who subscribed") {
  client.publish("$iothub/twin/GET/?$rid=a-1", "", 1);
  CHECK(client.take() == Lines{"PUBACK id=9"});
  client.subscribe("$iothub/twin/res/#", 1).take();
  client.publish("$iothub/twin/GET/?$rid=a-1", " ", 0);
  CHECK(client.take() ==
        Lines{"PUBLISH qos=0 dup=0 retain=0 id=0 topic=$iothub/twin/res/200/?$rid=a-1 "
              "payload={\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}"});
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", R"({"a":1})", 1);
  CHECK(client.take() ==
        Lines{"PUBACK id=9",
              "PUBLISH qos=0 dup=0 retain=0 id=0 topic=$iothub/twin/res/204/?$rid=2&$version=2 "
              "payload="});
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=3&$version=2", R"({"a":null})", 0);
  CHECK(client.take().at(0).find("/204/?$rid=3&$version=3") != std::string::npos);
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=4", "[1", 0);
  CHECK(client.take().at(0).find("$iothub/twin/res/400/?$rid=4 payload={\"errorCode\":400004") !=
        std::string::npos);
  CHECK(world.events().empty());
}

TEST_CASE_FIXTURE(Connected, "method responses are acknowledged and ignored") {
  client.publish("$iothub/methods/res/200/?$rid=1", "{}", 1);
  CHECK(client.take() == Lines{"PUBACK id=9"});
  CHECK_FALSE(client.closed());
}

TEST_CASE_FIXTURE(Connected, "M-23 input waits while nobody reads the output") {
  client.subscribe("$iothub/twin/res/#", 0);
  int sent = 0;
  while (client.session->wants_input()) {
    client.publish("$iothub/twin/GET/?$rid=1", "", 0);
    REQUIRE(++sent < 100'000);
  }
  CHECK(client.session->output().size() >= 256 * 1024);
  client.session->consume_output(client.session->output().size());
  CHECK(client.session->wants_input());
  CHECK_FALSE(client.closed());
}

TEST_CASE_FIXTURE(Connected, "M-23 output that is never read to its end is compacted as it goes") {
  client.subscribe("$iothub/twin/res/#", 0);
  for (int i = 0; i < 20'000; ++i) {
    client.publish("$iothub/twin/GET/?$rid=" + std::to_string(i), "", 0);
    if (client.session->output().size() > 200) {
      client.session->consume_output(client.session->output().size() - 100);
    }
  }
  client.session->consume_output(client.session->output().size() - 1);
  CHECK(client.session->output() == "}");
}

TEST_CASE("M-62 the tier's throttles: telemetry closes, twin requests get 429, CONNECT gets 3") {
  hub::Settings settings;
  REQUIRE(settings.set("sku.name", "S1"));
  World world(settings);
  world.add_device("dev1");
  Client client{world};
  client.connect("dev1").take();
  client.subscribe("$iothub/twin/res/#", 1).take();
  const auto use_up = [&](hub::Operation operation) {
    while (world.hub.admission().admit(operation, 1, world.now)) {
    }
  };
  use_up(hub::Operation::twin_read);
  use_up(hub::Operation::twin_update);
  const std::string refused =
      R"j( payload={"errorCode":429001,"message":"more of this than the hub's tier allows in a )j"
      R"j(minute (settings sku.name, sku.capacity)"})j";
  const std::string head = "PUBLISH qos=0 dup=0 retain=0 id=0 topic=$iothub/twin/res/429/?$rid=";
  client.publish("$iothub/twin/GET/?$rid=1", "", 0);
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", "{}", 0);
  CHECK(client.take() == Lines{head + "1" + refused, head + "2" + refused});

  use_up(hub::Operation::d2c_send);
  client.publish(events, "x");
  CHECK(client.take() == Lines{});
  CHECK(client.closed());
  CHECK(world.log.contains("more of this than the hub's tier allows"));

  use_up(hub::Operation::connect);
  Client second{world};
  CHECK(second.connect("dev1").take() == Lines{"CONNACK 3 present=0"});
}

TEST_CASE_FIXTURE(Connected,
                  "M-73 a leading ? is part of the first name, deeper levels are one; told once") {
  client.publish(events + "a=b/c").publish(events);
  CHECK_FALSE(world.log.contains("as the name of a property"));
  client.publish(events + "?a=b").publish(events + "cmnd/POWER").take();
  std::size_t told = 0;
  for (const std::string& line : world.log.lines) {
    told += line.find("as the name of a property") != std::string::npos ? 1u : 0u;
  }
  CHECK(told == 1);
  std::vector<hub::Property> properties;
  for (const auto& event : world.events()) {
    properties.insert(properties.end(), event->content.properties.begin(),
                      event->content.properties.end());
  }
  CHECK(properties == std::vector<hub::Property>{{"a", "b/c"}, {"?a", "b"}, {"cmnd/POWER", ""}});
}

TEST_CASE_FIXTURE(Connected, "M-75 at debug each publish, subscription and delivery is a line") {
  client.publish("devices/dev1/messages/events/a=b", "21.5");
  client.subscribe(c2d_filter("dev1"));
  world.send("dev1", "hello", "m1");
  client.run().send(mqtt::Puback{2});
  client.send(mqtt::Unsubscribe{1, {c2d_filter("dev1")}});
  const Lines expected{
      "telemetry device=dev1 id= sequence number=0 bytes=4 properties=a=b body=21.5",
      "subscribed device=dev1 topic=devices/dev1/messages/devicebound/# qos=1",
      "message queued device=dev1 id=m1 sequence number=1 bytes=5 properties= body=hello",
      "message delivered device=dev1 id=m1 sequence number=1 bytes=5 properties= body=hello",
      "message completed device=dev1 ids=m1",
      "unsubscribed device=dev1 topic=devices/dev1/messages/devicebound/# qos=1"};
  Lines said;
  for (std::size_t i = 0; i < world.log.lines.size(); ++i) {
    if (world.log.levels[i] == hub::LogLevel::debug) said.push_back(world.log.lines[i]);
  }
  CHECK(said == expected);
}

TEST_CASE_FIXTURE(Connected, "M-76 that reported properties are not kept is told once a device") {
  const std::string patch = "$iothub/twin/PATCH/properties/reported/?$rid=1";
  client.publish(patch, "{}").publish(patch, "{}").send(mqtt::Disconnect{});
  Client again(world);
  again.connect("dev1").publish(patch, "{}");
  std::size_t told = 0;
  for (const std::string& line : world.log.lines) {
    told += line.find("the hub has no twins yet device=dev1") != std::string::npos ? 1u : 0u;
  }
  CHECK(told == 1);
}
