#include "emulator/core/settings/message_check.hpp"

#include <string>

namespace hub {

Result<void> check_property_count(const MessageContent& content, const Limits& limits) {
  const std::size_t count = content.properties.size();
  if (count <= limits.property_count_max) return {};
  return fail(HubErrc::argument_invalid,
              "the message has " + std::to_string(count) + " application properties; " +
                  std::to_string(limits.property_count_max) + " are allowed");
}

}  // namespace hub
