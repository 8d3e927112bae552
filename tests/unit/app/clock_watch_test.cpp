#include "emulator/app/clock_watch.hpp"

#include <doctest/doctest.h>

#include "tests/support/test_hub.hpp"
#include "tests/unit/net/net_test_support.hpp"

using namespace std::chrono_literals;

namespace {

struct SetClock : hub::Clock {
  hub::TimePoint now() override { return hub::from_unix_seconds(1'800'000'000); }
  hub::Duration drift() override { return ahead; }
  hub::Duration ahead{0};
};

}  // namespace

TEST_CASE("C2D-50 a clock that is set while the hub runs is told once, and to whom it refuses") {
  test::TestHub t;
  t.create("d");
  SetClock clock;
  net::IoThreads threads(1, clock, t.log, t.hub.metrics(), nullptr);
  app::ClockWatch watch(t.hub, clock, t.log, threads.first());
  const auto refusal = [&] {
    const auto token = hub::make_sas_token("h/devices/d", test::device_key, t.now - 1h);
    return t.hub.access().authenticate_sas(token, t.now).error().detail;
  };
  clock.ahead = 59s;  // as daemons keep clocks
  watch.look();
  CHECK(t.log.lines.empty());

  clock.ahead = -3h;
  watch.look();
  watch.look();
  REQUIRE(t.log.lines.size() == 1);
  CHECK(
      t.log.lines[0] ==
      "this machine's clock was set back by 180 minutes; the hub keeps to the time that it started "
      "with, so that new tokens may have expired for it remedy=restart the hub");
  CHECK(refusal().find("set back by 180 minutes") != std::string::npos);

  clock.ahead = 0s;
  watch.look();
  CHECK(t.log.lines.size() == 2);
  CHECK(refusal().find("set back") == std::string::npos);
}
