#include "emulator/core/admission/admission.hpp"

namespace hub {

Result<void> Admission::admit(Operation operation, std::uint64_t count, TimePoint now) {
  const Turn turn(monitor_, now);
  return check_rate(operation, count, now);
}

Result<void> Admission::check_rate(Operation operation, std::uint64_t count, TimePoint now) {
  if (throttle_.admit(operation, count, settings_, now)) return {};
  ++monitor_.metrics().throttled;
  return fail(
      HubErrc::throttling_exception,
      "more of this than the hub's tier allows in a minute (settings sku.name, sku.capacity)");
}

Result<void> Admission::check_quota(std::uint64_t cost, TimePoint now) {
  const bool allowed = quota_.allows(cost, settings_, now);
  monitor_.metrics().daily_message_quota_used = quota_.used(now);
  if (allowed) return {};
  return fail(HubErrc::iot_hub_quota_exceeded,
              "the hub's messages of today are used up (setting dailyMessageQuota)");
}

void Admission::charge_quota(std::uint64_t cost) {
  quota_.charge(cost);
  monitor_.metrics().daily_message_quota_used += cost;
}

}  // namespace hub
