#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

struct Connected {
  Connected() {
    world.add_device("dev1");
    client.connect("dev1").take();
  }
  World world;
  Client client{world};
};

}  // namespace

TEST_CASE_FIXTURE(Connected, "M-61 every filter is granted, at most at QoS 1, one code each") {
  client.send(mqtt::Subscribe{8,
                              {{"$iothub/twin/res/#", 0},
                               {"$iothub/methods/POST/#", 1},
                               {"devices/dev1/messages/devicebound/#", 2},
                               {"$iothub/twin/PATCH/properties/desired/#", 1}}});
  CHECK(client.take() == Lines{"SUBACK id=8 0 1 1 1"});
  CHECK_FALSE(world.log.contains("nothing the hub sends can match"));
}

TEST_CASE_FIXTURE(Connected, "M-61 a filter that can match nothing is granted and logged") {
  CHECK(client.subscribe("devices/dev1/messages/events/#").take() == Lines{"SUBACK id=1 1"});
  CHECK(world.log.contains(
      "subscription granted, but nothing the hub sends can match it; messages come "
      "by the filter devices/{id}/messages/devicebound/# device=dev1 "
      "filter=devices/dev1/messages/events/#"));
}

TEST_CASE_FIXTURE(Connected, "M-61 a filter that names another device closes") {
  client.send(mqtt::Subscribe{8, {{c2d_filter("dev1"), 1}, {c2d_filter("dev2"), 1}}});
  CHECK(client.closed());
  CHECK(client.take().empty());
  CHECK(world.log.contains("topic=devices/dev2/messages/devicebound/#"));
  Client again(world);
  CHECK(again.connect("dev1").take() == Lines{"CONNACK 0 present=0"});  // nothing was stored
}

TEST_CASE_FIXTURE(Connected, "the number of subscriptions is bounded") {
  for (int i = 0; i < 100; ++i) client.subscribe("topic/" + std::to_string(i));
  client.subscribe("topic/0");
  CHECK_FALSE(client.closed());
  client.subscribe("topic/100");
  CHECK(client.closed());
  CHECK(world.log.contains("more than 100 subscriptions"));
}

TEST_CASE_FIXTURE(Connected, "UNSUBACK is given for unknown filters too") {
  client.send(mqtt::Unsubscribe{12, {"never/subscribed", "$SYS/#"}});
  CHECK(client.take() == Lines{"UNSUBACK id=12"});
  CHECK_FALSE(client.closed());
}

TEST_CASE("M-30 any matching filter enables delivery, once for all of them") {
  for (const auto* filter : {"devices/dev1/messages/devicebound/#",
                             "devices/+/messages/devicebound/#", "#", "devices/dev1/messages/#"}) {
    Connected c;
    c.client.subscribe(filter).subscribe(c2d_filter("dev1")).take();
    c.world.send("dev1", "x");
    CHECK(c.client.run().take().size() == 1);
  }
}

TEST_CASE_FIXTURE(Connected, "M-31 without a matching subscription messages stay queued") {
  client.subscribe("$iothub/methods/POST/#").take();
  world.send("dev1", "x");
  CHECK(client.run().take().empty());
  CHECK(world.queued("dev1") == 1);
  CHECK(world.locked("dev1") == 0);
}

TEST_CASE_FIXTURE(Connected, "M-30 the effective QoS is the highest among the matching filters") {
  client.subscribe("#", 0).take();
  world.send("dev1", "a");
  CHECK(client.run().take().at(0).starts_with("PUBLISH qos=0 "));
  client.subscribe(c2d_filter("dev1"), 1).take();
  world.send("dev1", "b");
  CHECK(client.run().take().at(0).starts_with("PUBLISH qos=1 "));
  client.subscribe("devices/dev1/#", 0).take();
  world.send("dev1", "still b");
  CHECK(client.run().take().at(0).starts_with("PUBLISH qos=1 "));
  client.subscribe(c2d_filter("dev1"), 0).take();  // a duplicate updates the QoS
  world.send("dev1", "c");
  CHECK(client.run().take().at(0).starts_with("PUBLISH qos=0 "));
}

