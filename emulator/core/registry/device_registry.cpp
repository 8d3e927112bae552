#include "emulator/core/registry/device_registry.hpp"

#include <algorithm>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/settings/limits.hpp"

namespace hub {

namespace {

constexpr std::size_t managed_by_chars_max = 128;
constexpr std::size_t status_reason_chars_max = 128;
constexpr std::string_view scope_scheme = "ms-azure-iot-edge://";
constexpr std::size_t scope_chars_max = 256;  // the scheme, an id, a dash, a generation

Result<void> check_key(std::string_view key) {
  const auto bytes = base64_decode(key);
  if (!bytes || bytes->size() < 16 || bytes->size() > 64) {
    return fail(HubErrc::argument_invalid, "a symmetric key must be base64 of 16 to 64 bytes");
  }
  return {};
}

// SHA-1 or SHA-256 in hex; separators as tools print them (`AB:CD`, `AB CD`) are dropped.
Result<std::string> normal_thumbprint(std::string_view text) {
  std::string hex;
  for (const char c : to_lower(text)) {
    if (c == ':' || c == ' ' || c == '-') continue;
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return fail(HubErrc::argument_invalid, "a thumbprint must be hexadecimal");
    }
    hex += static_cast<char>(c >= 'a' ? c - 32 : c);
  }
  if (!hex.empty() && hex.size() != 40 && hex.size() != 64) {
    return fail(HubErrc::argument_invalid,
                "a thumbprint must be SHA-1 (40) or SHA-256 (64 digits)");
  }
  return hex;
}

Result<void> check_texts(const DeviceSpec& spec) {
  if (spec.status_reason && spec.status_reason->size() > status_reason_chars_max) {
    return fail(HubErrc::argument_invalid, "statusReason has at most 128 characters");
  }
  if (spec.managed_by && spec.managed_by->size() > managed_by_chars_max) {
    return fail(HubErrc::argument_invalid, "managedBy has at most 128 characters");
  }
  return {};
}

// `ms-azure-iot-edge://{id}-{ticks}`
bool is_scope(std::string_view text) {
  if (!text.starts_with(scope_scheme) || text.size() > scope_chars_max) return false;
  const std::string_view id =
      text.substr(scope_scheme.size(), text.rfind('-') - scope_scheme.size());
  return text.rfind('-') > scope_scheme.size() && !text.ends_with('-') && is_valid_device_id(id);
}

std::string scope_of(const DeviceIdentity& edge) {
  return std::string(scope_scheme) + edge.id.text + "-" + edge.generation_id;
}

// What the spec says of the device above `old`, a new device or one that is known (REG-10).
Result<std::string> parent_from(const DeviceSpec& spec, const DeviceIdentity& old, bool is_new) {
  if (spec.id.is_module()) return std::string();
  const bool edge = spec.iot_edge.value_or(old.iot_edge);
  const bool own = old.iot_edge && spec.device_scope == old.device_scope;  // of its life as one
  const auto& given = spec.device_scope && !edge && !own ? spec.device_scope : spec.parent_scope;
  if (!given || given->empty() || *given == old.scope_of_parent()) {
    return given.value_or(old.scope_of_parent());
  }
  // The real hub stores what it does not know, and in a new device even what is no scope.
  if (is_scope(*given) || (is_new && given->size() <= scope_chars_max)) return *given;
  return fail(HubErrc::invalid_device_scope,
              described(spec.id) +
                  " cannot be moved under this scope: it is no deviceScope of an "
                  "edge device, such as " +
                  std::string(scope_scheme) + "edge1-637131779299315265");
}

bool is_disabled(const DeviceIdentity& device) { return device.status == DeviceStatus::disabled; }

void set_edge(DeviceIdentity& device, bool edge, std::string parent) {
  device.iot_edge = edge;
  device.device_scope = edge ? scope_of(device) : parent;
  device.parent_scope = edge ? std::move(parent) : std::string();
}

}  // namespace

