// The department without a hub: what it stages, and what becomes of a device's queue.
#include "emulator/core/c2d/cloud_to_device.hpp"
#include "tests/support/department.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace std::chrono_literals;

namespace {

struct Fixture : test::Ground {
  const std::string hub_name = "hub";
  CloudToDevice c2d{monitor, registry, admission, ids, {settings, limits, hub_name}, now};
  Fixture() { registry.set_listeners({&c2d}); }

  Result<SequenceNumber> send(std::string device, Ack ack = Ack::full) {
    SendRequest request;
    request.device = {std::move(device)};
    request.ack = ack;
    return c2d.send(std::move(request), now);
  }
};

}  // namespace

TEST_CASE("C2D-01 a message is staged when it is accepted, and when it has ended") {
  Fixture t;
  t.create("d");
  REQUIRE(*t.send("d", Ack::none) == 1);
  const auto enqueued = t.staged<change::MessageEnqueued>();
  REQUIRE(enqueued.size() == 1);
  CHECK(enqueued[0].queue == QueueId{{"d"}});
  const auto delivery = *t.c2d.receive_once({{"d"}}, 60s, t.now);
  REQUIRE(delivery);
  CHECK(t.staged<change::MessageEnqueued>().empty());  // a lock is not durable
  REQUIRE(t.c2d.complete({{"d"}}, delivery->lock_token, t.now));
  const auto removed = t.staged<change::MessageRemoved>();
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].sequence_number == 1);
}

TEST_CASE("C2D-16 a deleted device takes its queue, its receiver and its pending feedback along") {
  Fixture t;
  t.create("d");
  int woken = 0;
  Receiver receiver = *t.c2d.open_devicebound(
      {"d"}, Transport::amqp, [&] { ++woken; }, 0, t.now);
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  REQUIRE(receiver.complete(receiver.receive(t.now)->lock_token, t.now));
  REQUIRE(t.registry.remove({"d"}, "*", t.now));
  CHECK(receiver.closed() == CloseReason::device_deleted);
  CHECK(!receiver.receive(t.now));
  CHECK(t.monitor.next_deadline() == std::nullopt);
  t.monitor.on_time(t.now += 1h);
  CHECK(!*t.c2d.receive_once(QueueId::feedback(), 60s, t.now));
  t.create("d");
  CHECK(*t.send("d") == 1);  // a new life
}

TEST_CASE("C2D-37 a device that connects anew gets the locks of the receiver before it") {
  Fixture t;
  t.create("d");
  REQUIRE(t.send("d"));
  Receiver older =
      *t.c2d.open_devicebound({"d"}, Transport::mqtt, {}, t.c2d.next_sequence({"d"}), t.now);
  CHECK(!older.receive(t.now));  // sent before the subscription: rejected (C2D-29)
  REQUIRE(t.send("d"));
  REQUIRE(older.receive(t.now));
  {
    TimePoint now = t.now;
    const Turn turn(t.monitor, now);
    t.c2d.device_connects(**t.registry.usable_record({"d"}), Transport::amqp, now);
  }
  CHECK(older.closed() == CloseReason::taken_over);
  Receiver newer = *t.c2d.open_devicebound({"d"}, Transport::amqp, {}, 0, t.now);
  CHECK(newer.receive(t.now)->message->sequence_number == 2);
}

TEST_CASE("C2D-32 the batch timer fires by itself, and the batch is staged") {
  Fixture t;
  t.create("d");
  REQUIRE(t.send("d"));
  REQUIRE(*t.c2d.purge({"d"}, t.now) == 1);
  CHECK(t.monitor.next_deadline() == t.now + 15s);
  t.staged<change::MessageEnqueued>();
  t.monitor.on_time(t.now += 15s);
  const auto staged = t.staged<change::MessageEnqueued>();
  REQUIRE(staged.size() == 1);
  CHECK(staged[0].queue == QueueId::feedback());
}
