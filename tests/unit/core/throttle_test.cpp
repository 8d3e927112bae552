#include "emulator/core/admission/throttle.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/test_hub.hpp"

using hub::DailyQuota;
using hub::HubErrc;
using hub::Operation;
using hub::Sku;
using test::TestHub;
using namespace std::chrono_literals;

namespace {

hub::Settings tier(std::string_view sku, std::uint64_t quota = 0) {
  hub::Settings settings;
  REQUIRE(settings.set("sku.name", sku));
  REQUIRE(settings.set("dailyMessageQuota", std::to_string(quota)));
  return settings;
}

std::string bytes(std::size_t count) { return std::string(count, 'x'); }

}  // namespace

TEST_CASE("THR-01 the figures of each tier are those of the documents") {
  struct Row {
    Operation operation;
    std::uint64_t s1, s1_x20, s2, s3;
  };
  const std::array rows = {
      Row{Operation::c2d_send, 100, 2000, 100, 5000},
      Row{Operation::c2d_receive, 1000, 20'000, 1000, 50'000},
      Row{Operation::d2c_send, 6000, 14'400, 7200, 360'000},
      Row{Operation::connect, 6000, 14'400, 7200, 360'000},
      Row{Operation::registry, 100, 2000, 100, 5000},
      Row{Operation::twin_read, 6000, 6000, 6000, 30'000},
      Row{Operation::twin_update, 3000, 3000, 3000, 15'000},
      Row{Operation::query, 20, 400, 20, 1000},
  };
  CHECK(rows.size() == hub::operation_count);
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.operation));
    CHECK(per_minute(row.operation, Sku::f1, 1) == row.s1);
    CHECK(per_minute(row.operation, Sku::s1, 1) == row.s1);
    CHECK(per_minute(row.operation, Sku::s1, 20) == row.s1_x20);
    CHECK(per_minute(row.operation, Sku::s2, 1) == row.s2);
    CHECK(per_minute(row.operation, Sku::s3, 1) == row.s3);
  }
}

TEST_CASE("THR-01 a thread that is late with the minute it has read opens no second share of it") {
  TestHub t(tier("S1"));
  const auto minute = floor<std::chrono::minutes>(t.now) + 1min;
  REQUIRE(t.hub.admission().admit(Operation::query, 20, minute));
  CHECK_FALSE(t.hub.admission().admit(Operation::query, 1, minute - 1ms));
  CHECK_FALSE(t.hub.admission().admit(Operation::query, 1, minute));
}

TEST_CASE("THR-01 the 101st send of a minute is 429001, and the next minute begins anew") {
  TestHub t(tier("S1"));
  for (const char* id : {"a", "b", "c"}) t.create(id);
  t.now = hub::from_unix_seconds(1'800'000'000 / 60 * 60);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(t.send("a"));
    REQUIRE(t.send("b"));
  }
  t.now += 59'999ms;
  const auto refused = t.send("c");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == HubErrc::throttling_exception);
  CHECK(t.depth("c") == 0);
  CHECK(t.hub.metrics().throttled == 1);
  t.now += 1ms;
  CHECK(t.send("c"));
}

TEST_CASE("THR-01 without a tier nothing is throttled") {
  TestHub t;
  t.create("d");
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(t.send("d"));
    REQUIRE(t.hub.c2d().purge({"d"}, t.now));
  }
  CHECK(t.hub.metrics().throttled == 0);
}

TEST_CASE("THR-01 receiving is counted over HTTPS only, empty answers included; feedback is not") {
  TestHub t(tier("S1"));
  t.create("d");
  for (int i = 0; i < 1000; ++i) REQUIRE(t.hub.c2d().receive_once({{"d"}}, 60s, t.now));
  CHECK(t.hub.c2d().receive_once({{"d"}}, 60s, t.now).error().code ==
        HubErrc::throttling_exception);
  CHECK(t.hub.c2d().receive_once(hub::QueueId::feedback(), 60s, t.now));
  REQUIRE(t.send("d"));
  auto link = t.amqp("d");
  CHECK(link.receive(t.now));
}

