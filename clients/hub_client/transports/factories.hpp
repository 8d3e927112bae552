#pragma once
// One maker per protocol, so that no header of a protocol library is seen outside its own file.
#include "clients/hub_client/transport.hpp"
#include "clients/hub_client/transports/stream.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace iothub {

// What is beneath MQTT. Tests bring a stream and a clock of their own.
struct MqttBase {
  std::function<std::unique_ptr<ByteStream>(Duration timeout)> connect;
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};
std::unique_ptr<DeviceTransport> make_mqtt_device(const ClientOptions& options);
std::unique_ptr<DeviceTransport> make_mqtt_device(const ClientOptions& options, MqttBase base);
std::unique_ptr<DeviceTransport> make_amqp_device(const ClientOptions& options);
std::unique_ptr<DeviceTransport> make_http_device(const ClientOptions& options);
std::unique_ptr<ServiceTransport> make_amqp_service(const ClientOptions& options);

}  // namespace iothub
