#pragma once
// What a start tells: the block on stdout, the ready file and GET /connection-strings.
#include "emulator/app/host_names.hpp"
#include "emulator/core/hub/hub.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app {

struct StartReport {
  std::string host_name;
  std::string connection_string;  // of the policy iothubowner, by name
  HostNames names;
  std::vector<std::pair<std::string, std::uint16_t>>
      ports;  // by flag: mqtts, amqps, https, ..., control
  std::string ca_path;
  std::string ca_url;                      // empty: no control API
  boost::json::object connection_strings;  // as below

  std::uint16_t port(std::string_view name) const;  // 0: no such listener
};

// hub (the older name of byName), byName, byAddress, policies, devices, devicesByAddress: those of
// the policy iothubowner, of all policies, and of the first thousand devices. What is not there is
// left out.
boost::json::object connection_strings(hub::Hub& hub, const HostNames& names, hub::TimePoint now);

// Where a client finds the CA certificate. `listen`: of the control API, which has `port`.
std::string ca_url(const std::string& listen, std::uint16_t port);

std::string ready_file_json(const StartReport& report);
std::string start_block(const StartReport& report);  // all but the line `ready in N ms`

}  // namespace app
