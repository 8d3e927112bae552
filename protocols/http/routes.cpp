// Everything this hub serves over HTTPS, and what it does not serve yet.
#include "protocols/http/routes.hpp"
#include "emulator/core/base/encoding.hpp"
#include "protocols/http/device_api.hpp"
#include "protocols/http/service_api.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>

namespace http {

namespace {

// For people who open the hub in a browser or with curl (H-53).
hub::Result<void> greet(Exchange& exchange) {
  boost::json::object body;
  body["service"] = "Azure IoT Hub emulator";
  body["hub"] = exchange.hub.host_name();
  body["hint"] =
      "Point an Azure IoT SDK here with a connection string of this hub. REST: GET "
      "/devices?api-version=2021-04-12 with a SharedAccessSignature. Health, metrics, connection "
      "strings and the CA certificate are on the control port (9400 unless changed).";
  exchange.response.json(boost::json::serialize(body) + "\n");
  return {};
}

hub::Result<void> coming_later(Exchange& exchange) {
  return hub::fail(hub::HubErrc::feature_not_supported,
                   "this route of the real hub is not there yet in this emulator: " +
                       std::string(exchange.head.method_text) + " " +
                       std::string(exchange.head.path()));
}

hub::Result<void> wants_websocket(Exchange&) {
  return hub::fail(hub::HubErrc::invalid_operation,
                   "this path takes WebSocket upgrades only: send Upgrade: websocket and the "
                   "subprotocol mqtt or AMQPWSB10");
}

constexpr Method GET = Method::get, PUT = Method::put, POST = Method::post, DEL = Method::delete_;
constexpr std::nullopt_t ANY = std::nullopt;

constexpr std::array routes = {
    Route{GET, "/", Access::open, false, greet},
    Route{Method::head, "/", Access::open, false, greet},

    // Devices (spec/https.md section 2). `deviceBound` and `devicebound` are both in use (T-06).
    Route{POST, "/devices/{id}/messages/events", Access::device, true, send_telemetry},
    Route{GET, "/devices/{id}/messages/deviceBound", Access::device, true, receive_device_bound},
    Route{DEL, "/devices/{id}/messages/deviceBound/{token}", Access::device, true,
          settle_device_bound},
    Route{POST, "/devices/{id}/messages/deviceBound/{token}/abandon", Access::device, true,
          abandon_device_bound},

    // The one thing a module does over HTTPS (MOD-17).
    Route{POST, "/devices/{id}/modules/{mid}/messages/events", Access::module, true,
          send_telemetry},

    // The service (section 3).
    Route{POST, "/devices/query", Access::service, true, query_devices},
    Route{GET, "/devices", Access::registry_read, true, list_devices},
    Route{POST, "/devices", Access::registry_write, true, bulk_devices},
    Route{GET, "/devices/{id}", Access::registry_read, true, get_device},
    Route{PUT, "/devices/{id}", Access::registry_write, true, put_device},
    Route{DEL, "/devices/{id}", Access::registry_write, true, delete_device},
    Route{GET, "/devices/{id}/modules", Access::modules_read, true, list_modules},
    Route{GET, "/devices/{id}/modules/{mid}", Access::modules_read, true, get_device},
    Route{PUT, "/devices/{id}/modules/{mid}", Access::modules_write, true, put_device},
    Route{DEL, "/devices/{id}/modules/{mid}", Access::modules_write, true, delete_device},
    Route{DEL, "/devices/{id}/commands", Access::service, true, purge_device_bound},
    Route{GET, "/statistics/devices", Access::registry_read, true, device_statistics},
    Route{GET, "/statistics/service", Access::service, true, service_statistics},
    Route{GET, "/twins/{id}", Access::service, true, get_twin},
    Route{GET, "/twins/{id}/modules/{mid}", Access::service, true, get_twin},
    Route{GET, "/messages/serviceBound/feedback", Access::service, true, receive_feedback},
    Route{DEL, "/messages/serviceBound/feedback/{token}", Access::service, true, settle_feedback},
    Route{POST, "/messages/serviceBound/feedback/{token}/abandon", Access::service, true,
          abandon_feedback},
    // Not standard: the real hub takes c2d messages over AMQP only (H-43).
    Route{POST, "/messages/deviceBound", Access::service, false, send_device_bound},

    // Of the real hub, but not here yet: said plainly instead of a bare 404 (H-45).
    Route{ANY, "/twins/*", Access::open, false, coming_later},
    Route{ANY, "/jobs/*", Access::open, false, coming_later},
    Route{ANY, "/configurations/*", Access::open, false, coming_later},
    Route{ANY, "/digitaltwins/*", Access::open, false, coming_later},
    Route{ANY, "/devices/keys/regenerate", Access::open, false, coming_later},
    Route{ANY, "/devices/{id}/files/*", Access::open, false, coming_later},
    Route{ANY, "/devices/{id}/applyConfigurationContent", Access::open, false, coming_later},
    Route{ANY, "/messages/serviceBound/filenotifications/*", Access::open, false, coming_later},

    Route{ANY, "/$iothub/websocket", Access::open, false, wants_websocket},
    Route{ANY, "/$servicebus/websocket", Access::open, false, wants_websocket},
};

}  // namespace

std::span<const Route> all_routes() { return routes; }

}  // namespace http
