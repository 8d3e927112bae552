#pragma once
// Application properties as one blob, binary-safe and in the sender's order:
//   properties = *( name value )
//   name  = length *OCTET           ; length: 4 bytes, little-endian
//   value = name / %xFFFFFFFF        ; null
#include "emulator/core/base/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace storage {

std::string encode_properties(const std::vector<hub::Property>& properties);
// nullopt: not what encode_properties writes.
std::optional<std::vector<hub::Property>> decode_properties(std::string_view bytes);

}  // namespace storage
