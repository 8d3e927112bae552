#include "protocols/amqp/errors.hpp"

namespace amqp {

const char* condition_of(hub::HubErrc code) {
  using hub::HubErrc;
  switch (code) {
    case HubErrc::invalid_protocol_version:
    case HubErrc::invalid_operation: return "amqp:not-allowed";
    case HubErrc::argument_invalid:
    case HubErrc::argument_null:
    case HubErrc::invalid_device_scope:
    case HubErrc::iot_hub_format_error: return "com.microsoft:argument-error";
    // No document maps 403009. Clients retry internal-error for minutes, this one they report.
    case HubErrc::invalid_message_expiry_time: return "com.microsoft:argument-out-of-range";
    case HubErrc::connection_forcefully_closed_on_new_connection:
    case HubErrc::link_creation_conflict: return "amqp:link:stolen";
    case HubErrc::iot_hub_unauthorized_access:
    case HubErrc::iot_hub_unauthorized: return "amqp:unauthorized-access";
    case HubErrc::iot_hub_quota_exceeded:
    case HubErrc::device_maximum_queue_depth_exceeded:
    case HubErrc::too_many_devices:
    case HubErrc::too_many_modules_on_device: return "amqp:resource-limit-exceeded";
    case HubErrc::device_not_found:
    case HubErrc::module_not_found:
    case HubErrc::amqp_address_not_found:
    case HubErrc::device_not_online: return "amqp:not-found";
    case HubErrc::feature_not_supported: return "amqp:not-implemented";
    case HubErrc::device_already_exists:
    case HubErrc::module_already_exists_on_device: return "com.microsoft:device-already-exists";
    case HubErrc::precondition_failed: return "com.microsoft:precondition-failed";
    case HubErrc::device_message_lock_lost: return "com.microsoft:message-lock-lost";
    case HubErrc::message_too_large: return "amqp:link:message-size-exceeded";
    case HubErrc::throttling_exception: return "com.microsoft:device-container-throttled";
    case HubErrc::bulk_registry_operation_failure:
    case HubErrc::server_error:
    case HubErrc::service_unavailable: return "amqp:internal-error";
  }
  hub::assertion_failed("unknown HubErrc", __FILE__, __LINE__);
}

WireError to_wire(const hub::HubError& error) {
  std::string text = std::string(hub::name_of(error.code)) + " (" +
                     std::to_string(hub::number_of(error.code)) + ")";
  const bool is_login = error.code == hub::HubErrc::iot_hub_unauthorized_access ||
                        error.code == hub::HubErrc::iot_hub_unauthorized;
  if (is_login) {
    text += ": no valid token or certificate on this connection covers the address";
  } else if (!error.detail.empty()) {
    text += ": " + error.detail;
  }
  return {condition_of(error.code), std::move(text)};
}

}  // namespace amqp
