// Receivers, presence, takeover, administrative changes.
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

namespace {

Presence connect(TestHub& t, Transport transport) {
  return *t.hub.connections().connect(
      {"d"}, transport, [&t] { ++t.wakes; }, t.now);
}

DeviceSpec spec_of(std::string id) {
  DeviceSpec spec;
  spec.id = {std::move(id)};
  return spec;
}

}  // namespace

TEST_CASE(
    "C2D-07 a receiver that goes returns its locks at once, and the next one gets them") {  // S5
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  auto first = t.amqp("d");
  const auto delivery = first.receive(t.now);
  first.close(t.now);
  auto second = t.amqp("d");
  const auto again = second.receive(t.now);
  REQUIRE(again);
  CHECK(again->delivery_count == 0);
  CHECK(second.complete(delivery->lock_token, t.now).error().code ==
        HubErrc::device_message_lock_lost);
  CHECK(second.complete(again->lock_token, t.now));
}

TEST_CASE("U5 releaseLocksOnDisconnect=false waits for the lock's deadline") {
  Settings settings;
  settings.release_locks_on_disconnect = false;
  TestHub t(settings);
  t.create("d");
  REQUIRE(t.send("d"));
  auto first = t.amqp("d");
  REQUIRE(first.receive(t.now));
  first.close(t.now);
  CHECK_FALSE(t.get("d"));
  t.advance(60s);
  CHECK(t.get("d"));
}

TEST_CASE("C2D-09 HTTPS competes for messages and never touches a link's locks") {  // S9
  TestHub t;
  t.create("d");
  for (int i = 0; i < 6; ++i) REQUIRE(t.send("d"));
  auto link = t.amqp("d");
  std::vector<Delivery> held;
  for (int i = 0; i < 5; ++i) held.push_back(*link.receive(t.now));
  const auto sixth = t.get("d");
  CHECK(sixth->message->sequence_number == 6);
  CHECK_FALSE(t.get("d"));
  CHECK_FALSE(t.hub.c2d().complete({{"d"}}, held[0].lock_token, t.now));
  CHECK_FALSE(link.complete(sixth->lock_token, t.now));
  CHECK(t.hub.c2d().complete({{"d"}}, sixth->lock_token, t.now));
  CHECK_FALSE(link.closed());
}

TEST_CASE("a waiting receiver is woken once for what it may have") {
  TestHub t;
  t.create("d");
  auto link = t.amqp("d");
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  CHECK(t.wakes == 1);  // it has not looked yet: one wake is enough
  REQUIRE(link.receive(t.now));
  REQUIRE(link.receive(t.now));
  CHECK_FALSE(link.receive(t.now));
  CHECK(t.wakes == 1);
  t.advance(60s);  // both locks time out
  CHECK(t.wakes == 2);
}

TEST_CASE("C2D-36 the newest connection wins across MQTT and AMQP") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  auto amqp = connect(t, Transport::amqp);
  auto link = t.amqp("d");
  REQUIRE(link.receive(t.now));
  CHECK(t.hub.registry().get({"d"}, t.now)->connected);

  auto mqtt = connect(t, Transport::mqtt);
  CHECK(amqp.closed() == CloseReason::taken_over);
  CHECK(link.closed() == CloseReason::taken_over);
  CHECK_FALSE(mqtt.closed());
  CHECK(t.get("d"));  // the lock came back with the takeover
  CHECK(t.hub.connections().connected_device_count(t.now) == 1);

  auto newer = connect(t, Transport::mqtt);
  CHECK(mqtt.closed() == CloseReason::taken_over);
  mqtt.close(t.now);  // the loser's end does not disconnect the device
  CHECK(t.hub.registry().get({"d"}, t.now)->connected);

  auto back = connect(t, Transport::amqp);
  CHECK(newer.closed() == CloseReason::taken_over);
  back.close(t.now);
  CHECK_FALSE(t.hub.registry().get({"d"}, t.now)->connected);
  CHECK(t.hub.connections().connected_device_count(t.now) == 0);
}

