#pragma once
// What a peer wrote, for the log and for error texts: AMQP strings may hold anything, and be long.
#include <cstddef>
#include <string>
#include <string_view>

#include "emulator/core/printable.hpp"

namespace amqp {

inline std::string printable(std::string_view text) {
  constexpr std::size_t bytes_max = 256;
  return hub::printable(text.substr(0, bytes_max));
}

}  // namespace amqp
