// Telemetry without a hub.
#include "emulator/core/events/events.hpp"
#include "tests/support/department.hpp"

#include <doctest/doctest.h>

using namespace hub;

namespace {

struct Fixture : test::Ground {
  Connections connections{monitor, registry, admission};
  Events events{monitor, registry, connections, admission, settings, limits};
  explicit Fixture(Settings given = {}) : Ground(given) { registry.set_listeners({&connections}); }

  std::shared_ptr<TelemetryMessage> from(const DeviceId& device, std::string body = "x") {
    auto message = std::make_shared<TelemetryMessage>();
    message->origin = *events.origin_of(device, "{}", "", now);
    message->content.body = std::move(body);
    return message;
  }
};

}  // namespace

TEST_CASE("D2C-01 what is accepted is stamped, staged and read again") {
  Settings settings;
  settings.partition_count = 1;
  Fixture t(settings);
  t.create("d");
  REQUIRE(t.events.send(t.from({"d"}, "one"), t.now));
  REQUIRE(t.events.send(t.from({"d"}, "two"), t.now));
  CHECK(t.staged<change::EventAppended>().size() == 2);
  const auto read = t.events.read(0, 1, 10);
  REQUIRE(read.size() == 1);
  CHECK(read[0]->content.body == "two");
  CHECK(read[0]->enqueued_time == t.now);
}

TEST_CASE("D2C-01 a batch is taken or refused as a whole") {
  Fixture t;
  t.create("d");
  const std::string half(t.limits.d2c_message_bytes_max / 2 + 1, 'x');
  const std::vector batch = {t.from({"d"}, half), t.from({"d"}, half)};
  CHECK(t.events.send(batch, t.now).error().code == HubErrc::message_too_large);
  CHECK(t.staged<change::EventAppended>().empty());
}

TEST_CASE("D2C-01 an origin of a former life sends nothing") {
  Fixture t;
  t.create("d");
  const auto old = t.from({"d"});
  REQUIRE(t.registry.remove({"d"}, "*", t.now));
  CHECK(t.events.send(old, t.now).error().code == HubErrc::device_not_found);
  t.create("d");
  CHECK(t.events.send(old, t.now).error().code == HubErrc::device_not_found);
  CHECK(t.events.send(t.from({"d"}), t.now));
}

TEST_CASE("telemetry is activity of a device that is connected") {
  Fixture t;
  t.create("d");
  REQUIRE(t.events.send(t.from({"d"}), t.now));
  CHECK(!t.registry.get({"d"}, t.now)->last_activity_time);
  const Presence presence = *t.connections.connect({"d"}, Transport::mqtt, {}, t.now);
  REQUIRE(t.events.send(t.from({"d"}), t.now += std::chrono::seconds(5)));
  CHECK(t.registry.get({"d"}, t.now)->last_activity_time == t.now);
}
