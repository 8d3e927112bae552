// The scenarios S1..S26 of spec/c2d.md 8.2 on the core. Unless said: N = 10, lock 60 s, TTL 1 h,
// ack=full, abandon-only. Where the protocol matters: scenario_wire_test.cpp.
#include "tests/support/memory_store.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace test;

namespace {

struct Scenario : TestHub {
  explicit Scenario(hub::Settings settings = {}, bool durable = false)
      : TestHub(settings, durable) {
    create("d");
  }
  hub::QueueId queue{{"d"}};
  bool complete(const hub::Delivery& delivery) {
    return hub.c2d().complete(queue, delivery.lock_token, now).has_value();
  }
  void set_enabled(bool enabled) {
    hub::DeviceSpec spec;
    spec.id.text = "d";
    spec.status = enabled ? hub::DeviceStatus::enabled : hub::DeviceStatus::disabled;
    REQUIRE(hub.registry().update(spec, std::nullopt, now));
  }
  // All that is pending and queued, as one text.
  std::string all_feedback() {
    advance(15s);
    std::string out;
    for (const auto& batch : feedback()) out += batch;
    return out;
  }
};

hub::Settings with(std::uint32_t max_delivery_count, hub::DeliveryCountMode mode) {
  hub::Settings settings;
  settings.max_delivery_count = max_delivery_count;
  settings.delivery_count_mode = mode;
  return settings;
}
constexpr auto abandon_only = hub::DeliveryCountMode::abandon_only;
constexpr auto every_return = hub::DeliveryCountMode::every_return;

std::string code_of(const hub::Result<void>& result) {
  return result ? "ok" : std::to_string(number_of(result.error().code));
}
std::string code_of(const hub::Result<hub::SequenceNumber>& result) {
  return result ? "ok" : std::to_string(number_of(result.error().code));
}

}  // namespace

TEST_CASE("S1 fifty locked messages fill the queue; completing one lets the next in") {
  Scenario t;
  auto link = t.amqp("d");
  std::vector<hub::Delivery> held;
  for (int i = 0; i < 50; ++i) {
    REQUIRE(t.send("d"));
    held.push_back(*link.receive(t.now));
    CHECK(t.depth("d") <= 50);
  }
  CHECK(code_of(t.send("d")) == "403004");
  REQUIRE(link.complete(held[20].lock_token, t.now));
  CHECK(t.send("d"));
  CHECK(code_of(t.send("d")) == "403004");
  CHECK(t.depth("d") == 50);
}

TEST_CASE("S2 fifty messages that expire together free the queue at that instant") {
  Scenario t;
  const auto expiry = t.now + 10s;
  for (int i = 0; i < 50; ++i) REQUIRE(t.send("d", "m", hub::Ack::full, expiry));
  t.now += 9'999ms;
  CHECK(code_of(t.send("d")) == "403004");
  t.now += 1ms;
  CHECK(t.send("d", "last"));
  CHECK(t.depth("d") == 1);
  t.advance(15s);
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "\"statusCode\":\"Expired\"") == 50);
  CHECK(count(batches[0], "\"enqueuedTimeUtc\":\"" + hub::to_iso8601(expiry)) == 50);
}

TEST_CASE("S3 an HTTPS lock runs out, the message is locked anew, the old token does nothing") {
  Scenario t;
  REQUIRE(t.send("d"));
  const auto first = t.get("d");
  REQUIRE(first);
  t.advance(30s);
  CHECK_FALSE(t.get("d"));
  t.advance(30s);
  const auto third = t.get("d");
  REQUIRE(third);
  CHECK(third->message == first->message);
  CHECK(third->delivery_count == 0);
  CHECK(third->lock_token != first->lock_token);
  t.advance(1s);
  CHECK(code_of(t.hub.c2d().complete(t.queue, first->lock_token, t.now)) == "412002");
  CHECK(t.complete(*third));
}