TEST_CASE(
    "THR-01 new connections and telemetry are counted, a batch by its messages and as a whole") {
  TestHub t(tier("S1"));
  t.create("d");
  for (int i = 0; i < 6000; ++i) {
    REQUIRE(t.hub.connections().connect(
        {"d"}, hub::Transport::mqtt, [] {}, t.now));
  }
  CHECK(t.hub.connections()
            .connect(
                {"d"}, hub::Transport::mqtt, [] {}, t.now)
            .error()
            .code == HubErrc::throttling_exception);

  for (int i = 0; i < 5999; ++i) REQUIRE(t.telemetry({"d"}));
  const auto origin = t.hub.events().origin_of({"d"}, "{}", "", t.now);
  REQUIRE(origin);
  std::array batch = {std::make_shared<hub::TelemetryMessage>(),
                      std::make_shared<hub::TelemetryMessage>()};
  for (const auto& message : batch) message->origin = *origin;
  CHECK(t.hub.events().send(batch, t.now).error().code == HubErrc::throttling_exception);
  CHECK(t.hub.metrics().d2c_telemetry_ingress_success == 5999);
  CHECK(t.telemetry({"d"}));
}

TEST_CASE("THR-02 INV-35 a refused send has used its share of the minute, but none of the quota") {
  TestHub t(tier("S1", 1000));
  t.create("d");
  for (int i = 0; i < 50; ++i) REQUIRE(t.send("d"));
  for (int i = 0; i < 50; ++i) {
    CHECK(t.send("d").error().code == HubErrc::device_maximum_queue_depth_exceeded);
  }
  // Throttles come before the depth (c2d.md 2.6).
  CHECK(t.send("d").error().code == HubErrc::throttling_exception);
  CHECK(t.hub.metrics().daily_message_quota_used == 50);
}

TEST_CASE(
    "THR-03 INV-35 a message costs one unit for each 4 KB begun, 512 bytes on the free tier") {
  CHECK(DailyQuota::cost(0, Sku::s1) == 1);
  CHECK(DailyQuota::cost(4096, Sku::s1) == 1);
  CHECK(DailyQuota::cost(4097, Sku::s1) == 2);
  CHECK(DailyQuota::cost(65'536, Sku::none) == 16);
  CHECK(DailyQuota::cost(512, Sku::f1) == 1);
  CHECK(DailyQuota::cost(513, Sku::f1) == 2);
}

TEST_CASE("THR-03 INV-35 beyond the day's quota sends and telemetry are 403002 until 00:00 UTC") {
  TestHub t(tier("none", 3));
  t.create("d");
  t.now = hub::from_unix_seconds(1'800'000'000 / 86'400 * 86'400 + 86'399);
  REQUIRE(t.send("d"));
  auto link = t.amqp("d");
  const auto first = link.receive(t.now);
  REQUIRE(first);
  REQUIRE(link.abandon(first->lock_token, t.now));
  REQUIRE(link.receive(t.now));
  CHECK(t.hub.metrics().daily_message_quota_used == 1);  // a redelivery costs nothing
  CHECK(t.telemetry({"d"}, bytes(8193)).error().code == HubErrc::iot_hub_quota_exceeded);
  REQUIRE(t.telemetry({"d"}, bytes(8192)));
  CHECK(t.send("d").error().code == HubErrc::iot_hub_quota_exceeded);
  t.now += 1s;
  CHECK(t.send("d"));
  CHECK(t.hub.metrics().daily_message_quota_used == 1);
}

TEST_CASE("THR-04 the tier and the quota are settings with their ARM names") {
  hub::Settings settings;
  CHECK(settings.set("sku.name", "s3"));
  CHECK(settings.sku == Sku::s3);
  CHECK(settings.set("sku.capacity", "200"));
  CHECK_FALSE(settings.set("sku.capacity", "0"));
  CHECK_FALSE(settings.set("sku.name", "B1"));
  CHECK_FALSE(settings.set("dailyMessageQuota", "-1"));
}
