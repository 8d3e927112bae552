#pragma once
// Identities of devices and of their modules: create, get, update by etag, delete, enable, disable.
// A module has no status of its own: it lives and dies with its device, and is refused while that
// is disabled. Pure. Source: spec/c2d.md 6.1, spec/https.md 3.1, 3.2.
#include "emulator/core/base/device_identity.hpp"
#include "emulator/core/base/error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

// What a caller of create or update gives; what is absent is generated or kept.
struct DeviceSpec {
  DeviceId id;
  std::optional<std::string> managed_by;
  std::optional<DeviceStatus> status;
  std::optional<std::string> status_reason;
  std::optional<AuthenticationType> authentication_type;
  std::string primary_key, secondary_key;  // empty: generate (create), keep (update)
  std::string primary_thumbprint, secondary_thumbprint;
  std::optional<bool> iot_edge;
  // Under which edge device it is: an edge device is told by `parent_scope`, another by either one,
  // and `device_scope` goes first (REG-10). Empty: under none.
  std::optional<std::string> device_scope, parent_scope;
};

// `etag` of a condition: nullopt or "*" is unconditional. Quotes and W/ are already stripped.
using IfMatch = std::optional<std::string>;

class DeviceRegistry {
 public:
  explicit DeviceRegistry(IdSource& ids, std::size_t devices_max = 1'000'000)
      : ids_(ids), devices_max_(devices_max) {}

  // device_already_exists, module_already_exists_on_device; argument_invalid for a bad id, key or
  // thumbprint; too_many_devices, too_many_modules_on_device; device_not_found for its module;
  // invalid_device_scope. An edge device needs room for its system modules, which the caller makes.
  Result<DeviceIdentity> create(const DeviceSpec& spec, TimePoint now);
  // device_not_found, module_not_found; precondition_failed on another etag; else as create().
  Result<DeviceIdentity> update(const DeviceSpec& spec, const IfMatch& if_match, TimePoint now);
  // check()ed: what refers to the identity must go before it. A device goes with its modules.
  void remove(const DeviceId& id);
  // Why an update or a removal would be refused: device_not_found, module_not_found,
  // precondition_failed.
  Result<void> check(const DeviceId& id, const IfMatch& if_match) const;

  const DeviceIdentity* find(const DeviceId& id) const;  // stable until removed
  // As find, but says what is missing: device_not_found, module_not_found.
  Result<const DeviceIdentity*> get(const DeviceId& id) const;
  // As get, and device_not_found too if the device is disabled.
  Result<const DeviceIdentity*> usable(const DeviceId& id) const;
  // In the order of ids, those after `after`, at most `count`.
  std::vector<const DeviceIdentity*> list(std::string_view after, std::size_t count) const;
  std::vector<const DeviceIdentity*> modules_of(std::string_view device) const;  // by id
  std::size_t size() const { return devices_.size(); }                           // devices
  // Kept, not made by counting: it is asked for with the hub's lock held.
  std::size_t disabled_count() const { return disabled_count_; }

  void restore(DeviceIdentity identity);  // from a Snapshot

 private:
  Result<void> check_new(const DeviceId& id) const;
  Result<void> check_room(const DeviceId& id, std::size_t devices, std::size_t modules) const;
  Result<Authentication> authentication_from(const DeviceSpec& spec, const Authentication* old);
  std::string next_generation_id(TimePoint now);

  IdSource& ids_;
  const std::size_t devices_max_;
  std::map<std::string, DeviceIdentity, std::less<>> devices_;
  std::map<DeviceId, DeviceIdentity> modules_;
  std::size_t disabled_count_ = 0;
  std::uint64_t last_generation_ = 0;
};

}  // namespace hub