TEST_CASE("S4 a message expires while it is locked: the lock is lost, feedback is Expired only") {
  Scenario t;
  REQUIRE(t.send("d", "m", hub::Ack::full, t.now + 8s));
  const auto locked = t.get("d", 10s);
  REQUIRE(locked);
  t.advance(8s);
  CHECK(t.depth("d") == 0);
  t.advance(1s);
  CHECK(code_of(t.hub.c2d().complete(t.queue, locked->lock_token, t.now)) == "412002");
  const auto feedback = t.all_feedback();
  CHECK(count(feedback, "statusCode") == 1);
  CHECK(count(feedback, "\"statusCode\":\"Expired\"") == 1);
}

TEST_CASE("S5 a link that ends gives its message back at once; only the new token completes it") {
  for (const auto mode : {abandon_only, every_return}) {
    Scenario t(with(10, mode));
    REQUIRE(t.send("d"));
    auto link = t.amqp("d");
    const auto first = *link.receive(t.now);
    link.close(t.now);
    auto again = t.amqp("d");
    const auto second = again.receive(t.now);
    REQUIRE(second);
    CHECK(second->lock_token != first.lock_token);
    CHECK(second->delivery_count == (mode == every_return ? 1 : 0));
    CHECK(code_of(again.complete(first.lock_token, t.now)) == "412002");
    CHECK(again.complete(second->lock_token, t.now));
    CHECK(count(t.all_feedback(), "\"statusCode\":\"Success\"") == 1);
  }
}

TEST_CASE("S6 with one delivery allowed an abandon dead-letters at once") {
  Scenario t(with(1, abandon_only));
  REQUIRE(t.send("d"));
  const auto only = t.get("d");
  REQUIRE(t.hub.c2d().abandon(t.queue, only->lock_token, t.now));
  CHECK_FALSE(t.get("d"));
  CHECK(t.depth("d") == 0);
  const auto feedback = t.all_feedback();
  CHECK(count(feedback, "statusCode") == 1);
  CHECK(count(feedback, "\"statusCode\":\"DeliveryCountExceeded\"") == 1);
}

TEST_CASE("S7 every-return counts a lock timeout and a lost link, abandon-only neither") {
  for (const auto mode : {abandon_only, every_return}) {
    Scenario t(with(2, mode));
    REQUIRE(t.send("d"));
    auto link = t.amqp("d");
    REQUIRE(link.receive(t.now));
    t.advance(60s);
    REQUIRE(link.receive(t.now));
    link.close(t.now);
    const bool counted = mode == every_return;
    CHECK(t.depth("d") == (counted ? 0 : 1));
    CHECK(count(t.all_feedback(), "DeliveryCountExceeded\",") == (counted ? 1 : 0));
    if (!counted) CHECK(t.get("d")->delivery_count == 0);
  }
}

TEST_CASE("S8 an abandoned message is next again, in its original place") {
  Scenario t;
  for (const char* body : {"1", "2", "3"}) REQUIRE(t.send("d", body));
  auto link = t.amqp("d");
  const auto one = *link.receive(t.now), two = *link.receive(t.now);
  REQUIRE(link.abandon(one.lock_token, t.now));
  REQUIRE(link.complete(two.lock_token, t.now));
  const auto next = *link.receive(t.now), last = *link.receive(t.now);
  CHECK(next.message->content.body == "1");
  CHECK(next.delivery_count == 1);
  CHECK(last.message->content.body == "3");
}

TEST_CASE("S9 HTTPS takes what a link does not hold, and settles only that") {
  Scenario t;
  for (int i = 1; i <= 6; ++i) REQUIRE(t.send("d", std::to_string(i)));
  auto link = t.amqp("d");
  std::vector<hub::Delivery> held;
  for (int i = 0; i < 5; ++i) held.push_back(*link.receive(t.now));
  const auto sixth = t.get("d");
  REQUIRE(sixth);
  CHECK(sixth->message->content.body == "6");
  CHECK_FALSE(link.closed());
  CHECK(code_of(link.complete(sixth->lock_token, t.now)) == "412002");
  CHECK(code_of(t.hub.c2d().complete(t.queue, held[0].lock_token, t.now)) == "412002");
  CHECK(t.complete(*sixth));
  CHECK(link.complete(held[0].lock_token, t.now));
}

