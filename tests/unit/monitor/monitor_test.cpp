// Turns, timers and what is staged: what every department takes for granted.
#include "emulator/core/monitor/monitor.hpp"
#include "tests/support/capturing_log.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace hub;
using namespace std::chrono_literals;

namespace {

struct Fixture final : TimerOwner {
  TimePoint now = from_unix_seconds(1'800'000'000);
  test::CapturingLog log;
  Monitor monitor{log, now, true};
  const DeviceId a{"a"}, b{"b"};
  Timer of_a{*this, Timer::Rank::queue, a};
  Timer of_b{*this, Timer::Rank::queue, b};
  Timer batch{*this, Timer::Rank::feedback_batch, a};
  std::vector<std::pair<const Timer*, TimePoint>> fired;
  std::size_t weight = 1;        // of one firing
  std::size_t stages = 0;        // that each stages
  std::optional<Duration> then;  // when it is due again; nullopt: never

  std::size_t fire(Timer& timer, TimePoint time, std::size_t most) override HUB_REQUIRES(in_turn) {
    fired.emplace_back(&timer, time);
    for (std::size_t i = 0; i < stages; ++i) monitor.stage(change::DeviceDeleted{a});
    monitor.schedule(timer, then ? std::optional(time + *then) : std::nullopt);
    return std::min(weight, most);
  }
  void schedule(Timer& timer, std::optional<TimePoint> due) {
    const Turn turn(monitor);
    monitor.schedule(timer, due);
  }
  std::vector<const Timer*> order() const {
    std::vector<const Timer*> out;
    for (const auto& [timer, time] : fired) out.push_back(timer);
    return out;
  }
};

}  // namespace

TEST_CASE("C2D-24 timers fire in the order of time, rank and device, each with its own time") {
  Fixture t;
  t.schedule(t.batch, t.now + 2s);
  t.schedule(t.of_b, t.now + 2s);
  t.schedule(t.of_a, t.now + 2s);
  t.monitor.on_time(t.now + 1s);
  CHECK(t.fired.empty());
  SUBCASE("at one instant: queues first, by device") {
    t.monitor.on_time(t.now + 5s);
    CHECK(t.order() == std::vector<const Timer*>{&t.of_a, &t.of_b, &t.batch});
    CHECK(t.fired.front().second == t.now + 2s);
  }
  SUBCASE("an earlier one goes first, whatever it is") {
    t.schedule(t.batch, t.now + 1s);
    t.schedule(t.of_a, t.now + 3s);
    t.monitor.on_time(t.now + 5s);
    CHECK(t.order() == std::vector<const Timer*>{&t.batch, &t.of_b, &t.of_a});
  }
  SUBCASE("one that is scheduled no more does not fire, nor one that is gone") {
    t.schedule(t.of_a, std::nullopt);
    {
      Timer gone(t, Timer::Rank::queue, t.a);
      t.schedule(gone, t.now);
    }
    t.monitor.on_time(t.now + 5s);
    CHECK(t.order() == std::vector<const Timer*>{&t.of_b, &t.batch});
    CHECK(t.monitor.next_deadline() == std::nullopt);
  }
}

TEST_CASE("C2D-46 a turn does a share of what is due; catch_up does all of one timer") {
  Fixture t;
  t.then = Duration(1);  // due again a millisecond later
  t.schedule(t.of_a, t.now);
  t.schedule(t.of_b, t.now);
  TimePoint later = t.now + 1s;
  { const Turn turn(t.monitor, later); }
  CHECK(t.fired.size() == 256);
  CHECK(t.monitor.next_deadline() < later);
  {
    const Turn turn(t.monitor, later);  // behind: fires nothing by itself
    CHECK(t.fired.size() == 256);
    t.monitor.catch_up(t.of_a, later);
  }
  CHECK(*t.of_a.due() > later);
  CHECK(*t.of_b.due() <= later);
  while (t.monitor.next_deadline() <= later) t.monitor.on_time(later);
  CHECK(t.fired.size() == 2002);
}

TEST_CASE("C2D-46 timers wait while the store has 1,024 changes of theirs to write") {
  Fixture t;
  t.then = Duration(1);
  t.stages = 100;
  t.weight = 0;
  t.schedule(t.of_a, t.now);
  t.monitor.on_time(t.now + 1s);
  CHECK(t.fired.size() == 11);
  CHECK(t.monitor.next_deadline() == std::nullopt);
  CHECK(t.monitor.take_changes().first.size() == 1100);
  CHECK(t.monitor.next_deadline() <= t.now + 1s);
}

TEST_CASE("N-31 a turn whose clock is behind takes the latest time that was seen") {
  Fixture t;
  TimePoint early = t.now, late = t.now + 5s;
  { const Turn turn(t.monitor, late); }
  { const Turn turn(t.monitor, early); }
  CHECK(early == late);
}

TEST_CASE("wakers fire when the turn is over, and may take one of their own") {
  Fixture t;
  int woken = 0;
  t.monitor.set_staged_waker([&] {
    ++woken;
    CHECK(t.monitor.take_changes().first.size() == 2);
  });
  {
    const Turn turn(t.monitor);
    t.monitor.stage(change::DeviceDeleted{t.a});
    t.monitor.stage(change::DeviceDeleted{t.b});
    CHECK(woken == 0);
  }
  CHECK(woken == 1);
  CHECK(t.monitor.staged() == 2);
}

TEST_CASE("the deadline waker fires when a timer is due earlier than was said") {
  Fixture t;
  int woken = 0;
  t.monitor.set_deadline_waker([&] { ++woken; });
  t.schedule(t.of_a, t.now + 10s);
  CHECK(woken == 1);
  CHECK(t.monitor.next_deadline() == t.now + 10s);
  t.schedule(t.of_b, t.now + 20s);
  CHECK(woken == 1);
  t.schedule(t.of_b, t.now + 5s);
  CHECK(woken == 2);
}

TEST_CASE("without a store nothing is staged") {
  test::CapturingLog log;
  Monitor monitor(log, from_unix_seconds(0), false);
  const Turn turn(monitor);
  monitor.stage(change::DeviceDeleted{{"a"}});
  monitor.stage<change::DeviceDeleted>(DeviceId{"a"});
  CHECK(monitor.staged() == 0);
}
