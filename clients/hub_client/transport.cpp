#include "clients/hub_client/transport.hpp"

#include "clients/hub_client/error.hpp"
#include "clients/hub_client/transports/factories.hpp"

namespace iothub {

std::string_view to_string(TransportKind kind) {
  switch (kind) {
    case TransportKind::mqtt:
      return "mqtt";
    case TransportKind::mqtt_ws:
      return "mqtt-ws";
    case TransportKind::amqp:
      return "amqp";
    case TransportKind::amqp_ws:
      return "amqp-ws";
    case TransportKind::https:
      return "https";
  }
  return "";
}

std::optional<TransportKind> parse_transport(std::string_view text) {
  using enum TransportKind;
  for (const auto kind : {mqtt, mqtt_ws, amqp, amqp_ws, https}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

Endpoint ClientOptions::endpoint(TransportKind kind) const {
  const auto& host = connection.connect_host();
  switch (kind) {
    case TransportKind::mqtt:
      return {host, ports.mqtts.value_or(8883)};
    case TransportKind::amqp:
      return {host, ports.amqps.value_or(5671)};
    case TransportKind::mqtt_ws:
    case TransportKind::amqp_ws:
    case TransportKind::https:
      break;
  }
  return {host, ports.https.value_or(connection.port.value_or(443))};
}

void DeviceTransport::send_batch(std::span<const Message>, Duration) {
  throw Error{ErrorKind::not_supported, "this protocol has no batches"};
}

std::unique_ptr<DeviceTransport> make_device_transport(const ClientOptions& options) {
  switch (options.transport) {
    case TransportKind::mqtt:
    case TransportKind::mqtt_ws:
      return make_mqtt_device(options);
    case TransportKind::amqp:
    case TransportKind::amqp_ws:
      return make_amqp_device(options);
    case TransportKind::https:
      break;
  }
  return make_http_device(options);
}

std::unique_ptr<ServiceTransport> make_service_transport(const ClientOptions& options) {
  if (options.transport != TransportKind::amqp && options.transport != TransportKind::amqp_ws) {
    throw Error{ErrorKind::not_supported, "the service side sends over amqp or amqp-ws only"};
  }
  return make_amqp_service(options);
}

}  // namespace iothub
