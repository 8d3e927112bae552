#include "protocols/mqtt/errors.hpp"

namespace mqtt {

ConnectReturn connect_return_of(hub::HubErrc code) {
  using hub::HubErrc;
  switch (code) {
    case HubErrc::argument_invalid:
    case HubErrc::argument_null:
    case HubErrc::iot_hub_format_error:
    case HubErrc::iot_hub_unauthorized_access:
    case HubErrc::iot_hub_unauthorized:
    case HubErrc::device_not_found:
    case HubErrc::module_not_found:
    case HubErrc::feature_not_supported:
      return ConnectReturn::not_authorized;
    case HubErrc::invalid_protocol_version:
      return ConnectReturn::unacceptable_protocol_version;
    case HubErrc::invalid_operation:
    case HubErrc::bulk_registry_operation_failure:
    case HubErrc::invalid_device_scope:
    case HubErrc::connection_forcefully_closed_on_new_connection:
    case HubErrc::iot_hub_quota_exceeded:
    case HubErrc::device_maximum_queue_depth_exceeded:
    case HubErrc::invalid_message_expiry_time:
    case HubErrc::amqp_address_not_found:
    case HubErrc::device_not_online:
    case HubErrc::device_already_exists:
    case HubErrc::link_creation_conflict:
    case HubErrc::module_already_exists_on_device:
    case HubErrc::precondition_failed:
    case HubErrc::device_message_lock_lost:
    case HubErrc::message_too_large:
    case HubErrc::too_many_devices:
    case HubErrc::too_many_modules_on_device:
    case HubErrc::throttling_exception:
    case HubErrc::server_error:
    case HubErrc::service_unavailable:
      return ConnectReturn::server_unavailable;
  }
  hub::assertion_failed("unknown HubErrc", __FILE__, __LINE__);
}

}  // namespace mqtt
