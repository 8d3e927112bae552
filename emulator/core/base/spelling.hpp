#pragma once
// What somebody may have meant who wrote a name that nothing has.
#include <span>
#include <string>
#include <string_view>

namespace hub {

// "; did you mean a or b?" with the nearest of `known`, at most three; empty if none is near.
// Near is: the same but for a few letters, or a part of it between dots. Case does not count.
std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> known);

}  // namespace hub
