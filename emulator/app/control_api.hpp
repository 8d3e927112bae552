#pragma once
// The control API (contract.md 3), read-only: plain HTTP/1.1 on its own port, as one more session.
#include "emulator/app/host_names.hpp"
#include "emulator/core/hub.hpp"
#include "protocols/session.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace app {

// What it shows. Outlives its sessions.
struct ControlSources {
  hub::Hub& hub;
  std::string ca_pem;
  std::function<std::vector<std::string>()> not_ready;  // what is missing; empty: ready
  HostNames names = {};
  std::string ca_url = {};
};

std::unique_ptr<protocols::Session> make_control_session(const ControlSources& sources,
                                                         hub::TimePoint now);

// Prometheus text: the hub's own metric names where it has one, with `_` for `.`.
std::string metrics_text(const hub::Metrics& metrics);

}  // namespace app
