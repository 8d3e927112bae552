#pragma once
// `iothub-expiry` as text -> time (H-34).
#include "emulator/core/time.hpp"

#include <optional>
#include <string_view>

namespace http {

// `YYYY-MM-DDThh:mm:ss[.fff...][Z|+hh:mm|-hh:mm]`; without a zone it is UTC.
std::optional<hub::TimePoint> parse_iso8601(std::string_view text);

}  // namespace http
