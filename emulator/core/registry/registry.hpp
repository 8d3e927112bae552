#pragma once
// The registry of a hub: identities of devices and modules, and the list of what departments keep
// of them. RegistryRead and RegistryWrite are the caller's check. Source: spec/c2d.md 6.1,
// spec/https.md 3.1, 3.2.
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/device_listener.hpp"
#include "emulator/core/registry/device_registry.hpp"
#include "emulator/core/registry/device_table.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace hub {

struct RegistryStatistics {
  std::size_t total_device_count = 0, enabled_device_count = 0, disabled_device_count = 0;
};

class Registry {
 public:
  // Neither is owned; both outlive this.
  Registry(Monitor& monitor, IdSource& ids, std::size_t devices_max)
      : monitor_(monitor), identities_(ids, devices_max) {}
  // Departments that keep something of devices, in the order in which they hear of it. Set once,
  // before use; not owned.
  void set_listeners(std::vector<DeviceListener*> listeners) { listeners_ = std::move(listeners); }

  // Of devices and modules alike; what a device loses when it is disabled or deleted, its modules
  // lose with it. Errors: DeviceRegistry's.
  Result<DeviceView> create(const DeviceSpec& spec, TimePoint now) HUB_EXCLUDES(in_turn);
  Result<DeviceView> update(const DeviceSpec& spec, const IfMatch& if_match, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<void> remove(const DeviceId& id, const IfMatch& if_match, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<DeviceView> get(const DeviceId& id, TimePoint now) HUB_EXCLUDES(in_turn);
  Result<std::vector<DeviceView>> modules_of(const DeviceId& device, TimePoint now)
      HUB_EXCLUDES(in_turn);
  // Devices in the order of ids, those after `after`, at most `count`.
  std::vector<DeviceView> list(std::string_view after, std::size_t count, TimePoint now)
      HUB_EXCLUDES(in_turn);
  RegistryStatistics statistics(TimePoint now) HUB_EXCLUDES(in_turn);

  // ---- for departments, in a turn ---------------------------------------------------------------
  const DeviceRegistry& identities() const HUB_REQUIRES(in_turn) { return identities_; }
  DeviceRecord* find_record(const DeviceId& id) HUB_REQUIRES(in_turn) { return table_.find(id); }
  // Of a registered device or module; null for one that is not.
  DeviceRecord* record_of(const DeviceId& id) HUB_REQUIRES(in_turn);
  // As DeviceRegistry::usable, and quicker for a device that was here before.
  Result<DeviceRecord*> usable_record(const DeviceId& id) HUB_REQUIRES(in_turn);
  const std::vector<DeviceListener*>& listeners() const { return listeners_; }
  void restore(DeviceIdentity identity) HUB_REQUIRES(in_turn);  // from a Snapshot

 private:
  DeviceView view_of(const DeviceIdentity& identity) HUB_REQUIRES(in_turn);
  void close(const DeviceId& id, CloseReason reason, TimePoint now) HUB_REQUIRES(in_turn);
  void erase(const DeviceId& id, TimePoint now) HUB_REQUIRES(in_turn);  // all but the identity
  // An edge device's own modules (MOD-19): those that are not there yet, those that are.
  void make_system_modules(const DeviceId& device, TimePoint now) HUB_REQUIRES(in_turn);
  void remove_system_modules(const DeviceId& device, TimePoint now) HUB_REQUIRES(in_turn);

  Monitor& monitor_;
  std::vector<DeviceListener*> listeners_;
  DeviceRegistry identities_ HUB_GUARDED_BY(in_turn);
  DeviceTable table_ HUB_GUARDED_BY(in_turn);
};

}  // namespace hub
