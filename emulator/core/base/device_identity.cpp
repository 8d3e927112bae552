#include "emulator/core/base/device_identity.hpp"

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/error.hpp"

#include <initializer_list>

namespace hub {

namespace {

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
    case AuthenticationType::sas:
      return "sas";
    case AuthenticationType::self_signed:
      return "selfSigned";
    case AuthenticationType::certificate_authority:
      return "certificateAuthority";
    case AuthenticationType::none:
      return "none";
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

std::string described(const DeviceId& id) {
  return id.is_module() ? "module " + id.module + " of device " + id.text : "device " + id.text;
}

}  // namespace hub