TEST_CASE("S13 complete and expiry in the same instant: the timer wins") {
  Scenario t;
  REQUIRE(t.send("d", "m", hub::Ack::full, t.now + 10s));
  const auto locked = t.get("d");
  t.now += 10s;  // nobody tells the hub before
  CHECK(code_of(t.hub.c2d().complete(t.queue, locked->lock_token, t.now)) == "412002");
  CHECK(count(t.all_feedback(), "\"statusCode\":\"Expired\"") == 1);
}

TEST_CASE("S14 a crash before the batch is flushed loses no record") {
  Scenario t({}, true);
  REQUIRE(t.send("d"));
  const auto locked = t.get("d");
  REQUIRE(t.complete(*locked));
  MemoryStore store;
  store.apply(t.hub.monitor().take_changes().first);

  TestHub late({}, true);
  late.now = t.now + 1s;
  late.hub.restore(store.load(), late.now);
  CHECK(late.depth("d") == 0);
  late.advance(15s);
  const auto batches = late.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "\"statusCode\":\"Success\"") == 1);
}

TEST_CASE("S15 a device deleted before the flush takes its records with it, and no others") {
  Scenario t;
  t.create("other");
  for (const char* device : {"d", "other"}) {
    REQUIRE(t.send(device));
    REQUIRE(t.hub.c2d().complete({{device}}, t.get(device)->lock_token, t.now));
  }
  t.now += 100ms;
  REQUIRE(t.hub.registry().remove({"d"}, std::nullopt, t.now));
  const auto feedback = t.all_feedback();
  CHECK(count(feedback, "statusCode") == 1);
  CHECK(count(feedback, "\"deviceId\":\"other\"") == 1);
}

TEST_CASE("S16 sixty-four records go at once, the next waits for the window from that flush") {
  Scenario t;
  t.create("e");
  t.now += 7s;  // within the first window
  const auto complete_one = [&](const char* device) {
    REQUIRE(t.send(device));
    REQUIRE(t.hub.c2d().complete({{device}}, t.get(device)->lock_token, t.now));
  };
  for (int i = 0; i < 64; ++i) {
    complete_one(i % 2 == 0 ? "d" : "e");
    t.now += 10ms;
  }
  auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "statusCode") == 64);
  const auto flushed = t.now - 10ms;
  complete_one("d");
  t.hub.monitor().on_time(t.now = flushed + 15s - 1ms);
  CHECK(t.feedback().empty());
  t.hub.monitor().on_time(t.now = flushed + 15s);
  batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "statusCode") == 1);
}

TEST_CASE("S17 the feedback of a receiver that dies goes to the other, one at a time") {
  Scenario t;
  REQUIRE(t.send("d"));
  REQUIRE(t.complete(*t.get("d")));
  t.advance(15s);
  int woken = 0;
  auto a = t.hub.c2d().open_feedback([] {}, t.now);
  auto b = t.hub.c2d().open_feedback([&] { ++woken; }, t.now);
  REQUIRE(a.receive(t.now));
  CHECK_FALSE(b.receive(t.now));
  a.close(t.now);
  CHECK(woken == 1);
  const auto batch = b.receive(t.now);
  REQUIRE(batch);
  // Over HTTPS only the lock duration frees it.
  REQUIRE(b.abandon(batch->lock_token, t.now));
  REQUIRE(*t.hub.c2d().receive_once(hub::QueueId::feedback(), 60s, t.now));
  CHECK_FALSE(b.receive(t.now));
  t.advance(60s);
  CHECK(b.receive(t.now));
}

