#include "emulator/core/device_registry.hpp"

#include <algorithm>

#include "emulator/core/encoding.hpp"

namespace hub {

namespace {

constexpr std::size_t status_reason_chars_max = 128;

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
    return fail(HubErrc::argument_invalid, "a thumbprint must be SHA-1 (40) or SHA-256 (64 digits)");
  }
  return hex;
}

template <class Enum>
std::optional<Enum> parse_enum(std::string_view text, std::initializer_list<Enum> all) {
  for (const Enum value : all) {
    if (iequals(text, to_text(value))) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(DeviceStatus status) {
  return status == DeviceStatus::enabled ? "enabled" : "disabled";
}

std::string_view to_text(AuthenticationType type) {
  switch (type) {
    case AuthenticationType::sas: return "sas";
    case AuthenticationType::self_signed: return "selfSigned";
    case AuthenticationType::certificate_authority: return "certificateAuthority";
    case AuthenticationType::none: return "none";
  }
  assertion_failed("unknown AuthenticationType", __FILE__, __LINE__);
}

std::optional<DeviceStatus> parse_device_status(std::string_view text) {
  return parse_enum(text, {DeviceStatus::enabled, DeviceStatus::disabled});
}

std::optional<AuthenticationType> parse_authentication_type(std::string_view text) {
  return parse_enum(text, {AuthenticationType::sas, AuthenticationType::self_signed,
                           AuthenticationType::certificate_authority, AuthenticationType::none});
}

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

Result<DeviceIdentity> DeviceRegistry::create(const DeviceSpec& spec, TimePoint now) {
  if (!is_valid_device_id(spec.id.text)) {
    return fail(HubErrc::argument_invalid,
                "a device id has 1 to 128 ASCII letters, digits and - : . + % _ # * ? ! ( ) , = @ "
                "; $ '");
  }
  if (devices_.contains(spec.id.text)) {
    return fail(HubErrc::device_already_exists, "Conflict: device " + spec.id.text);
  }
  if (devices_.size() >= devices_max_) {
    return fail(HubErrc::too_many_devices, "a hub holds " + std::to_string(devices_max_) + " devices");
  }
  if (spec.status_reason && spec.status_reason->size() > status_reason_chars_max) {
    return fail(HubErrc::argument_invalid, "statusReason has at most 128 characters");
  }
  auto authentication = authentication_from(spec, nullptr);
  if (!authentication) return authentication.error();

  DeviceIdentity identity;
  identity.id = spec.id;
  identity.generation_id = next_generation_id(now);
  identity.etag = ids_.next_etag();
  identity.status = spec.status.value_or(DeviceStatus::enabled);
  identity.status_reason = spec.status_reason.value_or("");
  identity.authentication = std::move(*authentication);
  identity.iot_edge = spec.iot_edge.value_or(false);
  identity.device_scope = spec.device_scope;
  identity.created_time = now;
  return devices_.emplace(spec.id.text, std::move(identity)).first->second;
}

Result<DeviceIdentity> DeviceRegistry::update(const DeviceSpec& spec, const IfMatch& if_match,
                                              TimePoint now) {
  const auto found = devices_.find(spec.id.text);
  if (found == devices_.end()) {
    return fail(HubErrc::device_not_found, "device " + spec.id.text + " is not registered");
  }
  DeviceIdentity& identity = found->second;
  if (if_match && *if_match != "*" && *if_match != identity.etag) {
    return fail(HubErrc::precondition_failed, "the device identity has another etag");
  }
  if (spec.status_reason && spec.status_reason->size() > status_reason_chars_max) {
    return fail(HubErrc::argument_invalid, "statusReason has at most 128 characters");
  }
  auto authentication = authentication_from(spec, &identity.authentication);
  if (!authentication) return authentication.error();

  identity.authentication = std::move(*authentication);
  if (spec.status && *spec.status != identity.status) {
    identity.status = *spec.status;
    identity.status_updated_time = now;
  }
  if (spec.status_reason) identity.status_reason = *spec.status_reason;
  if (spec.iot_edge) identity.iot_edge = *spec.iot_edge;
  if (!spec.device_scope.empty()) identity.device_scope = spec.device_scope;
  identity.etag = ids_.next_etag();
  return identity;
}

Result<DeviceIdentity> DeviceRegistry::remove(const DeviceId& id, const IfMatch& if_match) {
  const auto found = devices_.find(id.text);
  if (found == devices_.end()) {
    return fail(HubErrc::device_not_found, "device " + id.text + " is not registered");
  }
  if (if_match && *if_match != "*" && *if_match != found->second.etag) {
    return fail(HubErrc::precondition_failed, "the device identity has another etag");
  }
  DeviceIdentity removed = std::move(found->second);
  devices_.erase(found);
  return removed;
}

const DeviceIdentity* DeviceRegistry::find(std::string_view id) const {
  const auto found = devices_.find(id);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<const DeviceIdentity*> DeviceRegistry::list(std::string_view after,
                                                        std::size_t count) const {
  std::vector<const DeviceIdentity*> out;
  for (auto it = devices_.upper_bound(after); it != devices_.end() && out.size() < count; ++it) {
    out.push_back(&it->second);
  }
  return out;
}

std::size_t DeviceRegistry::disabled_count() const {
  return static_cast<std::size_t>(std::count_if(
      devices_.begin(), devices_.end(),
      [](const auto& entry) { return entry.second.status == DeviceStatus::disabled; }));
}

void DeviceRegistry::restore(DeviceIdentity identity) {
  last_generation_ =
      std::max(last_generation_, std::uint64_t{std::stoull(identity.generation_id)});
  auto id = identity.id.text;
  devices_.insert_or_assign(std::move(id), std::move(identity));
}

}  // namespace hub
