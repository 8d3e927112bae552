#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

std::string publish_line(int qos, int dup, int id, std::string_view payload) {
  return "PUBLISH qos=" + std::to_string(qos) + " dup=" + std::to_string(dup) +
         " retain=0 id=" + std::to_string(id) +
         " topic=devices/dev1/messages/devicebound/"
         "%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound payload=" +
         std::string(payload);
}

struct Subscribed {
  explicit Subscribed(hub::Settings settings = {}, std::uint8_t qos = 1) : world(settings) {
    world.add_device("dev1");
    client.connect("dev1", {.keep_alive_s = 0}).subscribe(c2d_filter("dev1"), qos).take();
  }
  // Sends `count` messages named 1, 2, …
  void send(int count) {
    for (int i = 1; i <= count; ++i) world.send("dev1", std::to_string(i));
  }
  World world;
  Client client{world};
};

}  // namespace

TEST_CASE_FIXTURE(Subscribed, "M-32 a message is published at QoS 1 and completed by PUBACK") {
  world.send("dev1", "hello", "mid-1", hub::Ack::full);
  CHECK(client.driven.wakes() == 1);
  CHECK(client.run().take() ==
        Lines{"PUBLISH qos=1 dup=0 retain=0 id=2 topic=devices/dev1/messages/devicebound/"
              "%24.mid=mid-1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound&iothub-ack=full "
              "payload=hello"});
  CHECK(world.locked("dev1") == 1);
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 0);
  CHECK(world.hub.metrics().c2d_egress_complete_success == 1);
  CHECK(world.hub.metrics().feedback_records == 1);
}

TEST_CASE("QoS 0: completed when written") {
  Subscribed s({}, 0);
  s.send(2);
  CHECK(s.client.run().take() == Lines{publish_line(0, 0, 0, "1"), publish_line(0, 0, 0, "2")});
  CHECK(s.world.queued("dev1") == 0);
}

TEST_CASE("M-38 M-39 the in-flight window: full stops, PUBACK lets the next one out") {
  hub::Settings settings;
  settings.mqtt_in_flight_max = 2;
  Subscribed s(settings);
  s.send(4);
  CHECK(s.client.run().take() == Lines{publish_line(1, 0, 2, "1"), publish_line(1, 0, 3, "2")});
  CHECK(s.world.locked("dev1") == 2);
  s.client.send(mqtt::Puback{2});
  CHECK(s.client.run().take() == Lines{publish_line(1, 0, 4, "3")});
  s.client.send(mqtt::Puback{3}).send(mqtt::Puback{4});
  CHECK(s.client.run().take() == Lines{publish_line(1, 0, 5, "4")});
  CHECK(s.world.queued("dev1") == 1);
}

TEST_CASE_FIXTURE(Subscribed, "M-39 a PUBACK out of order is held until its turn (S11)") {
  send(3);
  CHECK(client.run().take().size() == 3);
  client.send(mqtt::Puback{3});
  CHECK(world.queued("dev1") == 3);
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 1);
  client.send(mqtt::Puback{4});
  CHECK(world.queued("dev1") == 0);
}

TEST_CASE_FIXTURE(Subscribed, "M-39 a held PUBACK is void when the connection ends first (S11)") {
  send(2);
  client.run().take();
  client.send(mqtt::Puback{3});
  client.session->on_peer_closed(world.now);
  Client again(world);
  CHECK(again.connect("dev1").take() ==
        Lines{"CONNACK 0 present=1", publish_line(1, 1, 2, "1"), publish_line(1, 1, 3, "2")});
}

TEST_CASE("M-39 a PUBACK that comes too late lets those behind it have their turn") {
  hub::Settings settings;
  settings.mqtt_backlog = hub::MqttBacklog::keep;
  Subscribed s(settings);
  s.world.send("dev1", "1");
  s.client.run();
  s.world.pass(10s);
  s.world.send("dev1", "2");
  s.client.run();
  s.client.send(mqtt::Puback{3});
  // The new subscription is not for message 1 any more: nothing else will happen when its lock
  // ends.
  s.client.send(mqtt::Unsubscribe{1, {c2d_filter("dev1")}}).subscribe(c2d_filter("dev1"));
  s.world.pass(50s);
  s.client.send(mqtt::Puback{2});
  CHECK(s.world.queued("dev1") == 1);
  CHECK(s.world.hub.metrics().c2d_egress_complete_success == 1);
}

