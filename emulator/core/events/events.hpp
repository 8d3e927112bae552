#pragma once
// Device-to-cloud telemetry: who may send how much, and the stream it is kept in. DeviceConnect and
// the format are the caller's check. Source: spec/c2d.md 7, spec/amqp.md 6.4.
#include "emulator/core/admission/admission.hpp"
#include "emulator/core/connections/connections.hpp"
#include "emulator/core/events/event_stream.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/registry.hpp"
#include "emulator/core/settings/limits.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hub {

class Events {
 public:
  // Nothing is owned, and all outlives this.
  Events(Monitor& monitor, Registry& registry, Connections& connections, Admission& admission,
         const Settings& settings, const Limits& limits);

  // What all messages of a connection name as their sender. Good for as long as the identity is
  // not created anew. device_not_found, module_not_found.
  Result<TelemetryOriginPtr> origin_of(const DeviceId& device, std::string auth_method,
                                       std::string data_schema, TimePoint now)
      HUB_EXCLUDES(in_turn);
  // message_too_large; device_not_found if the identity is gone or disabled; throttling_exception;
  // iot_hub_quota_exceeded. A batch is of one device, and taken or refused as a whole.
  // The hub keeps the messages as they are, with its stamps: nobody else may change them then.
  Result<void> send(std::span<const std::shared_ptr<TelemetryMessage>> batch, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<void> send(const std::shared_ptr<TelemetryMessage>& message, TimePoint now)
      HUB_EXCLUDES(in_turn) {
    return send(std::span(&message, 1), now);
  }
  // Events of `partition` with a sequence number >= `from`, at most `count`.
  std::vector<TelemetryPtr> read(std::uint32_t partition, std::uint64_t from, std::size_t count)
      HUB_EXCLUDES(in_turn);
  std::uint32_t partition_count() const { return settings_.partition_count; }

  // ---- for the hub, in a turn -------------------------------------------------------------------
  void restore(Snapshot::StoredEvent stored) HUB_REQUIRES(in_turn);

 private:
  Monitor& monitor_;
  Registry& registry_;
  Connections& connections_;
  Admission& admission_;
  const Settings& settings_;
  const Limits& limits_;
  EventStream stream_ HUB_GUARDED_BY(in_turn);
};

}  // namespace hub
