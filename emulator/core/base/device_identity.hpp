#pragma once
// A device or module as the registry knows it. A module has no status of its own: it lives and dies
// with its device, and is refused while that is disabled. Source: spec/c2d.md 6.1.
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hub {

enum class DeviceStatus : std::uint8_t { enabled, disabled };
enum class AuthenticationType : std::uint8_t { sas, self_signed, certificate_authority, none };

std::string_view to_text(DeviceStatus status);                           // enabled, disabled
std::string_view to_text(AuthenticationType type);                       // sas, selfSigned, …
std::optional<DeviceStatus> parse_device_status(std::string_view text);  // any case
std::optional<AuthenticationType> parse_authentication_type(std::string_view text);  // any case

// What an edge device has by itself (MOD-19).
inline constexpr std::string_view system_modules[] = {"$edgeAgent", "$edgeHub"};

std::string described(const DeviceId& id);  // for people: device D, module M of device D

struct Authentication {
  AuthenticationType type = AuthenticationType::sas;
  std::string primary_key;  // base64, 16..64 bytes decoded
  std::string secondary_key;
  std::string primary_thumbprint;  // hex of SHA-1 or SHA-256
  std::string secondary_thumbprint;
  bool operator==(const Authentication&) const = default;
};

struct DeviceIdentity {
  DeviceId id;
  std::string managed_by;     // module only
  std::string generation_id;  // decimal digits; new whenever the id is created again
  std::string etag;           // base64, without quotes
  DeviceStatus status = DeviceStatus::enabled;  // device only, and so what follows
  std::string status_reason;
  std::optional<TimePoint> status_updated_time;
  Authentication authentication;
  bool iot_edge = false;
  // An edge device's own, made with it; another's is that of its parent. Empty: it has none.
  std::string device_scope;
  std::string parent_scope;  // of an edge device: the scope of the edge device above it
  TimePoint created_time{};

  const std::string& scope_of_parent() const { return iot_edge ? parent_scope : device_scope; }
};

}  // namespace hub
