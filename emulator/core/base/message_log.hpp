#pragma once
// At `debug` the log says each message, its texts as far as a line bears them.
#include "emulator/core/base/log.hpp"
#include "emulator/core/base/message.hpp"

#include <string_view>

namespace hub {

// `event`: what happened to it; `number`: its sequence number.
void tell_message(Log& log, std::string_view event, const DeviceId& device,
                  const MessageContent& content, SequenceNumber number);

}  // namespace hub