TEST_CASE("M-39 the other policies for a PUBACK out of order") {
  const auto queued_after = [](hub::MqttOutOfOrderAck policy, bool closes) {
    hub::Settings settings;
    settings.mqtt_out_of_order_ack = policy;
    Subscribed s(settings);
    s.send(2);
    s.client.run();
    s.client.send(mqtt::Puback{3});
    CHECK(s.client.closed() == closes);
    return s.world.queued("dev1");
  };
  CHECK(queued_after(hub::MqttOutOfOrderAck::complete, false) == 1);
  CHECK(queued_after(hub::MqttOutOfOrderAck::ignore, false) == 2);
  CHECK(queued_after(hub::MqttOutOfOrderAck::close, true) == 2);
}

TEST_CASE_FIXTURE(Subscribed, "M-39 a PUBACK for nothing is ignored, and so is a second one") {
  client.send(mqtt::Puback{77});
  CHECK_FALSE(client.closed());
  send(1);
  client.run().take();
  client.send(mqtt::Puback{2}).send(mqtt::Puback{2});
  CHECK_FALSE(client.closed());
  CHECK(world.hub.metrics().c2d_egress_complete_success == 1);
}

TEST_CASE_FIXTURE(Subscribed,
                  "M-16 C2D-07 a lost connection returns its messages, DUP next (S10)") {
  client.send(mqtt::Disconnect{});
  send(3);
  Client second(world);
  second.connect("dev1");
  CHECK(second.take() == Lines{"CONNACK 0 present=1", publish_line(1, 0, 2, "1"),
                               publish_line(1, 0, 3, "2"), publish_line(1, 0, 4, "3")});
  second.session->on_peer_closed(world.now);
  CHECK(world.locked("dev1") == 0);
  Client third(world);
  third.connect("dev1");
  CHECK(third.take() == Lines{"CONNACK 0 present=1", publish_line(1, 1, 2, "1"),
                              publish_line(1, 1, 3, "2"), publish_line(1, 1, 4, "3")});
}

TEST_CASE_FIXTURE(Subscribed, "a clean session knows no DUP from the one before") {
  send(1);
  client.run().take();
  client.session->on_peer_closed(world.now);
  Client clean(world);
  clean.connect("dev1", {.clean_session = true}).take();
  CHECK(clean.run().take().empty());  // nothing until SUBSCRIBE
  Client again(world);
  again.connect("dev1").subscribe(c2d_filter("dev1")).take();
  world.send("dev1", "2");
  CHECK(again.run().take() == Lines{publish_line(1, 0, 3, "2")});
}

TEST_CASE_FIXTURE(Subscribed, "C2D-36 a takeover hands the messages in flight to the newcomer") {
  send(2);
  client.run().take();
  Client newer(world);
  newer.connect("dev1");
  CHECK(newer.take() ==
        Lines{"CONNACK 0 present=1", publish_line(1, 1, 2, "1"), publish_line(1, 1, 3, "2")});
  client.send(mqtt::Puback{2});  // too late, and from nobody
  CHECK(client.closed());
  CHECK(world.queued("dev1") == 2);
  newer.send(mqtt::Puback{2}).send(mqtt::Puback{3});
  CHECK(world.queued("dev1") == 0);
}

TEST_CASE_FIXTURE(Subscribed, "M-36 M-37 a lock that times out: same packet id, DUP") {
  send(2);
  client.run().take();
  world.pass(59s);
  CHECK(client.run().take().empty());
  world.pass(1s);
  CHECK(client.run().take() == Lines{publish_line(1, 1, 2, "1"), publish_line(1, 1, 3, "2")});
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 1);
  // M-36: lock time-outs are not counted; it goes on until the message expires.
  CHECK(world.hub.c2d().peek({{"dev1"}})[0].delivery_count == 0);
}

TEST_CASE("M-37 the session's own deadline finds a lost lock when its window is full") {
  hub::Settings settings;
  settings.mqtt_in_flight_max = 1;
  Subscribed s(settings);
  s.send(2);
  s.client.run().take();
  CHECK(s.client.session->next_deadline() == s.world.now + 60s);
  s.world.now += 60s;  // the hub's own timer does not run here
  CHECK(s.client.run().take() == Lines{publish_line(1, 1, 2, "1")});
}

TEST_CASE("M-37 redeliverOnLiveConnection=false: not again before the next connection") {
  hub::Settings settings;
  settings.redeliver_on_live_connection = false;
  Subscribed s(settings);
  s.send(1);
  s.client.run().take();
  s.world.pass(60s);
  CHECK(s.client.run().take().empty());
  s.client.send(mqtt::Puback{2});  // too late: ignored
  CHECK(s.world.queued("dev1") == 1);
  s.client.session->on_peer_closed(s.world.now);
  Client again(s.world);
  CHECK(again.connect("dev1").take() == Lines{"CONNACK 0 present=1", publish_line(1, 1, 2, "1")});
}