Result<Authentication> DeviceRegistry::authentication_from(const DeviceSpec& spec,
                                                           const Authentication* old) {
  Authentication out = old != nullptr ? *old : Authentication{};
  for (const auto& [given, field] :
       {std::pair{&spec.primary_thumbprint, &out.primary_thumbprint},
        std::pair{&spec.secondary_thumbprint, &out.secondary_thumbprint}}) {
    if (given->empty()) continue;
    auto hex = normal_thumbprint(*given);
    if (!hex) return hex.error();
    *field = *hex;
  }
  const bool has_thumbprint = !out.primary_thumbprint.empty() || !out.secondary_thumbprint.empty();
  if (spec.authentication_type) {
    out.type = *spec.authentication_type;
  } else if (old == nullptr && has_thumbprint) {
    out.type = AuthenticationType::self_signed;  // spec/https.md 3.1
  }
  if (out.type != AuthenticationType::sas) {
    // One method per device (6.4): keys of a former life are gone.
    out.primary_key.clear();
    out.secondary_key.clear();
    return out;
  }
  out.primary_thumbprint.clear();
  out.secondary_thumbprint.clear();
  for (const auto& [given, field] : {std::pair{&spec.primary_key, &out.primary_key},
                                     std::pair{&spec.secondary_key, &out.secondary_key}}) {
    if (!given->empty()) {
      if (auto checked = check_key(*given); !checked) return checked.error();
      *field = *given;
    } else if (field->empty()) {
      *field = ids_.next_symmetric_key();
    }
  }
  return out;
}

