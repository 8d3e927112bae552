#include "emulator/core/hub/hub.hpp"

#include <utility>

namespace hub {

Hub::Hub(HubConfig config, IdSource& ids, Log& log, TimePoint now, bool durable)
    : config_(std::move(config)),
      name_(config_.host_name.substr(0, config_.host_name.find('.'))),
      monitor_(log, now, durable),
      admission_(monitor_, config_.settings),
      registry_(monitor_, ids, config_.limits.devices_max),
      access_(monitor_, registry_, config_.settings, config_.policies),
      connections_(monitor_, registry_, admission_),
      c2d_(monitor_, registry_, admission_, ids, {config_.settings, config_.limits, name_}, now),
      events_(monitor_, registry_, connections_, admission_, config_.settings, config_.limits) {
  // Receivers close before the presences that they belong to.
  registry_.set_listeners({&c2d_, &connections_});
}

void Hub::restore(Snapshot snapshot, TimePoint now) {
  const Turn turn(monitor_);
  for (DeviceIdentity& identity : snapshot.devices) registry_.restore(std::move(identity));
  for (const auto& counter : snapshot.counters) c2d_.restore(counter);
  for (auto& stored : snapshot.messages) c2d_.restore(std::move(stored));
  for (FeedbackRecord& record : snapshot.feedback_records) c2d_.restore(std::move(record));
  for (auto& stored : snapshot.mqtt_sessions) connections_.restore(std::move(stored));
  for (auto& stored : snapshot.events) events_.restore(std::move(stored));
  monitor_.run_timers(now);  // what became due while the hub was down
}

}  // namespace hub
