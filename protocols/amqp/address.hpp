#pragma once
// Link addresses, and the `to` of a cloud-to-device message: spec/amqp.md 3.1, 5.1, 5.2.
//
//   address = ["amqps://" host [":" port]] ["/"] path ["?" query]
//   path    = "$cbs" | "$management" | device "/messages/events" | device "/messages/devicebound"
//           | device "/twin" | device "/methods/devicebound" | "messages/devicebound"
//           | "messages/servicebound/feedback" | "messages/servicebound/filenotifications"
//           | "messages/events" [...] | hub "/consumergroups/" ...
//   device  = "devices/" id ["/modules/" id]
//
// Fixed words match in any case, ids literally. These are no URLs: the C SDK writes ids
// unencoded, others percent-encode them, so an id is kept in both readings.
#include <optional>
#include <string_view>

#include "emulator/core/base/ids.hpp"

namespace amqp {

struct Target {
  hub::DeviceId id;   // percent-decoded once; with a module if the address names one
  hub::DeviceId raw;  // as written
};

struct Address {
  enum class Kind {
    cbs,
    management,
    telemetry,
    devicebound,
    twin,
    methods,
    service_devicebound,
    feedback,
    file_notifications,
    events,
    unknown,
  };
  Kind kind = Kind::unknown;
  Target target;  // of telemetry, devicebound, twin and methods
};

Address parse_address(std::string_view text);

// nullopt unless it is `/devices/{id}[/modules/{m}]/messages/devicebound`.
std::optional<Target> parse_c2d_to(std::string_view text);

}  // namespace amqp