// .NET-tick-like digits, as the real hub's; strictly increasing even within one instant (C2D-16).
std::string DeviceRegistry::next_generation_id(TimePoint now) {
  constexpr std::int64_t ticks_at_unix_epoch = 621'355'968'000'000'000;
  const auto ticks = static_cast<std::uint64_t>(ticks_at_unix_epoch + to_unix_ms(now) * 10'000);
  last_generation_ = std::max(last_generation_ + 1, ticks);
  return std::to_string(last_generation_);
}

Result<void> DeviceRegistry::check_new(const DeviceId& id) const {
  if (!is_valid_device_id(id.text) || (id.is_module() && !is_valid_device_id(id.module))) {
    return fail(HubErrc::argument_invalid,
                "the id of a device or module has 1 to 128 ASCII letters, digits and - : . + % _ # "
                "* ? ! ( ) , = @ ; $ '");
  }
  if (id.is_module() && !devices_.contains(id.text)) return get(DeviceId{id.text}).error();
  if (find(id) != nullptr) {
    return fail(
        id.is_module() ? HubErrc::module_already_exists_on_device : HubErrc::device_already_exists,
        "Conflict: " + described(id) + " is there already: an update says so by If-Match");
  }
  return {};
}

// For so many more devices, or modules of the device `id` is of.
Result<void> DeviceRegistry::check_room(const DeviceId& id, std::size_t devices,
                                        std::size_t modules) const {
  if (devices_.size() + modules_.size() + devices + modules > devices_max_) {
    return fail(HubErrc::too_many_devices,
                "a hub holds " + std::to_string(devices_max_) + " devices and modules");
  }
  if (modules != 0 && modules_of(id.text).size() + modules > Limits{}.modules_per_device_max) {
    return fail(HubErrc::too_many_modules_on_device, "a device has at most 50 modules");
  }
  return {};
}

Result<DeviceIdentity> DeviceRegistry::create(const DeviceSpec& spec, TimePoint now) {
  if (auto allowed = check_new(spec.id); !allowed) return allowed.error();
  const bool is_module = spec.id.is_module();
  const bool edge = !is_module && spec.iot_edge.value_or(false);
  const std::size_t modules = is_module ? 1 : edge ? std::size(system_modules) : 0;
  if (auto room = check_room(spec.id, is_module ? 0 : 1, modules); !room) return room.error();
  if (auto allowed = check_texts(spec); !allowed) return allowed.error();
  DeviceIdentity identity;
  auto parent = parent_from(spec, identity, true);
  if (!parent) return parent.error();
  auto authentication = authentication_from(spec, nullptr);
  if (!authentication) return authentication.error();

  identity.id = spec.id;
  identity.generation_id = next_generation_id(now);
  identity.etag = ids_.next_etag();
  identity.authentication = std::move(*authentication);
  identity.created_time = now;
  if (is_module) {
    identity.managed_by = spec.managed_by.value_or("");
    return modules_.emplace(spec.id, std::move(identity)).first->second;
  }
  identity.status = spec.status.value_or(DeviceStatus::enabled);
  identity.status_reason = spec.status_reason.value_or("");
  set_edge(identity, edge, std::move(*parent));
  disabled_count_ += is_disabled(identity);
  return devices_.emplace(spec.id.text, std::move(identity)).first->second;
}

Result<void> DeviceRegistry::check(const DeviceId& id, const IfMatch& if_match) const {
  const auto known = get(id);
  if (!known) return known.error();
  if (if_match && *if_match != "*" && *if_match != (*known)->etag) {
    return fail(
        HubErrc::precondition_failed,
        described(id) + " has another etag: get it again, and repeat with what it has, or with *");
  }
  return {};
}

Result<DeviceIdentity> DeviceRegistry::update(const DeviceSpec& spec, const IfMatch& if_match,
                                              TimePoint now) {
  if (auto may = check(spec.id, if_match); !may) return may.error();
  DeviceIdentity& identity =
      spec.id.is_module() ? modules_.find(spec.id)->second : devices_.find(spec.id.text)->second;
  if (auto allowed = check_texts(spec); !allowed) return allowed.error();
  const bool edge = !spec.id.is_module() && spec.iot_edge.value_or(identity.iot_edge);
  if (edge && !identity.iot_edge) {
    const auto missing = static_cast<std::size_t>(std::count_if(
        std::begin(system_modules), std::end(system_modules), [&](const auto& module) {
          return !modules_.contains(DeviceId{spec.id.text, std::string(module)});
        }));
    if (auto room = check_room(spec.id, 0, missing); !room) return room.error();
  }
  auto parent = parent_from(spec, identity, false);
  if (!parent) return parent.error();
  auto authentication = authentication_from(spec, &identity.authentication);
  if (!authentication) return authentication.error();

  identity.authentication = std::move(*authentication);
  identity.etag = ids_.next_etag();
  if (spec.id.is_module()) {
    if (spec.managed_by) identity.managed_by = *spec.managed_by;
    return identity;
  }
  if (spec.status && *spec.status != identity.status) {
    disabled_count_ -= is_disabled(identity);
    identity.status = *spec.status;
    disabled_count_ += is_disabled(identity);
    identity.status_updated_time = now;
  }
  if (spec.status_reason) identity.status_reason = *spec.status_reason;
  set_edge(identity, edge, std::move(*parent));
  return identity;
}

void DeviceRegistry::remove(const DeviceId& id) {
  if (id.is_module()) {
    modules_.erase(id);
    return;
  }
  const auto found = devices_.find(id.text);
  if (found == devices_.end()) return;
  for (const DeviceIdentity* module : modules_of(id.text)) modules_.erase(DeviceId{module->id});
  disabled_count_ -= is_disabled(found->second);
  devices_.erase(found);
}

const DeviceIdentity* DeviceRegistry::find(const DeviceId& id) const {
  if (id.is_module()) {
    const auto found = modules_.find(id);
    return found == modules_.end() ? nullptr : &found->second;
  }
  const auto found = devices_.find(id.text);
  return found == devices_.end() ? nullptr : &found->second;
}

Result<const DeviceIdentity*> DeviceRegistry::get(const DeviceId& id) const {
  if (const DeviceIdentity* known = find(id)) return known;
  const bool module_only = id.is_module() && devices_.contains(id.text);
  return fail(module_only ? HubErrc::module_not_found : HubErrc::device_not_found,
              described(module_only ? id : DeviceId{id.text}) +
                  " is not registered: create it first, or look at how the id is spelled");
}

Result<const DeviceIdentity*> DeviceRegistry::usable(const DeviceId& id) const {
  auto known = get(id);
  if (!known) return known;
  const DeviceIdentity& device = id.is_module() ? devices_.find(id.text)->second : **known;
  if (device.status == DeviceStatus::disabled) {
    return fail(HubErrc::device_not_found, "device " + id.text + " is disabled");
  }
  return known;
}

std::vector<const DeviceIdentity*> DeviceRegistry::modules_of(std::string_view device) const {
  std::vector<const DeviceIdentity*> out;
  const DeviceId before_all{std::string(device)};
  for (auto it = modules_.upper_bound(before_all); it != modules_.end() && it->first.text == device;
       ++it) {
    out.push_back(&it->second);
  }
  return out;
}

std::vector<const DeviceIdentity*> DeviceRegistry::list(std::string_view after,
                                                        std::size_t count) const {
  std::vector<const DeviceIdentity*> out;
  for (auto it = devices_.upper_bound(after); it != devices_.end() && out.size() < count; ++it) {
    out.push_back(&it->second);
  }
  return out;
}

void DeviceRegistry::restore(DeviceIdentity identity) {
  last_generation_ = std::max(last_generation_, std::uint64_t{std::stoull(identity.generation_id)});
  if (const DeviceId id = identity.id; id.is_module()) {
    modules_.insert_or_assign(id, std::move(identity));
  } else {
    disabled_count_ += is_disabled(identity);
    const bool fresh = devices_.emplace(id.text, std::move(identity)).second;
    HUB_ASSERT(fresh);  // a snapshot has each id once
  }
}

}  // namespace hub