TEST_CASE("S18 feedback abandoned as often as allowed is gone, and nobody is told") {
  hub::Settings settings;
  settings.feedback_max_delivery_count = 3;
  Scenario t(settings);
  REQUIRE(t.send("d"));
  REQUIRE(t.complete(*t.get("d")));
  t.advance(15s);
  auto receiver = t.hub.c2d().open_feedback([] {}, t.now);
  for (int i = 0; i < 3; ++i) {
    const auto batch = receiver.receive(t.now);
    REQUIRE(batch);
    CHECK(receiver.abandon(batch->lock_token, t.now));
  }
  CHECK_FALSE(receiver.receive(t.now));
  CHECK(t.hub.c2d().peek({}).empty());
  t.advance(15s);
  CHECK_FALSE(receiver.receive(t.now));
}

TEST_CASE("S19 purge takes a locked message; its complete has lost the lock") {
  Scenario t;
  REQUIRE(t.send("d", "1"));
  REQUIRE(t.send("d", "2"));
  const auto locked = t.get("d");
  CHECK(*t.hub.c2d().purge({"d"}, t.now) == 2);
  CHECK(code_of(t.hub.c2d().complete(t.queue, locked->lock_token, t.now)) == "412002");
  CHECK(t.send("d", "3"));
  CHECK(count(t.all_feedback(), "\"statusCode\":\"Purged\"") == 2);
}

TEST_CASE("S20 a disabled device loses its locks, not its messages; their time runs on") {
  for (const bool expires : {false, true}) {
    Scenario t;
    const auto expiry = expires ? std::optional{t.now + 5s} : std::nullopt;
    REQUIRE(t.send("d", "m", hub::Ack::full, expiry));
    auto link = *t.hub.c2d().open_devicebound(
        {"d"}, hub::Transport::mqtt, [] {}, 0, t.now);
    REQUIRE(link.receive(t.now));
    t.set_enabled(false);
    CHECK(link.closed() == hub::CloseReason::device_disabled);
    CHECK(t.hub.registry().get({"d"}, t.now)->c2d_locked_count == 0);
    CHECK(t.depth("d") == 1);
    t.advance(10s);
    t.set_enabled(true);
    auto again = *t.hub.c2d().open_devicebound(
        {"d"}, hub::Transport::mqtt, [] {}, 0, t.now);
    CHECK(again.receive(t.now).has_value() == !expires);
    CHECK(count(t.all_feedback(), "\"statusCode\":\"Expired\"") == (expires ? 1 : 0));
  }
}

TEST_CASE(
    "S21 delete and create again within a second: another generation, nothing of the old one") {
  Scenario t;
  REQUIRE(t.send("d", "old"));
  const auto before = t.hub.registry().get({"d"}, t.now)->identity.generation_id;
  REQUIRE(t.hub.registry().remove({"d"}, std::nullopt, t.now));
  t.now += 500ms;
  const auto after = t.create("d").identity.generation_id;
  CHECK(after != before);
  CHECK(t.depth("d") == 0);
  CHECK(*t.send("d", "new") == 1);
  const auto got = t.get("d");
  REQUIRE(got);
  CHECK(got->message->content.body == "new");
  CHECK(t.complete(*got));
  const auto feedback = t.all_feedback();
  CHECK(count(feedback, "statusCode") == 1);
  CHECK(count(feedback, "\"deviceGenerationId\":\"" + after + "\"") == 1);
}

TEST_CASE("S22 a message id used twice: two messages, two records, no deduplication") {
  Scenario t;
  REQUIRE(t.send("d", "same"));
  REQUIRE(t.send("d", "same"));
  CHECK(t.depth("d") == 2);
  for (int i = 0; i < 2; ++i) CHECK(t.complete(*t.get("d")));
  CHECK(count(t.all_feedback(), "\"originalMessageId\":\"id-same\"") == 2);
}

