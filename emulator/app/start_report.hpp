#pragma once
// What a start tells: the block on stdout, the ready file and GET /connection-strings.
#include "emulator/core/hub.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app {

struct StartReport {
  std::string host_name;
  std::string connection_string;  // of the policy iothubowner
  std::vector<std::pair<std::string, std::uint16_t>> ports;  // by flag: mqtts, amqps, https, ..., control
  std::string ca_path;
  std::vector<std::pair<std::string, std::string>> devices;  // id, connection string

  std::uint16_t port(std::string_view name) const;  // 0: no such listener
};

std::string policy_connection_string(const std::string& host, const hub::SharedAccessPolicy& policy);
std::string device_connection_string(const std::string& host, const hub::DeviceIdentity& device);
// Of the first `count` devices.
std::vector<std::pair<std::string, std::string>> device_connection_strings(hub::Hub& hub,
                                                                           std::size_t count,
                                                                           hub::TimePoint now);

std::string ready_file_json(const StartReport& report);
std::string start_block(const StartReport& report);  // all but the line `ready in N ms`

}  // namespace app
