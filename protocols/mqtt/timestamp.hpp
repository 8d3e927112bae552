#pragma once
// The times in `$.exp` and `$.ctime`.
#include <optional>
#include <string_view>

#include "emulator/core/time.hpp"

namespace mqtt {

// `2020-07-25T14:14:25[.1720000][Z|+02:00]`; without an offset it is UTC. What is finer than a
// millisecond is cut off. nullopt if it is no such time.
std::optional<hub::TimePoint> parse_timestamp(std::string_view text);

}  // namespace mqtt
