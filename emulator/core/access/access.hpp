#pragma once
// Who is calling, and may they? Tokens, certificates and policies against what the registry says.
// Source: spec/c2d.md 6.2..6.5.
#include "emulator/core/access/auth.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/registry.hpp"
#include "emulator/core/settings/limits.hpp"

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

class Access {
 public:
  // Nothing is owned, and all outlives this.
  Access(Monitor& monitor, Registry& registry, const Settings& settings,
         const std::vector<SharedAccessPolicy>& policies)
      : monitor_(monitor), registry_(registry), settings_(settings), policies_(policies) {}

  // Checks signature, expiry, and that a device or module of its own key exists, is enabled and
  // uses keys.
  // iot_hub_unauthorized_access with a reason for the log; tell the peer no more than the wire
  // documents do. Any host text in sr is accepted (M-04).
  Result<Principal> authenticate_sas(std::string_view token, TimePoint now) HUB_EXCLUDES(in_turn);
  Result<Principal> authenticate_certificate(const DeviceId& device, const ClientCertificate& cert,
                                             TimePoint now) HUB_EXCLUDES(in_turn);
  // May `principal` use the device endpoints of `device`, or of a module? Needs DeviceConnect,
  // scope and, for an own token, the very same id and generation; the identity must exist and be
  // enabled. Returns the identity it was granted for.
  Result<DeviceIdentity> authorize_device(const Principal& principal, const DeviceId& device,
                                          TimePoint now) HUB_EXCLUDES(in_turn);
  // May it use a service operation? `resource`: path segments, for narrowed policy tokens.
  Result<void> authorize_service(const Principal& principal, Right right,
                                 const std::vector<std::string>& resource, TimePoint now)
      HUB_EXCLUDES(in_turn);

  // How far the machine's clock is ahead of the hub's, which does not follow it (C2D-40): the
  // answer to a token that has expired says so. Any thread.
  void note_clock_drift(Duration ahead) { clock_drift_.store(ahead, std::memory_order_relaxed); }

 private:
  HubError refuse(std::string why);  // iot_hub_unauthorized_access, counted
  Result<void> check_expiry(TimePoint expires_at, Duration grace, TimePoint now) const;
  Result<void> verify_own_token(Principal& principal, const SasToken& token, const DeviceId& id,
                                TimePoint now) HUB_EXCLUDES(in_turn);
  // Is a device's or module's own proof still good for `whom`, whom the caller found usable?
  Result<void> check_own(const Principal& principal, const DeviceId& whom) const
      HUB_REQUIRES(in_turn);

  Monitor& monitor_;
  Registry& registry_;
  const Settings& settings_;
  const std::vector<SharedAccessPolicy>& policies_;
  std::atomic<Duration> clock_drift_{Duration::zero()};
};

}  // namespace hub
