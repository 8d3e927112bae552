#pragma once
// If-Match as six SDKs write it -> the registry's condition (H-29, spec/https.md 1.5).
#include "emulator/core/device_registry.hpp"

#include <optional>
#include <string_view>

namespace http {

// Strips `W/` and one pair of quotes.
std::string_view bare_etag(std::string_view text);

// nullopt: no header, or an empty one; the operation decides what that means.
hub::IfMatch normalise_if_match(std::optional<std::string_view> header);

}  // namespace http
