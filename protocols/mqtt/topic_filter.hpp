#pragma once
// Topic names and topic filters as MQTT 3.1.1 section 4.7 has them; nothing of the hub.
#include <string_view>

namespace mqtt {

bool has_wildcard(std::string_view topic);

// Not empty; `#` only alone in the last level, `+` only alone in its level.
bool is_valid_filter(std::string_view filter);

// A wildcard in the first level matches no topic that starts with `$`.
bool matches(std::string_view filter, std::string_view topic);

}  // namespace mqtt
