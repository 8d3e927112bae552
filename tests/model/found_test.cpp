// Defects that the model found, each as the shortest story that shows it.
#include "tests/support/memory_store.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace test;

TEST_CASE("C2D-17 feedback of what expired while the hub was down is queued at its start") {
  hub::Settings settings;
  settings.feedback_batch_records = 2;
  TestHub old(settings, true);
  old.create("d");
  REQUIRE(old.send("d", "one", hub::Ack::full, old.now + 10s));
  REQUIRE(old.send("d", "two", hub::Ack::full, old.now + 10s));
  MemoryStore store;
  store.apply(old.hub.monitor().take_changes().first);

  TestHub anew(settings, true);
  anew.now = old.now + 2h;  // longer than a feedback message lives
  hub::Hub late({"localhost", {}, settings, {}}, anew.ids, anew.log, anew.now, true);
  late.restore(store.load(), anew.now);
  const auto batches = late.c2d().peek(hub::QueueId::feedback());
  REQUIRE(batches.size() == 1);
  CHECK(batches[0].message->enqueued_time == anew.now);
  CHECK(count(batches[0].message->content.body, hub::to_iso8601(old.now + 10s)) == 2);
}

TEST_CASE("MOD-03 a device disabled after it was authorised cannot connect or open its queue") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  hub::DeviceSpec spec;
  spec.id.text = "d";
  spec.status = hub::DeviceStatus::disabled;
  REQUIRE(t.hub.registry().update(spec, std::nullopt, t.now));
  for (const auto transport : {hub::Transport::mqtt, hub::Transport::amqp}) {
    const auto receiver = t.hub.c2d().open_devicebound(
        {"d"}, transport, [] {}, 0, t.now);
    REQUIRE(receiver.has_error());
    CHECK(receiver.error().code == hub::HubErrc::device_not_found);
    CHECK(t.hub.connections()
              .connect(
                  {"d"}, transport, [] {}, t.now)
              .has_error());
  }
  spec.status = hub::DeviceStatus::enabled;
  REQUIRE(t.hub.registry().update(spec, std::nullopt, t.now));
  CHECK(t.amqp("d").receive(t.now).has_value());
}
