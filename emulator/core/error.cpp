#include "emulator/core/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace hub {

std::string_view name_of(HubErrc code) {
  switch (code) {
    case HubErrc::invalid_protocol_version: return "InvalidProtocolVersion";
    case HubErrc::invalid_operation: return "InvalidOperation";
    case HubErrc::argument_invalid: return "ArgumentInvalid";
    case HubErrc::argument_null: return "ArgumentNull";
    case HubErrc::iot_hub_format_error: return "IotHubFormatError";
    case HubErrc::bulk_registry_operation_failure: return "BulkRegistryOperationFailure";
    case HubErrc::connection_forcefully_closed_on_new_connection:
      return "ConnectionForcefullyClosedOnNewConnection";
    case HubErrc::iot_hub_unauthorized_access: return "IotHubUnauthorizedAccess";
    case HubErrc::iot_hub_unauthorized: return "IotHubUnauthorized";
    case HubErrc::iot_hub_quota_exceeded: return "IotHubQuotaExceeded";
    case HubErrc::device_maximum_queue_depth_exceeded: return "DeviceMaximumQueueDepthExceeded";
    case HubErrc::invalid_message_expiry_time: return "InvalidMessageExpiryTime";
    case HubErrc::device_not_found: return "DeviceNotFound";
    case HubErrc::module_not_found: return "ModuleNotFound";
    case HubErrc::amqp_address_not_found: return "AmqpAddressNotFound";
    case HubErrc::feature_not_supported: return "FeatureNotSupported";
    case HubErrc::device_not_online: return "DeviceNotOnline";
    case HubErrc::device_already_exists: return "DeviceAlreadyExists";
    case HubErrc::link_creation_conflict: return "LinkCreationConflict";
    case HubErrc::precondition_failed: return "PreconditionFailed";
    case HubErrc::device_message_lock_lost: return "DeviceMessageLockLost";
    case HubErrc::message_too_large: return "MessageTooLarge";
    case HubErrc::too_many_devices: return "TooManyDevices";
    case HubErrc::throttling_exception: return "ThrottlingException";
    case HubErrc::server_error: return "ServerError";
    case HubErrc::service_unavailable: return "ServiceUnavailable";
  }
  assertion_failed("unknown HubErrc", __FILE__, __LINE__);
}

void throw_exception_from_error(const HubError& error, const boost::source_location&) {
  throw std::runtime_error(std::string(name_of(error.code)) + ": " + error.detail);
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "iothub-emulator: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace hub
