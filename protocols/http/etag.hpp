#pragma once
// If-Match as six SDKs write it -> the registry's condition (H-29, spec/https.md 1.5).
#include "emulator/core/registry/device_registry.hpp"
#include "protocols/http/request.hpp"

#include <string_view>

namespace http {

// Strips `W/` and one pair of quotes.
std::string_view bare_etag(std::string_view text);

// An etag in a JSON body, where it has no quotes of its own. nullopt: empty.
hub::IfMatch to_if_match(std::string_view etag);

// If-Match of an identity route. nullopt: no header, or an empty one; the operation decides what
// that means. precondition_failed for an etag without quotes, be it the right one (H-71).
hub::Result<hub::IfMatch> read_if_match(const RequestHead& head);

}  // namespace http