TEST_CASE_FIXTURE(Connected, "SUBACK leaves before the first message it enables") {
  client.subscribe(c2d_filter("dev1")).take();
  client.send(mqtt::Disconnect{});
  world.send("dev1", "x");
  Client again(world);
  again.connect("dev1").subscribe(c2d_filter("dev1"));
  const auto lines = again.take();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "CONNACK 0 present=1");
  CHECK(lines[1].starts_with("PUBLISH"));  // the stored subscription is live at once
  CHECK(lines[2] == "SUBACK id=1 1");
}

TEST_CASE(
    "M-40 C2D-29 what was sent before the first subscription is rejected by it, with feedback") {
  for (const bool clean : {false, true}) {
    CAPTURE(clean);
    World world;
    world.add_device("dev1");
    world.send("dev1", "old 1", "first", hub::Ack::full);
    world.send("dev1", "old 2", {}, hub::Ack::positive);
    Client client(world);
    client.connect("dev1", {.clean_session = clean}).take();
    CHECK(world.queued("dev1") == 2);  // the SUBSCRIBE decides, not the CONNECT
    CHECK(client.subscribe(c2d_filter("dev1")).run().take() == Lines{"SUBACK id=1 1"});
    CHECK(world.queued("dev1") == 0);
    CHECK(world.log.contains("messages rejected: they were sent before the device subscribed"));
    CHECK(world.log.contains("mqttBacklogOnFirstSubscribe=deliver pushes them"));
    CHECK(world.log.contains("device=dev1 messages=2 ids=first, #2"));
    world.pass(15s);
    const auto feedback = world.hub.c2d().peek(hub::QueueId::feedback());
    REQUIRE(feedback.size() == 1);
    const std::string& records = feedback[0].message->content.body;
    CHECK(records.find("\"originalMessageId\":\"first\"") != std::string::npos);
    CHECK(records.find("\"statusCode\":\"Rejected\"") != std::string::npos);
    CHECK(records.find("},{") == std::string::npos);  // the other asked for none
    world.send("dev1", "new");
    CHECK(client.run().take().at(0).ends_with("payload=new"));
  }
}

TEST_CASE(
    "M-71 a session that is stored with its subscription loses nothing that is sent while it is "
    "away") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1").subscribe(c2d_filter("dev1")).send(mqtt::Disconnect{});
  world.send("dev1", "while away");
  Client again(world);
  CHECK(again.connect("dev1")
            .subscribe(c2d_filter("dev1"))
            .take()
            .at(1)
            .ends_with("payload=while away"));
  // A clean session has no past: its subscription is new.
  again.send(mqtt::Disconnect{});
  Client clean(world);
  clean.connect("dev1", {.clean_session = true}).subscribe(c2d_filter("dev1")).take();
  CHECK(world.queued("dev1") == 0);
}

TEST_CASE(
    "M-71 an early message that HTTPS holds is rejected when it comes back, not lost to sight") {
  World world;
  world.add_device("dev1");
  world.send("dev1", "held", "held", hub::Ack::full);
  const hub::QueueId queue{hub::DeviceId{"dev1"}};
  const auto held = world.hub.c2d().receive_once(queue, 60s, world.now);
  REQUIRE((held.has_value() && held->has_value()));
  Client client(world);
  client.connect("dev1").subscribe(c2d_filter("dev1")).take();
  CHECK(world.queued("dev1") == 1);
  REQUIRE(world.hub.c2d().abandon(queue, (*held)->lock_token, world.now).has_value());
  CHECK(client.run().take().empty());
  CHECK(world.queued("dev1") == 0);
  CHECK(world.log.contains("device=dev1 messages=1 ids=held"));
}

