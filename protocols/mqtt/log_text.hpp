#pragma once
// What a peer sent, cut to what a log line bears.
#include <string_view>

namespace mqtt {

inline std::string_view clip(std::string_view text) { return text.substr(0, 256); }

}  // namespace mqtt
