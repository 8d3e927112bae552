#include "emulator/core/base/time.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

namespace hub {

std::string to_iso8601(TimePoint t) {
  using namespace std::chrono;
  // Peers send any number for a time; its text stays within the years that .NET knows.
  constexpr TimePoint first = sys_days{year{1} / January / 1};
  constexpr TimePoint last = sys_days{year{10000} / January / 1} - milliseconds{1};
  t = std::clamp(t, first, last);
  const auto day = floor<days>(t);
  const year_month_day date{day};
  const hh_mm_ss clock{t - day};
  char out[64];
  const int size = std::snprintf(
      out, sizeof out, "%04d-%02u-%02uT%02ld:%02ld:%02ld.%03ld0000Z", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<long>(clock.hours().count()), static_cast<long>(clock.minutes().count()),
      static_cast<long>(clock.seconds().count()), static_cast<long>(clock.subseconds().count()));
  return {out, static_cast<std::size_t>(size)};
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes `count` digits and, if it is not 0, the character `then` behind them.
std::optional<int> take_number(std::string_view& text, std::size_t count, char then) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  if (then != 0) {
    if (!text.starts_with(then)) return std::nullopt;
    text.remove_prefix(1);
  }
  return value;
}

std::optional<Duration> take_fraction(std::string_view& text) {
  if (!text.starts_with('.')) return Duration{0};
  text.remove_prefix(1);
  int milliseconds = 0, digits = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    if (digits < 3) milliseconds = milliseconds * 10 + (text.front() - '0');
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 3; ++digits) milliseconds *= 10;
  return Duration{milliseconds};
}

std::optional<Duration> take_offset(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return Duration{0};
  const int sign = text.front() == '+' ? 1 : text.front() == '-' ? -1 : 0;
  if (sign == 0) return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2, ':');
  const auto minutes = hours ? take_number(text, 2, 0) : std::nullopt;
  if (!minutes || !text.empty() || *hours > 14 || *minutes > 59) return std::nullopt;
  return sign * (std::chrono::hours{*hours} + std::chrono::minutes{*minutes});
}

}  // namespace

std::optional<TimePoint> parse_iso8601(std::string_view text) {
  const auto year = take_number(text, 4, '-');
  const auto month = year ? take_number(text, 2, '-') : std::nullopt;
  const auto day = month ? take_number(text, 2, 'T') : std::nullopt;
  const auto hour = day ? take_number(text, 2, ':') : std::nullopt;
  const auto minute = hour ? take_number(text, 2, ':') : std::nullopt;
  const auto second = minute ? take_number(text, 2, 0) : std::nullopt;
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  const auto offset = fraction ? take_offset(text) : std::nullopt;
  if (!offset) return std::nullopt;

  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{*second} + *fraction - *offset;
}

// P[nD][T[nH][nM][n[.fff]S]], at least one field, in this order.
std::optional<Duration> parse_iso8601_duration(std::string_view text) {
  if (text.size() < 2 || (text[0] != 'P' && text[0] != 'p')) return std::nullopt;
  text.remove_prefix(1);
  constexpr std::int64_t limit = std::int64_t{366} * 24 * 3600 * 1000;
  std::int64_t total = 0;
  bool in_time = false;
  bool any = false;
  std::string_view units = "D";
  while (!text.empty()) {
    if ((text[0] == 'T' || text[0] == 't') && !in_time) {
      in_time = true;
      units = "HMS";
      text.remove_prefix(1);
      if (text.empty()) return std::nullopt;
      continue;
    }
    std::int64_t whole = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
    if (error != std::errc{} || whole < 0 || whole > limit) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::int64_t thousandths = 0;
    bool fraction = false;
    if (!text.empty() && (text[0] == '.' || text[0] == ',')) {
      fraction = true;
      text.remove_prefix(1);
      std::int64_t weight = 100;
      std::size_t digits = 0;
      while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
        thousandths += (text[digits] - '0') * weight;
        weight /= 10;
        ++digits;
      }
      if (digits == 0) return std::nullopt;
      text.remove_prefix(digits);
    }
    if (text.empty()) return std::nullopt;
    const char unit = static_cast<char>(text[0] & ~0x20);
    const auto at = units.find(unit);
    if (at == std::string_view::npos) return std::nullopt;
    units.remove_prefix(at + 1);
    if (fraction && unit != 'S') return std::nullopt;
    const std::int64_t ms = unit == 'D'   ? 86'400'000
                            : unit == 'H' ? 3'600'000
                            : unit == 'M' ? 60'000
                                          : 1'000;
    if (whole > limit / ms) return std::nullopt;
    total += whole * ms + thousandths;
    if (total > limit) return std::nullopt;
    text.remove_prefix(1);
    any = true;
  }
  if (!any) return std::nullopt;
  return Duration{total};
}

std::string to_iso8601_duration(Duration d) {
  const auto ms = d.count();
  const auto days = ms / 86'400'000;
  const auto rest = ms % 86'400'000;
  std::string out = "P";
  if (days > 0) out += std::to_string(days) + "D";
  if (rest > 0 || days == 0) {
    out += 'T';
    const auto hours = rest / 3'600'000;
    const auto minutes = rest % 3'600'000 / 60'000;
    const auto seconds = rest % 60'000;
    if (hours > 0) out += std::to_string(hours) + "H";
    if (minutes > 0) out += std::to_string(minutes) + "M";
    if (seconds > 0 || rest == 0) {
      out += std::to_string(seconds / 1000);
      if (seconds % 1000 != 0) {
        char fraction[8];
        std::snprintf(fraction, sizeof fraction, ".%03d", static_cast<int>(seconds % 1000));
        out += fraction;
        while (out.back() == '0') out.pop_back();
      }
      out += 'S';
    }
  }
  return out;
}

}  // namespace hub
