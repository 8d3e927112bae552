#include "protocols/amqp/errors.hpp"

#include "emulator/core/base/printable.hpp"

namespace amqp {

const char* condition_of(hub::HubErrc code) {
  using hub::HubErrc;
  switch (code) {
    case HubErrc::invalid_protocol_version:
    case HubErrc::invalid_operation:
      return "amqp:not-allowed";
    case HubErrc::argument_invalid:
    case HubErrc::argument_null:
    case HubErrc::invalid_device_scope:
    case HubErrc::iot_hub_format_error:
      return "com.microsoft:argument-error";
    // No document maps 403009. Clients retry internal-error for minutes, this one they report.
    case HubErrc::invalid_message_expiry_time:
      return "com.microsoft:argument-out-of-range";
    case HubErrc::connection_forcefully_closed_on_new_connection:
    case HubErrc::link_creation_conflict:
      return "amqp:link:stolen";
    case HubErrc::iot_hub_unauthorized_access:
    case HubErrc::iot_hub_unauthorized:
      return "amqp:unauthorized-access";
    case HubErrc::iot_hub_quota_exceeded:
    case HubErrc::device_maximum_queue_depth_exceeded:
    case HubErrc::too_many_devices:
    case HubErrc::too_many_modules_on_device:
      return "amqp:resource-limit-exceeded";
    case HubErrc::device_not_found:
    case HubErrc::module_not_found:
    case HubErrc::amqp_address_not_found:
    case HubErrc::device_not_online:
      return "amqp:not-found";
    case HubErrc::feature_not_supported:
      return "amqp:not-implemented";
    case HubErrc::device_already_exists:
    case HubErrc::module_already_exists_on_device:
      return "com.microsoft:device-already-exists";
    case HubErrc::precondition_failed:
      return "com.microsoft:precondition-failed";
    case HubErrc::device_message_lock_lost:
      return "com.microsoft:message-lock-lost";
    case HubErrc::message_too_large:
      return "amqp:link:message-size-exceeded";
    case HubErrc::throttling_exception:
      return "com.microsoft:device-container-throttled";
    case HubErrc::bulk_registry_operation_failure:
    case HubErrc::server_error:
    case HubErrc::service_unavailable:
      return "amqp:internal-error";
  }
  hub::assertion_failed("unknown HubErrc", __FILE__, __LINE__);
}

std::string_view remedy_of(hub::HubErrc code) {
  using hub::HubErrc;
  switch (code) {
    case HubErrc::iot_hub_unauthorized_access:
    case HubErrc::iot_hub_unauthorized:
      return "put a valid token for it on the connection first ($cbs, or SASL PLAIN), or log in "
             "with the certificate that it is registered with";
    case HubErrc::device_not_found:
    case HubErrc::module_not_found:
      return "create the identity, or correct its id";
    case HubErrc::device_not_online:
      return "connect the device first";
    case HubErrc::amqp_address_not_found:
      return "devices have devices/{id}/messages/events, devices/{id}/messages/devicebound, "
             "devices/{id}/twin and devices/{id}/methods/devicebound; services have "
             "messages/devicebound and messages/serviceBound/feedback";
    case HubErrc::feature_not_supported:
      return "leave it out: this hub does not have it";
    case HubErrc::invalid_protocol_version:
    case HubErrc::invalid_operation:
      return "devices send to messages/events and receive from messages/devicebound; services send "
             "to messages/devicebound with `to` /devices/{id}/messages/devicebound";
    case HubErrc::argument_invalid:
    case HubErrc::argument_null:
    case HubErrc::invalid_device_scope:
    case HubErrc::iot_hub_format_error:
    case HubErrc::invalid_message_expiry_time:
      return "correct what the reason names in the message";
    case HubErrc::connection_forcefully_closed_on_new_connection:
    case HubErrc::link_creation_conflict:
      return "keep one connection and one receiver of cloud-to-device messages for a device";
    case HubErrc::iot_hub_quota_exceeded:
      return "use less of it; the messages of a day are the setting dailyMessageQuota";
    case HubErrc::too_many_devices:
    case HubErrc::too_many_modules_on_device:
      return "delete what is no longer needed";
    case HubErrc::device_maximum_queue_depth_exceeded:
      return "let the device receive and complete messages, or purge its queue";
    case HubErrc::device_already_exists:
    case HubErrc::module_already_exists_on_device:
      return "use the identity that is there, or another id";
    case HubErrc::precondition_failed:
      return "read the identity again and use its etag";
    case HubErrc::device_message_lock_lost:
      return "settle a message before its lock times out; it is delivered again";
    case HubErrc::message_too_large:
      return "send less: at most 262144 bytes of telemetry, 65536 to a device";
    case HubErrc::throttling_exception:
      return "send more slowly, or try again later";
    case HubErrc::bulk_registry_operation_failure:
    case HubErrc::server_error:
    case HubErrc::service_unavailable:
      return "try again; the lines before this one may say more";
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
    text += ": " + hub::printable(hub::shown(error.detail));
  }
  return {condition_of(error.code), std::move(text)};
}

}  // namespace amqp
