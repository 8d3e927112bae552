// Feedback: spec/c2d.md section 4.
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>
#include <boost/json.hpp>

using namespace hub;
using namespace test;

namespace {

void complete_all(TestHub& t, std::string device) {
  while (const auto delivery = t.get(device)) {
    REQUIRE(t.hub.c2d().complete({{device}}, delivery->lock_token, t.now));
  }
}

}  // namespace

TEST_CASE("C2D-30 which outcome reports under which ack") {
  using Kind = Outcome::Kind;
  for (const Kind kind : {Kind::completed, Kind::expired, Kind::delivery_count_exceeded,
                          Kind::rejected, Kind::purged}) {
    CHECK_FALSE(wants_feedback(Ack::none, kind));
    CHECK(wants_feedback(Ack::full, kind));
    CHECK(wants_feedback(Ack::positive, kind) == (kind == Kind::completed));
    CHECK(wants_feedback(Ack::negative, kind) == (kind != Kind::completed));
  }
  CHECK_FALSE(wants_feedback(Ack::full, Kind::returned));
}

TEST_CASE("C2D-31 a record has the hub's field names, its times and its generation") {
  TestHub t;
  const auto device = t.create("d");
  REQUIRE(t.send("d", "x"));
  t.advance(5s);
  const auto outcome_time = t.now;
  complete_all(t, "d");
  t.advance(15s);
  const auto batch = *t.hub.c2d().receive_once(QueueId::feedback(), 60s, t.now);
  REQUIRE(batch);
  const MessageContent& content = batch->message->content;
  CHECK(content.content_type == "application/vnd.microsoft.iothub.feedback.json");
  CHECK(content.user_id == "localhost");
  CHECK(content.to == "/messages/serviceBound/feedback");
  CHECK(boost::json::parse(content.body) ==
        boost::json::value{{{"originalMessageId", "id-x"},
                            {"enqueuedTimeUtc", to_iso8601(outcome_time)},
                            {"statusCode", "Success"},
                            {"description", "Success"},
                            {"deviceId", "d"},
                            {"deviceGenerationId", device.identity.generation_id}}});
}

TEST_CASE("C2D-31 without a message id there is no originalMessageId") {
  TestHub t;
  t.create("d");
  REQUIRE(t.hub.c2d().send({{"d"}, Ack::full, true, {}}, t.now));
  complete_all(t, "d");
  t.advance(15s);
  CHECK(t.feedback().at(0).find("originalMessageId") == std::string::npos);
}

TEST_CASE("C2D-32 the window free-runs: a lone record waits at most 15 s") {
  TestHub t;
  t.create("d");
  t.advance(100s);  // ticks at 105 s
  REQUIRE(t.send("d"));
  complete_all(t, "d");
  CHECK(t.hub.monitor().next_deadline() == t.now + 5s);
  t.advance(4'999ms);
  CHECK(t.feedback().empty());
  t.advance(1ms);
  CHECK(t.feedback().size() == 1);
}

TEST_CASE("C2D-32 64 records go at once, the 65th waits for the window from that flush") {  // S16
  TestHub t;
  t.create("a");
  t.create("b");
  t.advance(20s);
  for (int i = 0; i < 40; ++i) REQUIRE(t.send("a", std::to_string(i)));
  for (int i = 40; i < 65; ++i) REQUIRE(t.send("b", std::to_string(i)));
  complete_all(t, "a");
  complete_all(t, "b");
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(boost::json::parse(batches[0]).as_array().size() == 64);
  CHECK(boost::json::parse(batches[0]).at(63).at("originalMessageId") == "id-63");
  CHECK(t.hub.monitor().next_deadline() <= t.now + 15s);
  t.advance(15s);
  CHECK(count(t.feedback().at(0), "id-64") == 1);
}

TEST_CASE("C2D-32 a window of zero flushes with the outcome") {
  Settings settings;
  settings.feedback_window = 0ms;
  TestHub t(settings);
  t.create("d");
  REQUIRE(t.send("d"));
  complete_all(t, "d");
  CHECK(t.feedback().size() == 1);
}

TEST_CASE(
    "C2D-33 feedback is locked, abandoned and dropped like any message, without feedback") {  // S18
  Settings settings;
  settings.feedback_window = 0ms;
  settings.feedback_max_delivery_count = 2;
  TestHub t(settings);
  t.create("d");
  REQUIRE(t.send("d"));
  complete_all(t, "d");
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto batch = *t.hub.c2d().receive_once(QueueId::feedback(), 60s, t.now);
    REQUIRE(batch);
    CHECK(batch->delivery_count == i);
    REQUIRE(t.hub.c2d().abandon(QueueId::feedback(), batch->lock_token, t.now));
  }
  CHECK(t.feedback().empty());
  t.advance(1h);
  CHECK(t.feedback().empty());
}

TEST_CASE(
    "C2D-34 each batch goes to one receiver at a time, and on to the next when that one dies") {  // S17
  Settings settings;
  settings.feedback_window = 0ms;
  TestHub t(settings);
  t.create("d");
  int a_wakes = 0;
  int b_wakes = 0;
  auto a = t.hub.c2d().open_feedback([&] { ++a_wakes; }, t.now);
  auto b = t.hub.c2d().open_feedback([&] { ++b_wakes; }, t.now);
  REQUIRE(t.send("d"));
  complete_all(t, "d");
  REQUIRE(a.receive(t.now));
  CHECK_FALSE(b.receive(t.now));
  CHECK(b_wakes == 1);
  a.close(t.now);
  CHECK(b_wakes == 2);
  const auto batch = b.receive(t.now);
  REQUIRE(batch);
  CHECK(b.complete(batch->lock_token, t.now));
}

TEST_CASE("C2D-35 pending records of a deleted device vanish, those of others stay") {  // S15
  TestHub t;
  t.create("a");
  t.create("b");
  REQUIRE(t.send("a", "of-a"));
  REQUIRE(t.send("b", "of-b"));
  complete_all(t, "a");
  complete_all(t, "b");
  REQUIRE(t.hub.registry().remove({"a"}, {}, t.now));
  t.advance(15s);
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], "of-a") == 0);
  CHECK(count(batches[0], "of-b") == 1);
}

TEST_CASE("C2D-30 each outcome reaches the feedback with its own status") {
  Settings settings;
  settings.feedback_window = 0ms;
  settings.max_delivery_count = 1;
  TestHub t(settings);
  t.create("d");
  const QueueId queue{{"d"}};
  REQUIRE(t.send("d", "rejected"));
  REQUIRE(t.hub.c2d().reject(queue, t.get("d")->lock_token, t.now));
  REQUIRE(t.send("d", "abandoned"));
  REQUIRE(t.hub.c2d().abandon(queue, t.get("d")->lock_token, t.now));
  REQUIRE(t.send("d", "purged"));
  REQUIRE(t.hub.c2d().purge({"d"}, t.now));
  REQUIRE(t.send("d", "expired", Ack::negative, t.now + 1s));
  t.advance(1s);
  std::string all;
  for (const auto& batch : t.feedback()) all += batch;
  for (const char* status : {"Rejected", "DeliveryCountExceeded", "Purged", "Expired"}) {
    CHECK(count(all, std::string("\"statusCode\":\"") + status) == 1);
  }
}
