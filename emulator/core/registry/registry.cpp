#include "emulator/core/registry/registry.hpp"

#include "emulator/core/base/error.hpp"

namespace hub {

std::string_view to_text(CloseReason reason) {
  switch (reason) {
    case CloseReason::taken_over:
      return "a newer connection of the same identity took over";
    case CloseReason::device_disabled:
      return "the device was disabled";
    case CloseReason::device_deleted:
      return "the identity was deleted";
    case CloseReason::authentication_changed:
      return "the identity's authentication type changed";
  }
  assertion_failed("unknown CloseReason", __FILE__, __LINE__);
}

Result<DeviceView> Registry::create(const DeviceSpec& spec, TimePoint now) {
  const Turn turn(monitor_, now);
  auto created = identities_.create(spec, now);
  if (!created) return created.error();
  monitor_.stage(change::DevicePut{*created});
  if (created->iot_edge) make_system_modules(spec.id, now);
  return view_of(*created);
}

Result<DeviceView> Registry::update(const DeviceSpec& spec, const IfMatch& if_match,
                                    TimePoint now) {
  const Turn turn(monitor_, now);
  const DeviceIdentity* known = identities_.find(spec.id);
  const auto old_type = known == nullptr ? AuthenticationType::sas : known->authentication.type;
  const bool was_edge = known != nullptr && known->iot_edge;
  auto updated = identities_.update(spec, if_match, now);
  if (!updated) return updated.error();
  monitor_.stage(change::DevicePut{*updated});
  if (updated->iot_edge && !was_edge) make_system_modules(spec.id, now);
  if (!updated->iot_edge && was_edge) remove_system_modules(spec.id, now);
  if (updated->status == DeviceStatus::disabled) {
    close(spec.id, CloseReason::device_disabled, now);
    for (const DeviceIdentity* module : identities_.modules_of(spec.id.text)) {
      close(module->id, CloseReason::device_disabled, now);
    }
  } else if (updated->authentication.type != old_type) {
    close(spec.id, CloseReason::authentication_changed, now);
  }
  return view_of(*updated);
}

Result<void> Registry::remove(const DeviceId& id, const IfMatch& if_match, TimePoint now) {
  const Turn turn(monitor_, now);
  if (auto may = identities_.check(id, if_match); !may) return may;
  if (!id.is_module()) {
    for (const DeviceIdentity* module : identities_.modules_of(id.text)) erase(module->id, now);
  }
  erase(id, now);
  identities_.remove(id);
  return {};
}

Result<DeviceView> Registry::get(const DeviceId& id, TimePoint now) {
  const Turn turn(monitor_, now);
  const auto identity = identities_.get(id);
  if (!identity) return identity.error();
  if (DeviceRecord* record = table_.find(id)) {
    for (DeviceListener* listener : listeners_) listener->catch_up(*record, now);
  }
  return view_of(**identity);
}

Result<std::vector<DeviceView>> Registry::modules_of(const DeviceId& device, TimePoint now) {
  const Turn turn(monitor_, now);
  if (const auto known = identities_.get(device); !known) return known.error();
  std::vector<DeviceView> out;
  for (const DeviceIdentity* module : identities_.modules_of(device.text)) {
    out.push_back(view_of(*module));
  }
  return out;
}

std::vector<DeviceView> Registry::list(std::string_view after, std::size_t count, TimePoint now) {
  const Turn turn(monitor_, now);
  std::vector<DeviceView> out;
  for (const DeviceIdentity* identity : identities_.list(after, count)) {
    out.push_back(view_of(*identity));
  }
  return out;
}

RegistryStatistics Registry::statistics(TimePoint now) {
  const Turn turn(monitor_, now);
  const std::size_t disabled = identities_.disabled_count();
  return {identities_.size(), identities_.size() - disabled, disabled};
}

DeviceRecord* Registry::record_of(const DeviceId& id) {
  if (DeviceRecord* record = table_.find(id)) return record;
  const DeviceIdentity* identity = identities_.find(id);
  return identity == nullptr ? nullptr : &table_.get(*identity);
}

Result<DeviceRecord*> Registry::usable_record(const DeviceId& id) {
  if (DeviceRecord* record = table_.find(id);
      record != nullptr && !id.is_module() && record->identity.status == DeviceStatus::enabled) {
    return record;
  }
  const auto usable = identities_.usable(id);
  if (!usable) return usable.error();
  return &table_.get(**usable);
}

void Registry::restore(DeviceIdentity identity) { identities_.restore(std::move(identity)); }

DeviceView Registry::view_of(const DeviceIdentity& identity) {
  DeviceView view;
  view.identity = identity;
  if (const DeviceRecord* record = table_.find(identity.id)) {
    for (const DeviceListener* listener : listeners_) listener->describe(*record, view);
  }
  return view;
}

void Registry::close(const DeviceId& id, CloseReason reason, TimePoint now) {
  DeviceRecord* record = table_.find(id);
  if (record == nullptr) return;
  for (DeviceListener* listener : listeners_) listener->device_closed(*record, reason, now);
}

void Registry::erase(const DeviceId& id, TimePoint now) {
  DeviceRecord* record = table_.find(id);
  for (DeviceListener* listener : listeners_) listener->device_deleted(id, record, now);
  table_.erase(id);
  monitor_.stage(change::DeviceDeleted{id});
}

void Registry::make_system_modules(const DeviceId& device, TimePoint now) {
  for (const std::string_view module : system_modules) {
    DeviceSpec spec;
    spec.id = {device.text, std::string(module)};
    if (identities_.find(spec.id) != nullptr) continue;
    const auto made = identities_.create(spec, now);
    HUB_ASSERT(made);  // the registry saw to the room
    monitor_.stage(change::DevicePut{*made});
  }
}

void Registry::remove_system_modules(const DeviceId& device, TimePoint now) {
  for (const std::string_view module : system_modules) {
    const DeviceId id{device.text, std::string(module)};
    if (identities_.find(id) == nullptr) continue;
    erase(id, now);
    identities_.remove(id);
  }
}

}  // namespace hub
