#include "emulator/core/base/message_log.hpp"

#include <string>

namespace hub {

void tell_message(Log& log, std::string_view event, const DeviceId& device,
                  const MessageContent& content, SequenceNumber number) {
  if (!log.enabled(LogLevel::debug)) return;
  constexpr std::size_t shown_max = 256;
  std::string properties;
  for (const auto& [name, value] : content.properties) {
    if (properties.size() > shown_max) break;
    properties.append(properties.empty() ? "" : "&").append(name);
    if (value) properties.append("=").append(*value);
  }
  log.debug(event, {{"device", device.name()},
                    {"id", content.message_id.text},
                    {"sequence number", std::to_string(number)},
                    {"bytes", std::to_string(content.body.size())},
                    {"properties", properties},
                    {"body", std::string_view(content.body).substr(0, shown_max)}});
}

}  // namespace hub
