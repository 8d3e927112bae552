#pragma once
// The body of a batched send (spec/https.md 2.2, H-41):
//   [{"body": text, "base64Encoded": bool, default true, "properties": {header name: text}}, ...]
#include "emulator/core/base/error.hpp"
#include "protocols/http/message_headers.hpp"

#include <string_view>
#include <vector>

namespace http {

// iot_hub_format_error says what is wrong with which message.
hub::Result<std::vector<SentHeaders>> parse_telemetry_batch(std::string_view body);

}  // namespace http
