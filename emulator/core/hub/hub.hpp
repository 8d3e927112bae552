#pragma once
// A hub: its departments, each with a contract of its own, over one monitor. What a session does,
// it does by them.
#include "emulator/core/access/access.hpp"
#include "emulator/core/admission/admission.hpp"
#include "emulator/core/c2d/cloud_to_device.hpp"
#include "emulator/core/connections/connections.hpp"
#include "emulator/core/events/events.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/registry.hpp"
#include "emulator/core/settings/limits.hpp"

#include <string>
#include <vector>

namespace hub {

struct HubConfig {
  std::string host_name = "localhost";  // its first label is the hub's name
  std::vector<SharedAccessPolicy> policies;
  Settings settings;
  Limits limits;
};

class Hub {
 public:
  // `ids` and `log` outlive the hub. `durable`: changes are staged for a Store; else dropped.
  Hub(HubConfig config, IdSource& ids, Log& log, TimePoint now, bool durable = false);
  // Before anything else; overdue timers fire (C2D-17).
  void restore(Snapshot snapshot, TimePoint now);

  const std::string& host_name() const { return config_.host_name; }
  const std::string& name() const { return name_; }  // first label of host_name
  const Limits& limits() const { return config_.limits; }
  const Settings& settings() const { return config_.settings; }
  const std::vector<SharedAccessPolicy>& policies() const { return config_.policies; }
  Metrics& metrics() { return monitor_.metrics(); }
  Log& log() { return monitor_.log(); }

  Monitor& monitor() { return monitor_; }  // time and what is staged
  Admission& admission() { return admission_; }
  Registry& registry() { return registry_; }
  Access& access() { return access_; }
  Connections& connections() { return connections_; }
  CloudToDevice& c2d() { return c2d_; }
  Events& events() { return events_; }

 private:
  const HubConfig config_;
  const std::string name_;
  Monitor monitor_;
  Admission admission_;
  Registry registry_;
  Access access_;
  Connections connections_;
  CloudToDevice c2d_;
  Events events_;
};

}  // namespace hub
