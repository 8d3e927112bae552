#pragma once
// The control API (contract.md 3), read-only: routes of its own over the HTTP session, on its own
// port. Who may come in: control_access.hpp.
#include "emulator/app/control_access.hpp"
#include "emulator/app/host_names.hpp"
#include "emulator/core/hub/hub.hpp"
#include "protocols/session.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace app {

// What it shows, and to whom. Outlives its sessions.
struct ControlSources {
  ControlSources(hub::Hub& shown, std::string ca_text,
                 std::function<std::vector<std::string>()> missing, HostNames host_names,
                 std::string url, ControlAccess may);

  hub::Hub& hub;
  const std::string ca_pem;
  const std::function<std::vector<std::string>()> not_ready;  // what is missing; empty: ready
  const HostNames names;
  const std::string ca_url;
  const ControlAccess access;
  const http::Rules rules;
};

std::unique_ptr<protocols::Session> make_control_session(const ControlSources& sources,
                                                         protocols::PeerInfo peer,
                                                         hub::TimePoint now);

// Prometheus text: the hub's own metric names where it has one, with `_` for `.`.
std::string metrics_text(const hub::Metrics& metrics);

}  // namespace app
