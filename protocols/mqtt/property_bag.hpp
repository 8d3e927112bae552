#pragma once
// The property bag at the end of a topic:
//   bag = pair *( "&" pair ) ; pair = key [ "=" value ] ; both percent-encoded UTF-8
// Keys that start with `$.` are system properties, spelled `$.` or `%24.` (M-21); the others are
// application properties.
#include <cstddef>
#include <string>
#include <string_view>

#include "emulator/core/base/error.hpp"
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/message.hpp"

namespace mqtt {

// Adds what `bag` says to `message`; the last of duplicate keys wins. `$.cdid` and `$.cmid` are
// dropped: a device does not say who it is. Error: argument_invalid above `property_count_max`.
hub::Result<void> decode_property_bag(std::string_view bag, std::size_t property_count_max,
                                      hub::TelemetryMessage& message);

// Sets one application property, replacing an earlier one of the same name.
void set_property(hub::MessageContent& content, std::string_view name, std::string_view value);

// `devices/{id}/messages/devicebound/{bag}`. Always in this order: $.exp, $.mid, $.to, $.cid,
// $.uid, $.ct, $.ce, iothub-ack, application properties (M-32); the bag is never empty
// (M-33).
std::string devicebound_topic(const hub::Message& message, const hub::DeviceId& device);

}  // namespace mqtt