TEST_CASE("M-40 with keep, what was sent before the first subscription stays and is not pushed") {
  hub::Settings settings;
  settings.mqtt_backlog = hub::MqttBacklog::keep;
  for (const bool clean : {false, true}) {
    World world(settings);
    world.add_device("dev1");
    world.send("dev1", "old 1");
    world.send("dev1", "old 2");
    Client client(world);
    client.connect("dev1", {.clean_session = clean}).subscribe(c2d_filter("dev1")).take();
    CHECK(client.run().take().empty());
    CHECK(world.queued("dev1") == 2);
    CHECK(
        world.log.contains("mqttBacklogOnFirstSubscribe=deliver pushes such messages device=dev1 "
                           "messages=2 ids=#1, #2"));
    world.send("dev1", "new");
    const auto lines = client.run().take();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].ends_with("payload=new"));
    // The same after a reconnect: the subscription is as old as it is.
    client.send(mqtt::Puback{4}).send(mqtt::Disconnect{});
    Client again(world);
    CHECK(again.connect("dev1").run().take().size() == 1);
  }
}

TEST_CASE("M-40 with deliver, the backlog is pushed at the first subscription") {
  hub::Settings settings;
  settings.mqtt_backlog = hub::MqttBacklog::deliver;
  World world(settings);
  world.add_device("dev1");
  world.send("dev1", "old");
  Client client(world);
  client.connect("dev1").subscribe(c2d_filter("dev1"));
  CHECK(client.take().at(2).ends_with("payload=old"));
  CHECK_FALSE(world.log.contains("sent before the device subscribed"));
}

TEST_CASE_FIXTURE(Connected, "M-16 a duplicate SUBSCRIBE keeps the time of the first") {
  client.subscribe(c2d_filter("dev1")).take();
  client.send(mqtt::Disconnect{});
  world.send("dev1", "offline");
  Client again(world);
  again.connect("dev1").send(mqtt::Disconnect{});
  Client third(world);
  third.connect("dev1").subscribe(c2d_filter("dev1"), 1);
  CHECK(third.take().at(1).ends_with("payload=offline"));
}

TEST_CASE_FIXTURE(Connected, "UNSUBSCRIBE stops delivery; what is in flight can still be settled") {
  client.subscribe(c2d_filter("dev1")).take();
  world.send("dev1", "a");
  CHECK(client.run().take().size() == 1);
  client.send(mqtt::Unsubscribe{2, {c2d_filter("dev1")}}).take();
  world.send("dev1", "b");
  CHECK(client.run().take().empty());
  CHECK(world.locked("dev1") == 1);
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 1);
  // A new subscription begins now: "b" was sent before it.
  client.subscribe(c2d_filter("dev1")).take();
  CHECK(client.run().take().empty());
  world.send("dev1", "c");
  CHECK(client.run().take().at(0).ends_with("payload=c"));
}

TEST_CASE_FIXTURE(Connected, "M-16 UNSUBSCRIBE removes the stored filter too") {
  client.subscribe(c2d_filter("dev1")).take();
  client.send(mqtt::Unsubscribe{2, {c2d_filter("dev1")}}).send(mqtt::Disconnect{});
  world.send("dev1", "x");
  Client again(world);
  CHECK(again.connect("dev1").run().take() == Lines{"CONNACK 0 present=1"});
}

TEST_CASE_FIXTURE(Connected, "M-16 all filters of a session persist, twin and methods included") {
  client.send(mqtt::Subscribe{1, {{"$iothub/twin/res/#", 0}, {"$iothub/methods/POST/#", 1}}});
  client.send(mqtt::Disconnect{});
  Client again(world);
  again.connect("dev1").take();
  again.publish("$iothub/twin/GET/?$rid=1", "", 0);
  CHECK(again.take().size() == 1);
  CHECK(world.hub.connections().mqtt_session({"dev1"})->subscriptions.size() == 2);
}