TEST_CASE("C2D-36 two AMQP connections of a device stand side by side") {
  TestHub t;
  t.create("d");
  auto one = connect(t, Transport::amqp);
  auto two = connect(t, Transport::amqp);
  CHECK_FALSE(one.closed());
  two.close(t.now);
  CHECK(t.hub.registry().get({"d"}, t.now)->connected);
}

TEST_CASE("C2D-37 a second devicebound link closes the first and releases its locks") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  auto first = t.amqp("d");
  const auto delivery = first.receive(t.now);
  auto second = t.amqp("d");
  CHECK(first.closed() == CloseReason::taken_over);
  CHECK_FALSE(first.receive(t.now));
  CHECK_FALSE(first.complete(delivery->lock_token, t.now));  // S23
  CHECK(second.receive(t.now));
}

TEST_CASE(
    "C2D-16 disabling closes connections and returns their locks; an HTTPS lock runs on") {  // S20
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  auto presence = connect(t, Transport::mqtt);
  auto link = t.amqp("d");
  REQUIRE(link.receive(t.now));
  REQUIRE(t.get("d"));
  auto spec = spec_of("d");
  spec.status = DeviceStatus::disabled;
  REQUIRE(t.hub.registry().update(spec, "*", t.now));
  CHECK(presence.closed() == CloseReason::device_disabled);
  CHECK(link.closed() == CloseReason::device_disabled);
  const auto view = t.hub.registry().get({"d"}, t.now);
  CHECK(view->c2d_message_count == 2);
  CHECK(view->c2d_locked_count == 1);
}

TEST_CASE("C2D-16 deleting closes connections and drops the queue without feedback") {  // S15
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  auto presence = connect(t, Transport::mqtt);
  auto link = t.amqp("d");
  const auto delivery = link.receive(t.now);
  REQUIRE(link.complete(delivery->lock_token, t.now));
  const auto open = link.receive(t.now);
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  CHECK(presence.closed() == CloseReason::device_deleted);
  CHECK(link.closed() == CloseReason::device_deleted);
  CHECK_FALSE(link.complete(open->lock_token, t.now));
  t.advance(2h);
  CHECK(t.feedback().empty());
  CHECK(t.hub.connections().connected_device_count(t.now) == 0);
}

TEST_CASE("SEC-12 changing the authentication type closes the device's connections") {
  TestHub t;
  t.create("d");
  auto presence = connect(t, Transport::mqtt);
  auto spec = spec_of("d");
  spec.authentication_type = AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(t.hub.registry().update(spec, "*", t.now));
  CHECK(presence.closed() == CloseReason::authentication_changed);
}

TEST_CASE(
    "C2D-29 messages older than the MQTT subscription are rejected for as long as it is there") {
  TestHub t;
  t.create("d");
  for (int i = 0; i < 3; ++i) REQUIRE(t.send("d"));
  const auto held = t.get("d", 5s), held_longer = t.get("d", 60s);
  auto link = *t.hub.c2d().open_devicebound(
      {"d"}, Transport::mqtt, [] {}, t.hub.c2d().next_sequence({"d"}), t.now);
  CHECK(t.hub.registry().get({"d"}, t.now)->c2d_message_count == 2);  // those that HTTPS has locked
  t.advance(5s);
  CHECK(t.hub.registry().get({"d"}, t.now)->c2d_message_count == 1);
  CHECK(t.hub.metrics().c2d_egress_reject_success == 2);
  CHECK_FALSE(link.receive(t.now));
  link.close(t.now);
  t.advance(60s);
  CHECK(t.get("d")->message->sequence_number == 2);  // nobody is there that it came too early for
}

TEST_CASE(
    "C2D-29 with keep, messages older than the MQTT subscription stay, and the device's state says "
    "so") {
  Settings settings;
  settings.mqtt_backlog = MqttBacklog::keep;
  TestHub t{settings};
  t.create("d");
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  auto link = *t.hub.c2d().open_devicebound(
      {"d"}, Transport::mqtt, [] {}, t.hub.c2d().next_sequence({"d"}), t.now);
  CHECK_FALSE(link.receive(t.now));
  CHECK(t.hub.registry().get({"d"}, t.now)->held_back_from_mqtt == 2);
  REQUIRE(t.send("d"));
  CHECK(link.receive(t.now)->message->sequence_number == 3);
  CHECK(t.get("d")->message->sequence_number == 1);
}

