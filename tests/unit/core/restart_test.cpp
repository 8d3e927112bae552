// What is staged is what a restart brings back (C2D-17), and telemetry.
#include "tests/support/memory_store.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

namespace {

// Stops `old` as kill -9 would: only what was staged remains.
void restart(TestHub& old, MemoryStore& store, TestHub& anew) {
  store.apply(old.hub.monitor().take_changes().first);
  anew.now = old.now;
  anew.hub.restore(store.load(), anew.now);
}

}  // namespace

TEST_CASE(
    "C2D-17 a restart keeps messages, counts, sequence, feedback and sessions, and drops locks") {
  MemoryStore store;
  TestHub old({}, true);
  const auto device = old.create("d");
  for (const char* body : {"one", "two", "three"}) REQUIRE(old.send("d", body));
  REQUIRE(old.hub.c2d().abandon({{"d"}}, old.get("d")->lock_token, old.now));
  const auto locked = old.get("d");
  const auto done = old.get("d");
  REQUIRE(old.hub.c2d().complete({{"d"}}, done->lock_token, old.now));  // S14: not yet flushed
  old.hub.connections().store_mqtt_session({"d"}, {{{"#", 1, 2}}}, old.now);

  TestHub anew({}, true);
  restart(old, store, anew);
  const auto view = anew.hub.registry().get({"d"}, anew.now);
  REQUIRE(view);
  CHECK(view->identity.generation_id == device.identity.generation_id);
  CHECK(view->c2d_message_count == 2);
  CHECK(view->c2d_locked_count == 0);
  CHECK_FALSE(anew.hub.c2d().complete({{"d"}}, locked->lock_token, anew.now));
  const auto first = anew.get("d");
  CHECK(first->message->content.body == "one");
  CHECK(first->delivery_count == 1);
  CHECK(first->message->expires_at == old.now + 1h);
  CHECK(*anew.send("d") == 4);
  CHECK(anew.hub.connections().mqtt_session({"d"}) == MqttSessionState{{{"#", 1, 2}}});
  anew.advance(15s);
  CHECK(count(anew.feedback().at(0), "id-two") == 1);
}

TEST_CASE("C2D-17 what expired while the hub was down is reported with its own time") {
  MemoryStore store;
  TestHub old({}, true);
  old.create("d");
  REQUIRE(old.send("d", "x", Ack::full, old.now + 10s));
  store.apply(old.hub.monitor().take_changes().first);
  TestHub anew({}, true);
  anew.now = old.now + 30min;
  anew.hub.restore(store.load(), anew.now);
  CHECK(anew.depth("d") == 0);
  anew.advance(15s);
  CHECK(count(anew.feedback().at(0), to_iso8601(old.now + 10s)) == 1);
}

TEST_CASE("C2D-28 the sequence goes on after a restart with an empty queue") {
  MemoryStore store;
  TestHub old({}, true);
  old.create("d");
  REQUIRE(old.send("d"));
  REQUIRE(old.hub.c2d().purge({"d"}, old.now));
  TestHub anew({}, true);
  restart(old, store, anew);
  CHECK(*anew.send("d") == 2);
}

TEST_CASE("staged changes are counted, taken once, and announced once") {
  TestHub t({}, true);
  int announced = 0;
  t.hub.monitor().set_staged_waker([&] { ++announced; });
  t.create("d");
  REQUIRE(t.send("d"));
  CHECK(announced == 1);
  const auto [changes, upto] = t.hub.monitor().take_changes();
  CHECK(changes.size() == 2);
  CHECK(upto == t.hub.monitor().staged());
  CHECK(t.hub.monitor().take_changes().first.empty());
  REQUIRE(t.send("d"));
  CHECK(announced == 2);

  TestHub memory;  // without a store nothing is kept
  memory.create("d");
  CHECK(memory.hub.monitor().staged() == 0);
}

