#pragma once
// Telemetry as HTTP: one message is its body and headers, a batch is one JSON array.
#include "clients/hub_client/message.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace iothub {

std::vector<std::pair<std::string, std::string>> telemetry_headers(const Message& message);

// [{"body": base64, "base64Encoded": true, "properties": {header: value}}, ...]. Error
// invalid_argument for a property that is not UTF-8, which JSON cannot carry.
std::string to_http_batch(std::span<const Message> messages);

}  // namespace iothub
