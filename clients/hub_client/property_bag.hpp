#pragma once
// The property bag at the end of an MQTT topic.
//   bag = pair *( "&" pair ) ; pair = key [ "=" value ] ; both percent-encoded UTF-8
// System properties are keys that begin with "$.", written "%24." by the hub and by most clients.
#include "clients/hub_client/message.hpp"

#include <string>
#include <string_view>

namespace iothub {

// The bag of a telemetry message, system properties first; empty when it has none.
std::string encode_property_bag(const Message& message);

// Fills `message` from a bag, in any order; keys it does not know become application properties.
void decode_property_bag(std::string_view bag, Message& message);

}  // namespace iothub