TEST_CASE_FIXTURE(Subscribed, "M-37 a late PUBACK completes nothing; the redelivery does") {
  send(1);
  client.run().take();
  world.pass(60s);
  client.send(mqtt::Puback{2});  // arrives before the session has been woken
  CHECK(world.queued("dev1") == 1);
  CHECK(client.run().take() == Lines{publish_line(1, 1, 2, "1")});
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 0);
}

TEST_CASE_FIXTURE(Subscribed, "M-39 a held PUBACK survives its lock; nothing is sent twice") {
  send(2);
  client.run().take();
  client.send(mqtt::Puback{3});
  world.pass(60s);
  CHECK(client.run().take() == Lines{publish_line(1, 1, 2, "1")});
  client.send(mqtt::Puback{2});
  CHECK(world.queued("dev1") == 0);
}

TEST_CASE_FIXTURE(Subscribed, "a message that expires in flight frees the PUBACKs behind it") {
  hub::SendRequest request;
  request.device = {"dev1"};
  request.content.to = "/devices/dev1/messages/devicebound";
  request.content.absolute_expiry = world.now + 10s;
  REQUIRE(world.hub.c2d().send(std::move(request), world.now).has_value());
  world.send("dev1", "2");
  CHECK(client.run().take().size() == 2);
  client.send(mqtt::Puback{3});
  CHECK(world.queued("dev1") == 2);
  world.pass(10s);
  client.run();
  CHECK(world.queued("dev1") == 0);
  CHECK(world.hub.metrics().c2d_messages_expired == 1);
  client.send(mqtt::Puback{2});
  CHECK_FALSE(client.closed());
}

TEST_CASE_FIXTURE(Subscribed, "a purged message: its PUBACK is without effect (S19)") {
  send(1);
  client.run().take();
  REQUIRE(world.hub.c2d().purge({"dev1"}, world.now).has_value());
  client.send(mqtt::Puback{2});
  CHECK_FALSE(client.closed());
  CHECK(world.log.contains("PUBACK without effect"));
}

TEST_CASE("M-23 deliveries wait for the output to drain and go on by themselves") {
  for (const std::uint8_t qos : {0, 1}) {
    Subscribed s({}, qos);
    for (int i = 0; i < 12; ++i) s.world.send("dev1", std::string(60'000, 'x'));
    s.client.run();
    const std::size_t first = s.client.session->output().size();
    CHECK(first >= 256 * 1024);
    CHECK(first < 256 * 1024 + 61'000);
    CHECK(s.client.session->next_deadline() > s.world.now);
    std::size_t messages = s.client.take().size();
    CHECK(s.client.session->next_deadline() == s.world.now);
    while (messages < 12) {
      const auto more = s.client.run().take().size();
      REQUIRE(more > 0);
      messages += more;
    }
    CHECK(messages == 12);
  }
}

TEST_CASE("a message whose properties fit no MQTT topic is rejected, not sent in circles") {
  for (const std::uint8_t qos : {0, 1}) {
    Subscribed s({}, qos);
    hub::SendRequest request;
    request.device = {"dev1"};
    request.content.properties = {{"p", std::string(30'000, ' ')}};
    REQUIRE(s.world.hub.c2d().send(std::move(request), s.world.now).has_value());
    s.world.send("dev1", "next");
    CHECK(s.client.run().take().size() == 1);
    CHECK(s.world.log.contains("do not fit into an MQTT topic"));
    CHECK(s.world.queued("dev1") == qos);
    CHECK_FALSE(s.client.closed());
  }
}

TEST_CASE_FIXTURE(Subscribed, "messages purged while they are out take no room from new ones") {
  for (int round = 0; round < 10; ++round) {
    send(50);
    CHECK(client.run().take().size() == 50);
    REQUIRE(world.hub.c2d().purge({"dev1"}, world.now).value() == 50);
  }
}

TEST_CASE_FIXTURE(Subscribed, "a newer AMQP connection of the device ends this one") {
  const auto amqp = world.hub.connections().connect(
      {"dev1"}, hub::Transport::amqp, [] {}, world.now);
  CHECK(client.run().closed());
}

TEST_CASE("an idle connection is small") {
  CHECK(sizeof(mqtt::Session) < 1024);
  Subscribed s;
  s.send(20);
  s.client.run().take();
  s.client.send_bytes(std::string("\x30\xFF\x7F", 3));
  CHECK(s.client.session->output().empty());
}
