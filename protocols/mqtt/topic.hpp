#pragma once
// The hub's topics: what a device or module may publish to, and which of its filters can ever
// match.
//   telemetry       = "devices/" id [ "/modules/" id ] "/messages/events" [ "/" [ bag ] [ "/" ] ]
//                                                                                     (M-20)
//   devicebound     = "devices/" id "/messages/devicebound/" bag                      (M-32)
//   twin request    = "$iothub/twin/GET/?$rid=" rid
//                   | "$iothub/twin/PATCH/properties/reported/?$rid=" rid [ "&$version=" version ]
//   method response = "$iothub/methods/res/" status "/?$rid=" rid
#include <string>
#include <string_view>

#include "emulator/core/base/ids.hpp"

namespace mqtt {

enum class PublishKind : std::uint8_t {
  telemetry,
  twin_get,
  twin_patch,
  method_response,
  bad_twin_request,  // no `$rid`, or no operation that exists (spec/mqtt.md 6)
  other_identity,    // topic of another device or module
  unsupported,
};

struct PublishTopic {
  PublishKind kind = PublishKind::unsupported;
  std::string_view bag;         // telemetry
  std::string_view request_id;  // twin: the exact bytes (M-51)
};
PublishTopic classify_publish(std::string_view topic, const hub::DeviceId& device);

// A bag that was hardly meant as one: `?a=b`, where `?` belongs to the first name, or further
// levels, which are a name as a whole (M-73).
bool is_odd_bag(std::string_view bag);

// What a filter is to the device or module that subscribes to it.
enum class FilterKind : std::uint8_t {
  devicebound,     // enables cloud-to-device delivery (M-30); never to a module
  iothub,          // twins, methods
  inert,           // granted, but nothing the hub sends can match (M-61)
  other_identity,  // names another one: closes the connection (M-61)
};
FilterKind classify_filter(std::string_view filter, const hub::DeviceId& device);

// Topics of answers to twin requests: `$iothub/twin/res/{status}/?$rid={rid}[&$version={version}]`.
std::string twin_response_topic(int status, std::string_view request_id);
std::string twin_response_topic(int status, std::string_view request_id, std::uint64_t version);

}  // namespace mqtt
