#pragma once
// The hub's messages <-> AMQP sections: spec/amqp.md section 4.
#include <optional>
#include <string>
#include <string_view>

#include "emulator/core/base/message.hpp"
#include "protocols/amqp/sections.hpp"

namespace amqp {

enum class Direction : std::uint8_t { device_to_cloud, cloud_to_device };

// Reads a message into `content`, which is empty, and returns the feedback that its sender asked
// for, if any: the application property `iothub-ack` (or `ack`), taken out. Errors:
// iot_hub_format_error (types that may not be), argument_invalid (a bad ack), feature_not_supported
// (amqp-sequence bodies). Of cloud-to-device messages that need no change the bare message is kept,
// to be forwarded as it is.
hub::Result<std::optional<hub::Ack>> read_message(const Sections& sections, Direction direction,
                                                  hub::MessageContent& content);

// properties.message-id and .correlation-id, with their types.
struct Ids {
  hub::MessageId message_id;
  hub::MessageId correlation_id;
};
hub::Result<Ids> read_ids(const Sections& sections);

// Appends one delivery: annotations, then the bare message.
void append_delivery(std::string& out, const hub::Delivery& delivery);

void append_message_id(Writer& writer, const hub::MessageId& id);

}  // namespace amqp
