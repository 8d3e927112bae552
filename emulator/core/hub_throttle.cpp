// What the tier allows: the hub's part of spec/c2d.md 1.4.
#include "emulator/core/hub_impl.hpp"

namespace hub {

Result<void> Hub::Impl::admit(Operation operation, std::uint64_t count, TimePoint now) {
  if (throttle.admit(operation, count, hub.config_.settings, now)) return {};
  ++hub.metrics_.throttled;
  return fail(
      HubErrc::throttling_exception,
      "more of this than the hub's tier allows in a minute (settings sku.name, sku.capacity)");
}

Result<void> Hub::Impl::check_quota(std::uint64_t cost, TimePoint now) {
  const bool allowed = quota.allows(cost, hub.config_.settings, now);
  hub.metrics_.daily_message_quota_used = quota.used(now);
  if (allowed) return {};
  return fail(HubErrc::iot_hub_quota_exceeded,
              "the hub's messages of today are used up (setting dailyMessageQuota)");
}

void Hub::Impl::charge_quota(std::uint64_t cost) {
  quota.charge(cost);
  hub.metrics_.daily_message_quota_used += cost;
}

Result<void> Hub::admit(Operation operation, std::uint64_t count, TimePoint now) {
  Guard guard(*this, now);
  return guard->admit(operation, count, now);
}

}  // namespace hub
