#include "emulator/core/admission/throttle.hpp"

#include "emulator/core/base/error.hpp"

#include <algorithm>
#include <chrono>

namespace hub {

namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::minutes;

// One row of table 1.4: what each unit may, and what a hub may at least.
struct Rate {
  std::uint64_t per_unit;
  std::uint64_t at_least = 0;
};

constexpr std::uint64_t a_minute = 60;  // of a figure per second

Rate rate_of(Operation operation, Sku sku) {
  const bool s2 = sku == Sku::s2, s3 = sku == Sku::s3;
  switch (operation) {
    case Operation::query:
      return {s3 ? 1000u : 20u};
    case Operation::c2d_send:
    case Operation::registry:
      return {s3 ? 5000u : 100u};
    case Operation::c2d_receive:
      return {s3 ? 50'000u : 1000u};
    case Operation::d2c_send:
    case Operation::connect:
      if (s3) return {6000 * a_minute};
      if (s2) return {120 * a_minute};
      return {12 * a_minute, 100 * a_minute};
    case Operation::twin_read:
      if (s3) return {500 * a_minute};
      if (s2) return {10 * a_minute, 100 * a_minute};
      return {0, 100 * a_minute};
    case Operation::twin_update:
      if (s3) return {250 * a_minute};
      if (s2) return {5 * a_minute, 50 * a_minute};
      return {0, 50 * a_minute};
  }
  assertion_failed("unknown Operation", __FILE__, __LINE__);
}

}  // namespace

std::uint64_t per_minute(Operation operation, Sku sku, std::uint32_t units) {
  const Rate rate = rate_of(operation, sku);
  return std::max(rate.per_unit * units, rate.at_least);
}

bool Throttle::admit(Operation operation, std::uint64_t count, const Settings& settings,
                     TimePoint now) {
  if (settings.sku == Sku::none) return true;
  const std::int64_t minute = floor<minutes>(now).time_since_epoch().count();
  if (minute != minute_) {
    minute_ = minute;
    used_.fill(0);
  }
  std::uint64_t& used = used_[static_cast<std::size_t>(operation)];
  if (used + count > per_minute(operation, settings.sku, settings.sku_units)) return false;
  used += count;
  return true;
}

std::uint64_t DailyQuota::cost(std::size_t bytes, Sku sku) {
  const std::size_t meter = sku == Sku::f1 ? 512 : 4096;
  return std::max<std::uint64_t>(1, (bytes + meter - 1) / meter);
}

bool DailyQuota::allows(std::uint64_t cost, const Settings& settings, TimePoint now) {
  return settings.daily_message_quota == 0 || used(now) + cost <= settings.daily_message_quota;
}

std::uint64_t DailyQuota::used(TimePoint now) {
  const std::int64_t day = floor<days>(now).time_since_epoch().count();
  if (day != day_) {
    day_ = day;
    used_ = 0;
  }
  return used_;
}

}  // namespace hub
