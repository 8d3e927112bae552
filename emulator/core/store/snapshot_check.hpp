#pragma once
// Is what a store gives back a state that a hub can be in? What Hub::restore and all that follows
// take for granted is looked at here, field by field; a damaged row is refused, and aborts nobody
// (ST-17). Pure.
#include "emulator/core/store/change.hpp"

#include <optional>
#include <string>

namespace hub {

// What is wrong, with the row and the value; nullopt: nothing.
std::optional<std::string> find_damage(const Snapshot& snapshot);

}  // namespace hub
