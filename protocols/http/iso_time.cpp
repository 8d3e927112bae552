#include "protocols/http/iso_time.hpp"

#include <chrono>
#include <cstddef>

namespace http {

namespace {

// Exactly `digits` decimal digits, then `text` starts behind them.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

hub::Duration take_fraction(std::string_view& text) {
  int thousandths = 0, weight = 100;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    thousandths += (text.front() - '0') * weight;
    weight /= 10;
    text.remove_prefix(1);
  }
  return hub::Duration{thousandths};
}

}  // namespace

std::optional<hub::TimePoint> parse_iso8601(std::string_view text) {
  using namespace std::chrono;
  const auto year_number = take_number(text, 4);
  if (!year_number || !take(text, '-')) return std::nullopt;
  const auto month_number = take_number(text, 2);
  if (!month_number || !take(text, '-')) return std::nullopt;
  const auto day_number = take_number(text, 2);
  if (!day_number || !(take(text, 'T') || take(text, 't'))) return std::nullopt;
  const auto hour_number = take_number(text, 2);
  if (!hour_number || !take(text, ':')) return std::nullopt;
  const auto minute_number = take_number(text, 2);
  if (!minute_number || !take(text, ':')) return std::nullopt;
  const auto second_number = take_number(text, 2);
  const year_month_day date{year{*year_number}, month{static_cast<unsigned>(*month_number)},
                            day{static_cast<unsigned>(*day_number)}};
  if (!second_number || !date.ok() || *hour_number > 23 || *minute_number > 59 ||
      *second_number > 60) {
    return std::nullopt;
  }
  hub::TimePoint time =
      sys_days{date} + hours{*hour_number} + minutes{*minute_number} + seconds{*second_number};
  if (take(text, '.')) time += take_fraction(text);
  if (text.empty()) return time;
  if (take(text, 'Z') || take(text, 'z')) return text.empty() ? std::optional{time} : std::nullopt;

  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  const auto zone_hours = take_number(text, 2);
  if (!zone_hours || !take(text, ':')) return std::nullopt;
  const auto zone_minutes = take_number(text, 2);
  if (!zone_minutes || !text.empty()) return std::nullopt;
  const hub::Duration zone = hours{*zone_hours} + minutes{*zone_minutes};
  return east ? time - zone : time + zone;
}

}  // namespace http
