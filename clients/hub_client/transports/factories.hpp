#pragma once
// One maker per protocol, so that no header of a protocol library is seen outside its own file.
#include "clients/hub_client/transport.hpp"

#include <memory>

namespace iothub {

std::unique_ptr<DeviceTransport> make_mqtt_device(const ClientOptions& options);
std::unique_ptr<DeviceTransport> make_amqp_device(const ClientOptions& options);
std::unique_ptr<DeviceTransport> make_http_device(const ClientOptions& options);
std::unique_ptr<ServiceTransport> make_amqp_service(const ClientOptions& options);

}  // namespace iothub
