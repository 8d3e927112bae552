// C2D-46: what happens when very much becomes due at once. Counts what a call does, never how long.
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

namespace {

constexpr std::size_t share = 256;       // of one call
constexpr std::size_t held_back = 1024;  // changes, until the store has taken them

// 30 devices with full queues: 1500 messages that expire in the same instant, a minute from the
// start.
struct FullHub : TestHub {
  static constexpr int devices = 30, full = 50;
  static constexpr std::size_t messages = devices * full;

  explicit FullHub(Ack ack = Ack::none, bool durable = false) : TestHub({}, durable) {
    const TimePoint expiry = now + 1min;
    for (int d = 0; d < devices; ++d) {
      create(name(d));
      for (int i = 0; i < full; ++i) REQUIRE(send(name(d), std::to_string(i), ack, expiry));
    }
    (void)hub.monitor().take_changes();
    now = expiry;
  }
  static std::string name(int device) { return "d" + std::to_string(10 + device); }
  std::size_t expired() { return hub.metrics().c2d_messages_expired; }
  std::size_t staged() { return hub.monitor().take_changes().first.size(); }
};

}  // namespace

TEST_CASE("C2D-46 a queue applies no more of what is due than it is asked to, in order") {
  const QueueLimits limits;
  MessageQueue queue(&limits);
  const TimePoint t0 = from_unix_seconds(1'800'000'000);
  for (SequenceNumber n = 1; n <= 5; ++n) {
    auto message = std::make_shared<Message>();
    message->sequence_number = n;
    message->expires_at = t0 + 1s;
    REQUIRE(queue.enqueue(message));
  }
  CHECK(queue.on_time(t0, 2) == 0);
  CHECK(queue.on_time(t0 + 1s, 2) == 2);
  CHECK(queue.take_outcomes().back().message->sequence_number == 2);
  CHECK(queue.next_deadline() == t0 + 1s);
  CHECK(queue.on_time(t0 + 1s) == 3);
  CHECK(queue.next_deadline() == std::nullopt);
}

TEST_CASE("C2D-46 of very much that is due a call does a share, and leaves the rest to on_time") {
  FullHub t;
  (void)t.hub.registry().statistics(t.now);
  CHECK(t.expired() == share);
  (void)t.hub.registry().statistics(t.now);
  CHECK(t.expired() == share);
  for (std::size_t calls = 2; t.hub.monitor().next_deadline() == t.now; ++calls) {
    t.hub.monitor().on_time(t.now);
    CHECK(t.expired() == std::min(calls * share, FullHub::messages));
  }
  CHECK(t.expired() == FullHub::messages);
  CHECK(t.hub.monitor().next_deadline() == std::nullopt);
}

TEST_CASE("C2D-46 a call about a queue whose turn has not come sees it as of now") {
  FullHub t;
  const std::string last = FullHub::name(FullHub::devices - 1);
  auto receiver = t.amqp(FullHub::name(FullHub::devices - 2));  // does its share
  REQUIRE(t.expired() == share);
  CHECK(t.get(last) == std::nullopt);
  CHECK(t.expired() == share + FullHub::full);
  CHECK(receiver.receive(t.now) == std::nullopt);
  CHECK(t.expired() == share + 2 * FullHub::full);
  CHECK(t.depth(FullHub::name(FullHub::devices - 3)) == 0);
  CHECK(t.send(FullHub::name(FullHub::devices - 4)));  // it was full
  CHECK(*t.hub.c2d().purge({FullHub::name(FullHub::devices - 5)}, t.now) == 0);
  CHECK(t.expired() == share + 5 * FullHub::full);
}

TEST_CASE("C2D-46 a lock token is void before its queue's turn has come") {
  FullHub t;
  const std::string last = FullHub::name(FullHub::devices - 1);
  t.now -= 30s;
  const auto delivery = t.get(last, 30s);  // till the instant at which all expire: these come first
  REQUIRE(delivery);
  t.now += 30s;
  (void)t.hub.registry().statistics(t.now);
  REQUIRE(t.expired() == share);
  CHECK(t.hub.c2d().complete({{last}}, delivery->lock_token, t.now).error().code ==
        HubErrc::device_message_lock_lost);
}

TEST_CASE(
    "C2D-46 the records of very many outcomes come in the order of time and device all the same") {
  FullHub t(Ack::full);
  while (t.hub.monitor().next_deadline() <= t.now && t.expired() < FullHub::messages)
    t.hub.monitor().on_time(t.now);
  t.advance(15s);
  const auto batches = t.feedback();
  CHECK(batches.size() == FullHub::messages / 64 + 1);
  std::string all;
  for (const std::string& batch : batches) all += batch;
  for (int d = 1; d < FullHub::devices; ++d) {
    CAPTURE(d);
    const auto before = "\"deviceId\":\"" + FullHub::name(d - 1) + "\"";
    const auto here = "\"deviceId\":\"" + FullHub::name(d) + "\"";
    CHECK(count(all, here) == FullHub::full);
    CHECK(all.rfind(before) < all.find(here));
  }
}

TEST_CASE("C2D-46 timers wait for the store: it is never much of theirs behind") {
  FullHub t(Ack::none, true);
  int asked_again = 0;
  t.hub.monitor().set_deadline_waker([&] { ++asked_again; });
  for (int i = 0; i < 10; ++i) t.hub.monitor().on_time(t.now);
  CHECK(t.expired() == held_back);
  CHECK(t.hub.monitor().next_deadline() ==
        std::nullopt);  // nothing to do until the store has taken that
  asked_again = 0;
  CHECK(t.send(FullHub::name(FullHub::devices - 1)));  // and nobody else waits for it
  CHECK(asked_again == 0);
  CHECK(t.staged() >= held_back);
  CHECK(asked_again == 1);
  CHECK(t.hub.monitor().next_deadline() == t.now);
  for (int i = 0; i < 10; ++i) t.hub.monitor().on_time(t.now);
  CHECK(t.expired() == FullHub::messages);
}

TEST_CASE("C2D-46 what became due while the hub was down is done in shares, too") {
  FullHub t;
  Snapshot snapshot;
  for (int d = 0; d < FullHub::devices; ++d) {
    snapshot.devices.push_back(t.hub.registry().get({FullHub::name(d)}, t.now - 1s)->identity);
    for (const auto& view : t.hub.c2d().peek({{FullHub::name(d)}})) {
      snapshot.messages.push_back({{{FullHub::name(d)}}, view.message, view.delivery_count});
    }
  }
  TestHub anew;
  anew.now = t.now;
  anew.hub.restore(std::move(snapshot), anew.now);
  CHECK(anew.hub.metrics().c2d_messages_expired == share);
  CHECK(anew.get(FullHub::name(FullHub::devices - 1)) == std::nullopt);
}
