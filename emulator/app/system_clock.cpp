#include "emulator/app/system_clock.hpp"

#include <ctime>

namespace app {
namespace {

std::int64_t read_ms(clockid_t id) {
  timespec time{};
  ::clock_gettime(id, &time);
  return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

// What the wall clock has before the one that counts from the machine's start.
std::int64_t wall_ahead_ms() { return read_ms(CLOCK_REALTIME) - read_ms(CLOCK_BOOTTIME); }

}  // namespace

SystemClock::SystemClock() : start_ms_(wall_ahead_ms()) {}

hub::TimePoint SystemClock::now() {
  return hub::from_unix_ms(start_ms_ + read_ms(CLOCK_BOOTTIME) +
                           offset_ms_.load(std::memory_order_relaxed));
}

hub::Duration SystemClock::drift() { return hub::Duration{wall_ahead_ms() - start_ms_}; }

}  // namespace app
