#include "clients/hub_client/time.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace iothub {
namespace {

// Longer waits than this are mistakes, and would overflow the steady clock's arithmetic.
constexpr double kMaxMs = 1000.0 * 3600 * 24 * 366 * 10;

double unit_ms(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m" || unit == "min") return 60'000;
  if (unit == "h") return 3'600'000;
  if (unit == "d") return 86'400'000;
  return 0;
}

// Reads exactly `digits` digits at `pos` and moves it; -1 when they are not there.
int take_number(std::string_view text, std::size_t& pos, std::size_t digits) {
  if (pos + digits > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = text[pos + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  pos += digits;
  return value;
}

bool take(std::string_view text, std::size_t& pos, char expected) {
  if (pos >= text.size() || text[pos] != expected) return false;
  ++pos;
  return true;
}

}  // namespace

TimePoint now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (read.ec != std::errc{} || std::signbit(number)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    std::size_t length = 0;
    while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') ++length;
    const double unit = unit_ms(text.substr(0, length));
    if (unit == 0) return std::nullopt;
    text.remove_prefix(length);
    total += number * unit;
    if (!(total <= kMaxMs)) return std::nullopt;
  }
  return Duration{std::llround(total)};
}

std::string format_time(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[48];
  std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::optional<TimePoint> parse_time(std::string_view text) {
  std::size_t pos = 0;
  const int year = take_number(text, pos, 4);
  if (year < 0 || !take(text, pos, '-')) return std::nullopt;
  const int month = take_number(text, pos, 2);
  if (month < 0 || !take(text, pos, '-')) return std::nullopt;
  const int day = take_number(text, pos, 2);
  if (day < 0 || !take(text, pos, 'T')) return std::nullopt;
  const int hour = take_number(text, pos, 2);
  if (hour < 0 || hour > 23 || !take(text, pos, ':')) return std::nullopt;
  const int minute = take_number(text, pos, 2);
  if (minute < 0 || minute > 59 || !take(text, pos, ':')) return std::nullopt;
  const int second = take_number(text, pos, 2);
  if (second < 0 || second > 60) return std::nullopt;
  int ms = 0;
  if (take(text, pos, '.')) {
    int weight = 100;
    const std::size_t first = pos;
    for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, weight /= 10) {
      ms += (text[pos] - '0') * weight;
    }
    if (pos == first || pos - first > 9) return std::nullopt;
  }
  if (pos < text.size() && !(text.substr(pos) == "Z" || text.substr(pos) == "+00:00")) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return TimePoint{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
         std::chrono::minutes{minute} + std::chrono::seconds{second} +
         std::chrono::milliseconds{ms};
}

Deadline::Deadline(Duration timeout) : end_(std::chrono::steady_clock::now() + timeout) {}

Duration Deadline::remaining() const {
  const auto left = end_ - std::chrono::steady_clock::now();
  if (left <= left.zero()) return Duration::zero();
  return std::chrono::ceil<Duration>(left);
}

}  // namespace iothub