TEST_CASE("S23 a link that takes over: what was accepted before counts, what comes after is lost") {
  for (const bool accepted_first : {true, false}) {
    Scenario t;
    REQUIRE(t.send("d"));
    auto a = t.amqp("d");
    const auto held = *a.receive(t.now);
    if (accepted_first) CHECK(a.complete(held.lock_token, t.now));
    auto b = t.amqp("d");
    CHECK(a.closed() == hub::CloseReason::taken_over);
    if (!accepted_first) CHECK(code_of(a.complete(held.lock_token, t.now)) == "412002");
    const auto next = b.receive(t.now);
    CHECK(next.has_value() == !accepted_first);
    if (next) CHECK(next->message == held.message);
  }
}

TEST_CASE("S24 a lowered maximum counts at the next abandon, not at once") {
  // The hub's settings are read at its start, so the queue alone shows it.
  hub::QueueLimits limits;
  hub::MessageQueue queue(&limits);
  const auto start = hub::from_unix_seconds(1'800'000'000);
  auto message = std::make_shared<hub::Message>();
  message->sequence_number = 1;
  message->enqueued_time = start;
  message->expires_at = start + 1h;
  REQUIRE(queue.enqueue(message));
  hub::SeededIdSource ids{1};
  const auto abandon = [&] {
    const auto token = ids.next_lock_token();
    hub::MessageQueue::ReceiveOptions options;
    options.lock_duration = 60s;
    REQUIRE(queue.receive(token, options, start));
    REQUIRE(queue.abandon(token, 0, start));
  };
  for (int i = 0; i < 5; ++i) abandon();
  (void)queue.take_outcomes();
  limits.max_delivery_count = 3;
  queue.on_time(start + 1s);
  CHECK(queue.depth() == 1);
  CHECK(queue.take_outcomes().empty());
  abandon();
  CHECK(queue.depth() == 0);
  const auto outcomes = queue.take_outcomes();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == hub::Outcome::Kind::delivery_count_exceeded);
}

TEST_CASE("S25 the clock jumps two hours with three receivers waiting") {
  TestHub t;
  const char* names[] = {"a", "b", "c"};
  std::vector<hub::Receiver> links;
  for (const char* name : names) {
    t.create(name);
    links.push_back(t.amqp(name));
    CHECK_FALSE(links.back().receive(t.now));
  }
  // c expires first, then a; b is locked at the jump and lives on.
  REQUIRE(t.send("a", "a", hub::Ack::full, t.now + 30min));
  REQUIRE(t.send("c", "c", hub::Ack::full, t.now + 10min));
  REQUIRE(t.send("b", "b", hub::Ack::full, t.now + 3h));
  const auto held = *links[1].receive(t.now);
  t.advance(2h);
  CHECK_FALSE(links[0].receive(t.now));
  CHECK_FALSE(links[2].receive(t.now));
  CHECK_FALSE(links[1].complete(held.lock_token, t.now));
  CHECK(links[1].receive(t.now)->message == held.message);
  // Timers fired in the order of their times: c's record went before a's, each in its own window,
  // and c's batch has lived its hour since.
  CHECK(t.hub.metrics().feedback_records == 2);
  const auto batches = t.hub.c2d().peek({});
  CHECK(t.hub.metrics().feedback_batches == 2);
  CHECK(batches.empty());
}

TEST_CASE("S26 a token of dev1 opens neither dev10 nor Dev1") {
  TestHub t;
  t.create("dev1");
  t.create("dev10");
  const auto token = hub::make_sas_token("localhost/devices/dev1", device_key, t.now + 1h);
  const auto principal = t.hub.access().authenticate_sas(token, t.now);
  REQUIRE(principal);
  CHECK(t.hub.access().authorize_device(*principal, {"dev1"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, {"dev10"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, {"Dev1"}, t.now));
}
