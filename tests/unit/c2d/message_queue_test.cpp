// Table 2.6 of spec/c2d.md, at the queue itself.
#include "emulator/core/c2d/message_queue.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace std::chrono_literals;

namespace {

const TimePoint t0 = from_unix_seconds(1'800'000'000);

struct Fixture {
  QueueLimits limits;
  MessageQueue queue{&limits};
  SeededIdSource ids{7};
  SequenceNumber last = 0;

  Result<void> send(Duration ttl = 1h) {
    auto message = std::make_shared<Message>();
    message->sequence_number = last + 1;
    message->enqueued_time = t0;
    message->expires_at = t0 + ttl;
    auto queued = queue.enqueue(message);
    if (queued) ++last;
    return queued;
  }
  std::optional<Delivery> receive(TimePoint now, HolderId holder = 1, Duration lock = 60s) {
    queue.on_time(now);
    return queue.receive(ids.next_lock_token(), {holder, lock, 0, false}, now);
  }
  SequenceNumber receive_sequence(TimePoint now, HolderId holder = 1) {
    const auto delivery = receive(now, holder);
    return delivery ? delivery->message->sequence_number : 0;
  }
  std::vector<Outcome::Kind> outcomes() {
    std::vector<Outcome::Kind> kinds;
    for (const auto& outcome : queue.take_outcomes()) kinds.push_back(outcome.kind);
    return kinds;
  }
};

using Kinds = std::vector<Outcome::Kind>;

}  // namespace

TEST_CASE("C2D-02 receive locks the lowest sequence number among the enqueued") {
  Fixture f;
  for (int i = 0; i < 3; ++i) REQUIRE(f.send());
  const auto first = f.receive(t0);
  CHECK(first->message->sequence_number == 1);
  CHECK(first->delivery_count == 0);
  CHECK(f.receive_sequence(t0) == 2);
  REQUIRE(f.queue.abandon(first->lock_token, 1, t0));
  CHECK(f.receive_sequence(t0) == 1);  // S8: back in its original place
  CHECK(f.receive_sequence(t0) == 3);
  CHECK_FALSE(f.receive(t0));
}

TEST_CASE("C2D-03 complete removes the locked message") {
  Fixture f;
  REQUIRE(f.send());
  const auto delivery = f.receive(t0);
  REQUIRE(f.queue.complete(delivery->lock_token, 1, t0));
  CHECK(f.outcomes() == Kinds{Outcome::Kind::completed});
  CHECK(f.queue.depth() == 0);
  CHECK_FALSE(f.queue.next_deadline());  // no timer is left behind
}

TEST_CASE("C2D-04 reject dead-letters the locked message") {
  Fixture f;
  REQUIRE(f.send());
  REQUIRE(f.queue.reject(f.receive(t0)->lock_token, 1, t0));
  CHECK(f.outcomes() == Kinds{Outcome::Kind::rejected});
}

TEST_CASE("C2D-05 a lock that times out returns the message and keeps its delivery count") {
  Fixture f;
  REQUIRE(f.send());
  const auto delivery = f.receive(t0);
  CHECK(delivery->locked_until == t0 + 60s);
  CHECK(f.queue.next_deadline() == t0 + 60s);
  f.queue.on_time(t0 + 59'999ms);
  CHECK(f.queue.locked_count() == 1);
  f.queue.on_time(t0 + 60s);
  CHECK(f.queue.locked_count() == 0);
  CHECK(f.outcomes().empty());
  const auto again = f.receive(t0 + 60s);
  CHECK(again->delivery_count == 0);
  CHECK(again->lock_token != delivery->lock_token);
}

TEST_CASE("C2D-06 a message that is only abandoned is delivered exactly N times") {
  for (const auto mode : {DeliveryCountMode::abandon_only, DeliveryCountMode::every_return}) {
    for (const std::uint32_t n : {1u, 2u, 10u}) {
      Fixture f;
      f.limits.max_delivery_count = n;
      f.limits.delivery_count_mode = mode;
      REQUIRE(f.send());
      std::uint32_t deliveries = 0;
      while (const auto delivery = f.receive(t0)) {
        CHECK(delivery->delivery_count == deliveries);
        ++deliveries;
        REQUIRE(f.queue.abandon(delivery->lock_token, 1, t0));
      }
      CHECK(deliveries == n);
      const auto kinds = f.outcomes();
      CHECK(kinds.size() == n);
      CHECK(kinds.back() == Outcome::Kind::delivery_count_exceeded);
    }
  }
}

TEST_CASE("C2D-07 a holder that goes returns its locks at once, others keep theirs") {
  Fixture f;
  for (int i = 0; i < 3; ++i) REQUIRE(f.send());
  const auto a = f.receive(t0, 1);
  const auto b = f.receive(t0, 2);
  const auto c = f.receive(t0, 1);
  CHECK(f.queue.release(1, t0) == 2);
  CHECK(f.queue.locked_count() == 1);
  CHECK(f.receive_sequence(t0, 2) == a->message->sequence_number);
  CHECK(f.receive_sequence(t0, 2) == c->message->sequence_number);
  CHECK(f.queue.complete(b->lock_token, 2, t0));
}

TEST_CASE("A-25 settled without an outcome: the message returns, uncounted under abandon-only") {
  Fixture f;
  REQUIRE(f.send());
  const auto delivery = f.receive(t0);
  REQUIRE(f.queue.release(delivery->lock_token, 1, t0));
  CHECK(f.receive(t0)->delivery_count == 0);
  CHECK_FALSE(f.queue.release(delivery->lock_token, 1, t0));
}

TEST_CASE("C2D-08 a settlement with a token that is not current fails and changes nothing") {
  Fixture f;
  REQUIRE(f.send());
  REQUIRE(f.send());
  const auto delivery = f.receive(t0, 1);
  const auto lost = HubErrc::device_message_lock_lost;
  const auto refused = [&](const LockToken& token, HolderId holder, TimePoint now) {
    f.queue.on_time(now);
    const auto before = f.queue.locked_count();
    CHECK(f.queue.complete(token, holder, now).error().code == lost);
    CHECK(f.queue.reject(token, holder, now).error().code == lost);
    CHECK(f.queue.abandon(token, holder, now).error().code == lost);
    CHECK(f.queue.locked_count() == before);
    CHECK(f.outcomes().empty());
  };
  refused(f.ids.next_lock_token(), 1, t0);     // never given out
  refused(delivery->lock_token, 2, t0);        // another receiver's
  refused(delivery->lock_token, 1, t0 + 60s);  // timed out
  const auto again = f.receive(t0 + 60s, 1);
  refused(delivery->lock_token, 1, t0 + 61s);  // locked again under another token (S3)
  REQUIRE(f.queue.complete(again->lock_token, 1, t0 + 61s));
  CHECK(f.outcomes().size() == 1);
  refused(again->lock_token, 1, t0 + 61s);  // settled twice
}

TEST_CASE("C2D-10 the queue takes 50 messages, locked ones counted") {
  Fixture f;
  for (int i = 0; i < 50; ++i) REQUIRE(f.send());
  std::vector<Delivery> all;
  while (auto delivery = f.receive(t0)) all.push_back(*delivery);
  CHECK(all.size() == 50);
  CHECK(f.send().error().code == HubErrc::device_maximum_queue_depth_exceeded);
  CHECK(f.queue.depth() == 50);
  REQUIRE(f.queue.complete(all[30].lock_token, 1, t0));
  CHECK(f.send());
  CHECK_FALSE(f.send());
}

TEST_CASE("C2D-15 a purge takes the locked messages too") {
  Fixture f;
  for (int i = 0; i < 3; ++i) REQUIRE(f.send());
  const auto delivery = f.receive(t0);
  CHECK(f.queue.purge(t0) == 3);
  CHECK(f.outcomes() == Kinds(3, Outcome::Kind::purged));
  CHECK(f.queue.complete(delivery->lock_token, 1, t0).error().code ==
        HubErrc::device_message_lock_lost);
  CHECK_FALSE(f.queue.next_deadline());
}

TEST_CASE("C2D-18 the maximum is read at each increment") {  // S24
  Fixture f;
  REQUIRE(f.send());
  for (int i = 0; i < 5; ++i) REQUIRE(f.queue.abandon(f.receive(t0)->lock_token, 1, t0));
  f.limits.max_delivery_count = 3;
  CHECK(f.queue.depth() == 1);  // nothing happens at the change
  f.outcomes();
  REQUIRE(f.queue.abandon(f.receive(t0)->lock_token, 1, t0));
  CHECK(f.outcomes() == Kinds{Outcome::Kind::delivery_count_exceeded});
}

TEST_CASE(
    "C2D-19 every-return counts a timeout and a lost connection, abandon-only neither") {  // S7
  for (const bool every : {false, true}) {
    Fixture f;
    f.limits.max_delivery_count = 2;
    f.limits.delivery_count_mode =
        every ? DeliveryCountMode::every_return : DeliveryCountMode::abandon_only;
    REQUIRE(f.send());
    REQUIRE(f.receive(t0));
    const auto second = f.receive(t0 + 60s);
    CHECK(second->delivery_count == (every ? 1 : 0));
    f.queue.release(1, t0 + 61s);
    if (every) {
      CHECK(f.outcomes() == Kinds{Outcome::Kind::returned, Outcome::Kind::delivery_count_exceeded});
    } else {
      CHECK(f.outcomes().empty());
      CHECK(f.queue.depth() == 1);
    }
  }
}

TEST_CASE("C2D-22 a message that expires while locked is dead-lettered at once, or at unlock") {
  Fixture f;
  REQUIRE(f.send(8s));
  const auto delivery = f.receive(t0, 1, 10s);
  f.queue.on_time(t0 + 8s);
  CHECK(f.outcomes() == Kinds{Outcome::Kind::expired});
  CHECK_FALSE(f.queue.complete(delivery->lock_token, 1, t0 + 9s));  // S4

  Fixture g;
  g.limits.expire_while_locked = ExpireWhileLocked::at_unlock;
  REQUIRE(g.send(8s));
  REQUIRE(g.send(8s));
  const auto completed = g.receive(t0, 1, 10s);
  REQUIRE(g.receive(t0, 1, 10s));
  g.queue.on_time(t0 + 9s);
  CHECK(g.outcomes().empty());
  REQUIRE(g.queue.complete(completed->lock_token, 1, t0 + 9s));
  g.queue.on_time(t0 + 10s);
  CHECK(g.outcomes() == Kinds{Outcome::Kind::completed, Outcome::Kind::expired});
}

TEST_CASE("C2D-24 timers win over a command of the same instant") {  // S13
  Fixture f;
  REQUIRE(f.send(10s));
  const auto delivery = f.receive(t0);
  f.queue.on_time(t0 + 10s);
  CHECK_FALSE(f.queue.complete(delivery->lock_token, 1, t0 + 10s));
  CHECK(f.outcomes() == Kinds{Outcome::Kind::expired});

  // TTL before lock when both are due: the message is gone, not returned.
  Fixture g;
  g.limits.delivery_count_mode = DeliveryCountMode::every_return;
  REQUIRE(g.send(60s));
  REQUIRE(g.receive(t0));
  g.queue.on_time(t0 + 2h);
  CHECK(g.outcomes() == Kinds{Outcome::Kind::expired});
}

TEST_CASE("C2D-29 a receiver gets nothing below its first sequence number") {
  Fixture f;
  REQUIRE(f.send());
  REQUIRE(f.send());
  CHECK_FALSE(f.queue.has_message_for(1, 3));
  CHECK(f.queue.has_message_for(1, 2));
  const auto delivery = f.queue.receive(f.ids.next_lock_token(), {1, 60s, 2, false}, t0);
  CHECK(delivery->message->sequence_number == 2);
  CHECK_FALSE(f.queue.receive(f.ids.next_lock_token(), {1, 60s, 2, false}, t0));
  CHECK(f.receive_sequence(t0, 2) == 1);  // everybody else may have it
}

TEST_CASE("U6 redeliverOnLiveConnection=false keeps a timed-out message from the same receiver") {
  Fixture f;
  f.limits.redeliver_on_live_connection = false;
  REQUIRE(f.send());
  REQUIRE(f.receive(t0, 1));
  CHECK_FALSE(f.receive(t0 + 60s, 1));
  CHECK_FALSE(f.queue.has_message_for(1, 0));
  CHECK(f.receive(t0 + 60s, 2));
}

TEST_CASE("M-38 a message published before is marked so until the MQTT session ends") {
  Fixture f;
  REQUIRE(f.send());
  const auto publish = [&](TimePoint now) {
    f.queue.on_time(now);
    return f.queue.receive(f.ids.next_lock_token(), {1, 60s, 0, true}, now);
  };
  CHECK_FALSE(publish(t0)->published_before);
  f.queue.release(1, t0);
  CHECK(publish(t0)->published_before);
  f.queue.release(1, t0);
  f.queue.forget_published();
  CHECK_FALSE(publish(t0)->published_before);
}
