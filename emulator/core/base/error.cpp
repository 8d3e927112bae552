#include "emulator/core/base/error.hpp"

#include "emulator/core/base/assertion.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

namespace hub {

namespace {

struct Named {
  HubErrc code;
  std::string_view name;
};

constexpr Named table[] = {
    {HubErrc::invalid_protocol_version, "InvalidProtocolVersion"},
    {HubErrc::invalid_operation, "InvalidOperation"},
    {HubErrc::argument_invalid, "ArgumentInvalid"},
    {HubErrc::argument_null, "ArgumentNull"},
    {HubErrc::iot_hub_format_error, "IotHubFormatError"},
    {HubErrc::bulk_registry_operation_failure, "BulkRegistryOperationFailure"},
    {HubErrc::connection_forcefully_closed_on_new_connection,
     "ConnectionForcefullyClosedOnNewConnection"},
    {HubErrc::invalid_device_scope, "InvalidDeviceScope"},
    {HubErrc::iot_hub_unauthorized_access, "IotHubUnauthorizedAccess"},
    {HubErrc::iot_hub_unauthorized, "IotHubUnauthorized"},
    {HubErrc::iot_hub_quota_exceeded, "IotHubQuotaExceeded"},
    {HubErrc::device_maximum_queue_depth_exceeded, "DeviceMaximumQueueDepthExceeded"},
    {HubErrc::invalid_message_expiry_time, "InvalidMessageExpiryTime"},
    {HubErrc::device_not_found, "DeviceNotFound"},
    {HubErrc::amqp_address_not_found, "AmqpAddressNotFound"},
    {HubErrc::module_not_found, "ModuleNotFound"},
    {HubErrc::feature_not_supported, "FeatureNotSupported"},
    {HubErrc::device_not_online, "DeviceNotOnline"},
    {HubErrc::device_already_exists, "DeviceAlreadyExists"},
    {HubErrc::link_creation_conflict, "LinkCreationConflict"},
    {HubErrc::module_already_exists_on_device, "ModuleAlreadyExistsOnDevice"},
    {HubErrc::precondition_failed, "PreconditionFailed"},
    {HubErrc::device_message_lock_lost, "DeviceMessageLockLost"},
    {HubErrc::message_too_large, "MessageTooLarge"},
    {HubErrc::too_many_devices, "TooManyDevices"},
    {HubErrc::too_many_modules_on_device, "TooManyModulesOnDevice"},
    {HubErrc::throttling_exception, "ThrottlingException"},
    {HubErrc::server_error, "ServerError"},
    {HubErrc::service_unavailable, "ServiceUnavailable"},
};

constexpr auto codes = [] {
  std::array<HubErrc, std::size(table)> all{};
  std::transform(std::begin(table), std::end(table), all.begin(),
                 [](const Named& row) { return row.code; });
  return all;
}();

void (*assertion_sink)(const char*) noexcept = [](const char* line) noexcept {
  std::fprintf(stderr, "iothub-emulator: %s\n", line);
};

}  // namespace

std::span<const HubErrc> all_errors() { return codes; }

std::string_view name_of(HubErrc code) {
  for (const Named& row : table) {
    if (row.code == code) return row.name;
  }
  assertion_failed("unknown HubErrc", __FILE__, __LINE__);
}

void throw_exception_from_error(const HubError& error, const boost::source_location&) {
  throw std::runtime_error(std::string(name_of(error.code)) + ": " + error.detail);
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "broken invariant: %s (%s:%d)", expression, file, line);
  assertion_sink(text.data());
  std::abort();
}

void set_assertion_sink(void (*sink)(const char* line) noexcept) { assertion_sink = sink; }

}  // namespace hub
