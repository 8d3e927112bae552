#pragma once
// Identities of devices and modules as JSON, both ways (spec/https.md 3.1, 3.2, H-30..H-33).
#include "emulator/core/hub/hub.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace http {

// All members that the clients read, every time, whether they hold anything or not.
boost::json::object to_json(const hub::DeviceView& device);
// The twin of a device that has no tags or properties yet (spec/https.md 3.4, U14).
boost::json::object to_twin_json(const hub::DeviceView& device);

// iot_hub_format_error if the text is no JSON.
hub::Result<boost::json::value> parse_json(std::string_view text);
// What a registry call may set; other members are ignored. argument_invalid names the member
// that is wrong (H-32).
hub::Result<hub::DeviceSpec> to_device_spec(const boost::json::object& json);

}  // namespace http
