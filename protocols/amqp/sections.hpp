#pragma once
// An AMQP message taken apart into its sections, as views into the bytes of the delivery. Proton's
// own decoder keeps only the last data section (spec/amqp.md 8.3), so batches need this (A-11,
//
//
//   message = [header] [delivery-annotations] [message-annotations] [properties]
//             [application-properties] (1*data | 1*amqp-sequence | amqp-value) [footer]
//   section = %x00 value(descriptor 0x70..0x78) value
//
// The order is not insisted on: the C SDK puts annotations behind the properties.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/core/base/error.hpp"
#include "protocols/amqp/codec.hpp"

namespace amqp {

struct Sections {
  std::optional<Value> message_annotations;  // maps
  std::optional<Value> application_properties;
  std::optional<Value> properties;  // list
  std::vector<std::string_view> data;
  std::optional<Value> amqp_value;
  bool has_sequence = false;
  // Properties, application properties and one data section, in this order and adjacent, with
  // nothing behind: these bytes can be forwarded. Else empty.
  std::string_view bare;
};

// iot_hub_format_error if `message` is not sections all the way, or repeats one that may not.
hub::Result<Sections> scan_sections(std::string_view message);

// The value of a key in a map section; nullopt if it is not there or no string or symbol.
std::optional<std::string_view> find_text(const std::optional<Value>& map, std::string_view key);

}  // namespace amqp