TEST_CASE("M-16 a stored MQTT session survives disconnects and goes with its identity") {
  TestHub t;
  t.create("d");
  const MqttSessionState state{{{"devices/d/messages/devicebound/#", 1, 1}}};
  t.hub.connections().store_mqtt_session({"d"}, state, t.now);
  CHECK(t.hub.connections().mqtt_session({"d"}) == state);
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  t.create("d");
  CHECK_FALSE(t.hub.connections().mqtt_session({"d"}));
}

TEST_CASE(
    "C2D-36 what a connection asks for after it was taken over is refused, and harms no newcomer") {
  TestHub t;
  t.create("d");
  const MqttSessionState old_state{{{"old/#", 1, 1}}}, state{{{"new/#", 1, 1}}};
  const auto old = connect(t, Transport::mqtt);
  REQUIRE(t.hub.connections().store_mqtt_session({"d"}, old_state, t.now, &old));
  const auto newcomer = connect(t, Transport::mqtt);
  REQUIRE(old.closed() == CloseReason::taken_over);
  REQUIRE(t.hub.connections().store_mqtt_session({"d"}, state, t.now, &newcomer));
  const auto link = *t.hub.c2d().open_devicebound(
      {"d"}, Transport::mqtt, [] {}, 0, t.now, &newcomer);

  const auto late = t.hub.c2d().open_devicebound(
      {"d"}, Transport::mqtt, [] {}, 0, t.now, &old);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == HubErrc::link_creation_conflict);
  CHECK_FALSE(link.closed());
  CHECK_FALSE(t.hub.connections().store_mqtt_session({"d"}, old_state, t.now, &old));
  CHECK_FALSE(t.hub.connections().remove_mqtt_session({"d"}, t.now, &old));
  CHECK(t.hub.connections().mqtt_session({"d"}) == state);
  CHECK(t.hub.connections().remove_mqtt_session({"d"}, t.now, &newcomer));
  CHECK_FALSE(t.hub.connections().mqtt_session({"d"}));
}

TEST_CASE("SEC-08 an identity that was made anew between login and connection is another one") {
  TestHub t;
  t.create("d");
  const DeviceIdentity granted = t.hub.registry().get({"d"}, t.now)->identity;
  CHECK(t.hub.connections().connect(
      {"d"}, Transport::mqtt, [] {}, t.now, &granted));
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  t.create("d");
  const auto refused = t.hub.connections().connect(
      {"d"}, Transport::mqtt, [] {}, t.now, &granted);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == HubErrc::iot_hub_unauthorized_access);
}

TEST_CASE("SEC-12 an authentication type that changed between login and connection refuses it") {
  TestHub t;
  t.create("d");
  const DeviceIdentity granted = t.hub.registry().get({"d"}, t.now)->identity;
  auto spec = spec_of("d");
  spec.authentication_type = AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(t.hub.registry().update(spec, "*", t.now));
  CHECK_FALSE(t.hub.connections().connect(
      {"d"}, Transport::mqtt, [] {}, t.now, &granted));
}

TEST_CASE("N-31 the hub's time does not go back when a thread is late with the time it has read") {
  TestHub t;
  t.create("d");
  t.advance(10s);
  const TimePoint latest = t.now;
  REQUIRE(t.send("d", "first"));
  t.now -= 10s;
  REQUIRE(t.send("d", "second"));
  const auto queue = t.hub.c2d().peek({{"d"}});
  REQUIRE(queue.size() == 2);
  CHECK(queue[1].message->enqueued_time == latest);
  CHECK(t.get("d", 5s)->locked_until == latest + 5s);
}

TEST_CASE("C2D-25 QoS 0 receives and completes in one step") {  // S12
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  auto link = *t.hub.c2d().open_devicebound(
      {"d"}, Transport::mqtt, [] {}, 0, t.now);
  CHECK(link.receive_and_complete(t.now));
  CHECK(t.depth("d") == 0);
  t.advance(15s);
  CHECK(count(t.feedback().at(0), R"("statusCode":"Success")") == 1);
}