TEST_CASE("D2C-01 telemetry is stamped, partitioned by device, kept in order and bounded") {
  Settings settings;
  settings.events_per_partition_max = 3;
  TestHub t(settings);
  const auto device = t.create("d");
  for (int i = 0; i < 5; ++i) REQUIRE(t.telemetry({"d"}, std::to_string(i)));
  std::vector<TelemetryPtr> all;
  for (std::uint32_t p = 0; p < t.hub.events().partition_count(); ++p) {
    for (auto& event : t.hub.events().read(p, 0, 100)) all.push_back(event);
  }
  REQUIRE(all.size() == 3);
  CHECK(all[0]->content.body == "2");
  CHECK(all[0]->sequence_number == 2);
  CHECK(all[2]->offset > all[1]->offset);
  CHECK(all[0]->origin->auth_generation_id == device.identity.generation_id);
  CHECK(all[0]->enqueued_time == t.now);
  CHECK(t.hub.metrics().d2c_telemetry_ingress_success == 5);

  CHECK(t.telemetry({"d"}, std::string(262'145, 'b')).error().code == HubErrc::message_too_large);
  CHECK(t.telemetry({"nobody"}).error().code == HubErrc::device_not_found);
}

TEST_CASE("D2C-01 who was created anew does not send as the one that was") {
  TestHub t;
  t.create("d");
  const auto message = std::make_shared<TelemetryMessage>();
  message->origin = *t.hub.events().origin_of({"d"}, "{}", "", t.now);
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  CHECK(t.hub.events().send(message, t.now).error().code == HubErrc::device_not_found);
  t.create("d");
  CHECK(t.hub.events().send(message, t.now).error().code == HubErrc::device_not_found);
  CHECK(t.telemetry({"d"}));
}

TEST_CASE("D2C-01 telemetry is bounded by its size, too, and the store is told what went") {
  TestHub t({}, true);
  t.create("d");
  const std::size_t most = t.hub.limits().event_bytes_per_partition_max;
  const std::string body(256 * 1024, 'b');
  const std::size_t fit = most / (body.size() + 1);  // an offset is a byte more
  for (std::size_t i = 0; i < fit; ++i) REQUIRE(t.telemetry({"d"}, body));
  const auto kept = [&] {
    std::vector<TelemetryPtr> all;
    for (std::uint32_t p = 0; p < t.hub.events().partition_count(); ++p) {
      for (auto& event : t.hub.events().read(p, 0, 10'000)) all.push_back(event);
    }
    return all;
  };
  CHECK(kept().size() == fit);
  (void)t.hub.monitor().take_changes();
  REQUIRE(t.telemetry({"d"}, body));
  REQUIRE(kept().size() == fit);
  CHECK(kept()[0]->sequence_number == 1);
  const auto changes = t.hub.monitor().take_changes().first;
  REQUIRE(changes.size() == 2);
  CHECK(std::get<change::EventsTrimmed>(changes[1]).first_kept == 1);
}

TEST_CASE("D2C-02 telemetry is bounded by what it holds in memory, not by its bytes on the wire") {
  const auto message = [](TestHub& t, std::size_t properties) {
    auto made = std::make_shared<TelemetryMessage>();
    made->origin = *t.hub.events().origin_of({"d"}, "{}", "", t.now);
    for (std::size_t i = 0; i < properties; ++i) made->content.properties.emplace_back("a", "b");
    return made;
  };
  TestHub t;
  t.create("d");
  const std::size_t most = t.hub.limits().event_bytes_per_partition_max;
  const auto kept = [](TestHub& hub) {
    std::size_t count = 0;
    for (std::uint32_t p = 0; p < hub.hub.events().partition_count(); ++p) {
      count += hub.hub.events().read(p, 0, 100'000).size();
    }
    return count;
  };
  // 2,000 bytes on the wire each, and at least 64,000 in memory.
  for (int i = 0; i < 1200; ++i) REQUIRE(t.hub.events().send(message(t, 1000), t.now));
  CHECK(kept(t) * 1000 * sizeof(Property) <= most);
  CHECK(kept(t) > 800);
  // What comes next may use all of it again: nothing is counted that went.
  for (int i = 0; i < 10'000; ++i) REQUIRE(t.hub.events().send(message(t, 0), t.now));
  CHECK(kept(t) == 10'000);
}

TEST_CASE("D2C-02 what was stored under a wider bound is cut to this one, oldest first") {
  TestHub t;
  t.create("d");
  const std::size_t most = t.hub.limits().event_bytes_per_partition_max;
  Snapshot stored;
  stored.devices.push_back(t.hub.registry().get({"d"}, t.now)->identity);
  const auto origin = *t.hub.events().origin_of({"d"}, "{}", "", t.now);
  const std::size_t count = most / 250'000 + 10;
  for (std::size_t i = 0; i < count; ++i) {
    auto event = std::make_shared<TelemetryMessage>();
    event->origin = origin;
    event->sequence_number = i;
    event->content.body = std::string(250'000, 'b');
    stored.events.push_back({0, std::move(event)});
  }
  TestHub anew;
  anew.hub.restore(std::move(stored), anew.now);
  const auto events = anew.hub.events().read(0, 0, count);
  REQUIRE_FALSE(events.empty());
  CHECK(events.size() * 250'000 <= most);
  CHECK(events.back()->sequence_number == count - 1);
}

TEST_CASE("D2C-03 a telemetry message has at most 1,000 properties, whatever protocol brings it") {
  TestHub t;
  t.create("d");
  const auto send = [&](std::size_t properties) {
    const auto message = std::make_shared<TelemetryMessage>();
    message->origin = *t.hub.events().origin_of({"d"}, "{}", "", t.now);
    message->content.properties.resize(properties);
    return t.hub.events().send(message, t.now);
  };
  CHECK(send(1000));
  const auto refused = send(1001);
  CHECK(refused.error().code == HubErrc::argument_invalid);
  CHECK(refused.error().detail == "the message has 1001 application properties; 1000 are allowed");
}

TEST_CASE("the deadline waker fires when a deadline comes nearer, and only then") {
  TestHub t;
  int fired = 0;
  t.hub.monitor().set_deadline_waker([&] { ++fired; });
  t.create("d");
  REQUIRE(t.send("d", "x", Ack::none, t.now + 1h));
  CHECK(fired == 1);
  REQUIRE(t.send("d", "x", Ack::none, t.now + 2h));
  CHECK(fired == 1);
  REQUIRE(t.send("d", "x", Ack::none, t.now + 1min));
  CHECK(fired == 2);
  CHECK(t.hub.monitor().next_deadline() == t.now + 1min);
}

TEST_CASE("timers of several queues fire in time order across a jump of the clock") {  // S25
  TestHub t;
  t.create("a");
  t.create("b");
  REQUIRE(t.send("a", "late", Ack::full, t.now + 20s));
  REQUIRE(t.send("b", "early", Ack::full, t.now + 10s));
  t.advance(2h);
  std::string all;
  for (const auto& batch : t.feedback()) all += batch;
  CHECK(all.empty());  // queued at 15 s and 30 s with a time to live of 1 h: gone as well
  CHECK(t.hub.metrics().c2d_messages_expired == 2);
  CHECK(t.hub.metrics().feedback_batches == 2);
}
