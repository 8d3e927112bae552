#pragma once
// Every way the hub says no. A name here is the hub's own (azure-docs troubleshoot-error-codes),
// and so is its number, which begins with the HTTP status. AMQP and MQTT map them all in one switch
// without default, so a new one compiles only when mapped. docs/errors.md shows all of it.
#include <boost/system/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hub {

enum class HubErrc : std::uint32_t {
  invalid_protocol_version = 400001,
  invalid_operation = 400003,
  argument_invalid = 400004,
  argument_null = 400005,
  iot_hub_format_error = 400006,
  bulk_registry_operation_failure = 400013,
  connection_forcefully_closed_on_new_connection = 400027,
  invalid_device_scope = 400028,
  iot_hub_unauthorized_access = 401002,
  iot_hub_unauthorized = 401003,
  iot_hub_quota_exceeded = 403002,
  device_maximum_queue_depth_exceeded = 403004,
  invalid_message_expiry_time = 403009,
  device_not_found = 404001,
  amqp_address_not_found = 404006,
  module_not_found = 404010,
  feature_not_supported = 404013,
  device_not_online = 404103,
  device_already_exists = 409001,
  link_creation_conflict = 409002,
  module_already_exists_on_device = 409301,
  precondition_failed = 412001,
  device_message_lock_lost = 412002,
  message_too_large = 413001,
  too_many_devices = 413002,
  too_many_modules_on_device = 413003,
  throttling_exception = 429001,
  server_error = 500001,
  service_unavailable = 503001,
};

// The hub's own name, e.g. "DeviceMaximumQueueDepthExceeded"; doubles as `iothub-errorcode`.
std::string_view name_of(HubErrc code);
std::span<const HubErrc> all_errors();
inline std::uint32_t number_of(HubErrc code) { return static_cast<std::uint32_t>(code); }

struct HubError {
  HubErrc code;
  std::string detail;  // for people: the cause and, where there is one, the remedy; never a secret
};

template <class T>
using Result = boost::system::result<T, HubError>;

[[noreturn]] void throw_exception_from_error(const HubError& error, const boost::source_location&);

inline HubError fail(HubErrc code, std::string detail = {}) { return {code, std::move(detail)}; }

// Our own mistakes abort, in release too; a peer's mistakes are Results.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
#define HUB_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::hub::assertion_failed(#expression, __FILE__, __LINE__))

}  // namespace hub
