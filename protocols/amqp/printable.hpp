#pragma once
// What a peer wrote, for the log and for error texts, which are UTF-8 on one line: AMQP strings need
// not be. Bytes that are no text, and control characters, become \xNN; cut to `bytes_max` before.
#include <cstddef>
#include <string>
#include <string_view>

namespace amqp {

std::string printable(std::string_view text, std::size_t bytes_max = 256);

}  // namespace amqp
