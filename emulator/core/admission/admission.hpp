#pragma once
// What the hub's tier allows: rates and the messages of a day. Off unless a tier or a quota is set.
// Source: spec/c2d.md 1.4 (THR-01..04).
#include "emulator/core/admission/throttle.hpp"
#include "emulator/core/base/error.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/settings/limits.hpp"

#include <cstdint>

namespace hub {

class Admission {
 public:
  // Neither is owned; both outlive this.
  Admission(Monitor& monitor, const Settings& settings) : monitor_(monitor), settings_(settings) {}

  // For operations that no department counts itself, as they do messages and connections.
  // throttling_exception when the minute's share is used up.
  Result<void> admit(Operation operation, std::uint64_t count, TimePoint now) HUB_EXCLUDES(in_turn);

  // ---- for departments, in a turn ---------------------------------------------------------------
  Result<void> check_rate(Operation operation, std::uint64_t count, TimePoint now)
      HUB_REQUIRES(in_turn);  // throttling_exception; counts it
  // iot_hub_quota_exceeded. The charge is for afterwards, when all else is well.
  Result<void> check_quota(std::uint64_t cost, TimePoint now) HUB_REQUIRES(in_turn);
  void charge_quota(std::uint64_t cost) HUB_REQUIRES(in_turn);

 private:
  Monitor& monitor_;
  const Settings& settings_;
  Throttle throttle_ HUB_GUARDED_BY(in_turn);
  DailyQuota quota_ HUB_GUARDED_BY(in_turn);
};

}  // namespace hub
