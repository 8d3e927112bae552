#pragma once
// How the hub says no in each protocol, mapped to Error. Pure functions; `doing` says what was
// tried, e.g. "send to device d1".
#include "clients/hub_client/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace iothub {

// `error_code` is the header iothub-errorcode, `body` the answer's body; either may be empty.
Error error_from_http(int status, std::string_view error_code, std::string_view body,
                      std::string_view doing);

// `condition` e.g. "amqp:resource-limit-exceeded".
Error error_from_amqp(std::string_view condition, std::string_view description,
                      std::string_view doing);

// CONNACK return code 1..5 of MQTT 3.1.1.
Error error_from_connack(int code, std::string_view doing);

// The number of an error name, e.g. DeviceNotFound -> 404001.
std::optional<int> hub_code_of(std::string_view error_name);

// The first six-digit error number that stands alone in `text`.
std::optional<int> find_hub_code(std::string_view text);

}  // namespace iothub
