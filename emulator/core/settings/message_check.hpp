#pragma once
// What holds for messages in both directions.
#include "emulator/core/base/message.hpp"
#include "emulator/core/settings/limits.hpp"

namespace hub {

// argument_invalid for too many application properties: small ones hold many times their own bytes.
Result<void> check_property_count(const MessageContent& content, const Limits& limits);

}  // namespace hub
