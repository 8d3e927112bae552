// Who gets what, when several want it, and what the counters say of it (spec/c2d.md 2.7, 2.8, 3,
// 5).
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

TEST_CASE("C2D-41 the receiver that has waited longest is woken first") {
  TestHub t;
  t.create("d");
  std::string woken;
  Receiver a = t.hub.c2d().open_feedback([&] { woken += 'a'; }, t.now);
  Receiver b = t.hub.c2d().open_feedback([&] { woken += 'b'; }, t.now);
  CHECK_FALSE(a.receive(t.now));
  CHECK_FALSE(b.receive(t.now));
  const auto one_batch = [&] {
    REQUIRE(t.send("d"));
    REQUIRE(t.hub.c2d().purge({"d"}, t.now));
    t.advance(15s);
    return std::exchange(woken, {});
  };
  CHECK(one_batch() == "ab");
  REQUIRE(a.receive(t.now));
  CHECK_FALSE(a.receive(t.now));  // served, and waits again
  CHECK_FALSE(b.receive(t.now));
  CHECK(one_batch() == "ba");
  REQUIRE(b.receive(t.now));
  CHECK_FALSE(b.receive(t.now));
  CHECK_FALSE(a.receive(t.now));
  CHECK(one_batch() == "ab");
}

TEST_CASE(
    "C2D-42 a locked message holds up nobody: parallel HTTPS calls each get another, then none, at "
    "once") {
  TestHub t;
  t.create("d");
  for (const char* body : {"one", "two", "three"}) REQUIRE(t.send("d", body));
  std::vector<Delivery> all;
  while (auto delivery = t.get("d")) all.push_back(std::move(*delivery));
  REQUIRE(all.size() == 3);
  CHECK(all[0].message->content.body == "one");
  CHECK(all[2].message->content.body == "three");
  // Settled in any order.
  for (const int i : {2, 0, 1})
    CHECK(t.hub.c2d().complete({{"d"}}, all[static_cast<std::size_t>(i)].lock_token, t.now));
  CHECK(t.depth("d") == 0);
}

TEST_CASE("C2D-43 a message with a millisecond left is delivered, at its expiry it is not") {
  TestHub t;
  t.create("d");
  for (const bool in_time : {true, false}) {
    REQUIRE(t.send("d", "x", Ack::full, t.now + 10s));
    t.now += in_time ? 10s - 1ms : 10s;
    const auto delivery = t.get("d");
    CHECK(delivery.has_value() == in_time);
    if (delivery) CHECK(t.hub.c2d().complete({{"d"}}, delivery->lock_token, t.now));
  }
  // No floor of a minute on a message's own time, as there is on the default.
  REQUIRE(t.send("d", "x", Ack::full, t.now + 1ms));
  CHECK(t.get("d"));
}

TEST_CASE(
    "C2D-44 the counters mirror the transitions; lock timeouts and lost connections have none") {
  Settings settings;
  settings.max_delivery_count = 2;
  TestHub t(settings);
  t.create("d");
  for (int i = 0; i < 6; ++i) REQUIRE(t.send("d", std::to_string(i), Ack::none, t.now + 10min));
  const auto settle = [&](auto verb) {
    CHECK((t.hub.c2d().*verb)(QueueId{{"d"}}, t.get("d")->lock_token, t.now));
  };
  settle(&CloudToDevice::complete);
  settle(&CloudToDevice::reject);
  settle(&CloudToDevice::abandon);
  settle(&CloudToDevice::abandon);  // the same once more: dead-lettered
  REQUIRE(t.get("d"));
  {
    auto link = t.amqp("d");
    REQUIRE(link.receive(t.now));
  }
  t.advance(61s);
  const Metrics& m = t.hub.metrics();
  CHECK(m.c2d_ingress_success == 6);
  CHECK(m.c2d_egress_complete_success == 1);
  CHECK(m.c2d_egress_reject_success == 1);
  CHECK(m.c2d_egress_abandon_success == 2);
  CHECK(m.c2d_delivery_count_exceeded == 1);
  CHECK(m.c2d_messages_expired == 0);
  CHECK(t.depth("d") == 3);
  CHECK(*t.hub.c2d().purge({"d"}, t.now) == 3);
  CHECK(m.c2d_messages_purged == 3);
  REQUIRE(t.send("d", "last", Ack::full));
  t.advance(1h);
  CHECK(m.c2d_messages_expired == 1);
  t.advance(15s);
  CHECK(t.feedback().size() == 1);  // completed, which is no command of the hub's metric
  CHECK(m.c2d_egress_complete_success == 1);
}

TEST_CASE("C2D-35 batches that were flushed before the device was deleted are untouched") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d", "x"));
  REQUIRE(t.hub.c2d().purge({"d"}, t.now));
  t.advance(15s);
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "id-x") == 1);
}
