#pragma once
// Time as the clients use it: durations as people write them, instants as the hub writes them.
// Deadlines run on the steady clock, so that a step of the wall clock never hangs a command.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace iothub {

using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::sys_time<std::chrono::milliseconds>;

TimePoint now();

// "30s", "100ms", "2m", "1h", "1.5s", "1h30m". nullopt when it is none of these; a bare number is
// refused, because it does not say of what.
std::optional<Duration> parse_duration(std::string_view text);

// 2026-01-31T23:59:59.123Z.
std::string format_time(TimePoint time);

// ISO 8601 in UTC with up to 9 fraction digits (cut to ms), with or without "Z". nullopt otherwise.
std::optional<TimePoint> parse_time(std::string_view text);

// A moment on the steady clock after which an operation gives up.
class Deadline {
 public:
  explicit Deadline(Duration timeout);
  Duration remaining() const;  // never negative
  bool passed() const { return remaining() == Duration::zero(); }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace iothub
