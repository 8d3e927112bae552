#include "emulator/core/events/events.hpp"

#include "emulator/core/base/message_log.hpp"
#include "emulator/core/settings/message_check.hpp"

#include <utility>

namespace hub {

Events::Events(Monitor& monitor, Registry& registry, Connections& connections, Admission& admission,
               const Settings& settings, const Limits& limits)
    : monitor_(monitor),
      registry_(registry),
      connections_(connections),
      admission_(admission),
      settings_(settings),
      limits_(limits),
      stream_(settings.partition_count, settings.events_per_partition_max,
              limits.event_bytes_per_partition_max) {}

Result<TelemetryOriginPtr> Events::origin_of(const DeviceId& device, std::string auth_method,
                                             std::string data_schema, TimePoint now) {
  const Turn turn(monitor_, now);
  const auto usable = registry_.usable_record(device);
  if (!usable) return usable.error();
  return std::make_shared<const TelemetryOrigin>(TelemetryOrigin{
      device, (*usable)->identity.generation_id, std::move(auth_method), std::move(data_schema)});
}

Result<void> Events::send(std::span<const std::shared_ptr<TelemetryMessage>> batch, TimePoint now) {
  if (batch.empty()) return {};
  std::size_t bytes = 0;
  std::uint64_t cost = 0;
  for (const auto& message : batch) {
    if (auto few = check_property_count(message->content, limits_); !few) return few;
    const std::size_t size = message->content.size();
    bytes += size;
    cost += DailyQuota::cost(size, settings_.sku);
  }
  if (bytes > limits_.d2c_message_bytes_max) {
    return fail(HubErrc::message_too_large,
                std::string(batch.size() == 1 ? "the message" : "the batch") + " has " +
                    std::to_string(bytes) + " bytes; 262144 are allowed");
  }
  const TelemetryOrigin& origin = *batch.front()->origin;
  const Turn turn(monitor_, now);
  const auto usable = registry_.usable_record(origin.device);
  if (!usable) return usable.error();
  DeviceRecord& sender = **usable;
  if (sender.identity.generation_id != origin.auth_generation_id) {
    return fail(HubErrc::device_not_found, described(origin.device) + " was created anew since");
  }
  if (auto admitted = admission_.check_rate(Operation::d2c_send, batch.size(), now); !admitted) {
    return admitted;
  }
  if (auto allowed = admission_.check_quota(cost, now); !allowed) return allowed;
  admission_.charge_quota(cost);
  connections_.note_activity(sender, now);
  for (const auto& message : batch) {
    const auto appended = stream_.append(message, now);
    monitor_.stage<change::EventAppended>(appended.partition, message);
    if (appended.trimmed_to) {
      monitor_.stage<change::EventsTrimmed>(appended.partition, *appended.trimmed_to);
    }
  }
  for (const auto& message : batch) {
    tell_message(monitor_.log(), "telemetry", origin.device, message->content,
                 message->sequence_number);
  }
  monitor_.metrics().d2c_telemetry_ingress_success += batch.size();
  monitor_.metrics().d2c_telemetry_ingress_bytes += bytes;
  return {};
}

std::vector<TelemetryPtr> Events::read(std::uint32_t partition, std::uint64_t from,
                                       std::size_t count) {
  const Turn turn(monitor_);
  return stream_.read(partition, from, count);
}

void Events::restore(Snapshot::StoredEvent stored) {
  stream_.restore(stored.partition, std::move(stored.event));
}

}  // namespace hub
