#pragma once
// Time in the hub: UTC in whole milliseconds. The core never reads a clock; `now` is an argument.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hub {

using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::time_point<std::chrono::system_clock, Duration>;

// Read once per event, by net and app only.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() = 0;
  // How far the machine's clock has got ahead of this one by being set (C2D-50).
  virtual Duration drift() { return Duration::zero(); }
};

constexpr std::int64_t to_unix_ms(TimePoint t) { return t.time_since_epoch().count(); }
constexpr TimePoint from_unix_ms(std::int64_t ms) { return TimePoint{Duration{ms}}; }
constexpr TimePoint from_unix_seconds(std::int64_t s) { return from_unix_ms(s * 1000); }

// `2020-07-25T14:14:25.1720000Z`: .NET round-trip form, always seven fraction digits (C2D-26,
// M-35).
std::string to_iso8601(TimePoint t);
// Back: `2020-07-25T14:14:25[.1720000][Z|+02:00]`; without an offset it is UTC, what is finer than
// a millisecond is cut off. nullopt if it is no such time.
std::optional<TimePoint> parse_iso8601(std::string_view text);
// Any ISO 8601 duration of days and below (`PT1H`, `PT0.1S`, `P2D`, `PT1H0M0S`); nullopt if it is
// none.
std::optional<Duration> parse_iso8601_duration(std::string_view text);
std::string to_iso8601_duration(Duration d);

}  // namespace hub
