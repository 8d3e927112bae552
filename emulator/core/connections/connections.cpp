#include "emulator/core/connections/connections.hpp"

#include "emulator/core/base/error.hpp"

#include <atomic>
#include <utility>

namespace hub {

struct Connections::Part : DevicePart {
  explicit Part(const DeviceIdentity& identity) : is_module(identity.id.is_module()) {}
  Presence::State* presences = nullptr;  // live ones, the oldest first
  std::optional<TimePoint> connection_state_updated_time;
  std::optional<TimePoint> last_activity_time;
  std::optional<MqttSessionState> mqtt_session;
  bool has_reported_properties = false;
  const bool is_module;
};

// Owned by its Presence, which may ask outside a turn whether it is closed.
struct Presence::State {
  static constexpr std::uint8_t live = 0xFF;
  Connections::Part* device;  // null once closed
  State* next;
  Waker waker;
  Transport transport;
  std::atomic<std::uint8_t> closed = live;  // or a CloseReason
};

Connections::Part& Connections::part_of(DeviceRecord& device) {
  auto& slot = device[DeviceSlot::connections];
  if (!slot) slot = std::make_unique<Part>(device.identity);
  return static_cast<Part&>(*slot);
}

Connections::Part* Connections::find_part(DeviceRecord* device) {
  if (device == nullptr) return nullptr;
  return static_cast<Part*>((*device)[DeviceSlot::connections].get());
}

Connections::~Connections() HUB_NO_THREAD_SAFETY_ANALYSIS { HUB_ASSERT(presence_count_ == 0); }

// Calls `close(presence)` with each live one, the oldest first.
template <class Close>
void Connections::for_each_presence(const Part& part, Close close) {
  for (auto* each = part.presences; each != nullptr;) close(*std::exchange(each, each->next));
}

// ---- coming and going ---------------------------------------------------------------------------

Result<Presence> Connections::connect(const DeviceId& device, Transport transport, Waker waker,
                                      TimePoint now, const DeviceIdentity* granted) {
  const Turn turn(monitor_, now);
  const auto usable = registry_.usable_record(device);
  if (!usable) return usable.error();
  DeviceRecord& record = **usable;
  // The session was authorised earlier.
  const DeviceIdentity& identity = record.identity;
  if (granted != nullptr && (granted->generation_id != identity.generation_id ||
                             granted->authentication.type != identity.authentication.type)) {
    return fail(HubErrc::iot_hub_unauthorized_access, described(device) + " was changed just now");
  }
  if (auto admitted = admission_.check_rate(Operation::connect, 1, now); !admitted) {
    return admitted.error();
  }
  for (DeviceListener* listener : registry_.listeners()) {
    listener->device_connects(record, transport, now);
  }
  Part& part = part_of(record);
  const bool was_connected = part.presences != nullptr;
  for_each_presence(part, [&](Presence::State& older) HUB_REQUIRES(in_turn) {
    if (transport == Transport::mqtt || older.transport == Transport::mqtt) {
      close_presence(older, CloseReason::taken_over, now);
    }
  });
  if (part.presences == nullptr && !part.is_module) ++connected_devices_;
  if (!was_connected) part.connection_state_updated_time = now;
  part.last_activity_time = now;
  auto** last = &part.presences;
  while (*last != nullptr) last = &(*last)->next;
  *last = new Presence::State{&part, nullptr, std::move(waker), transport};
  ++presence_count_;
  return Presence{this, *last};
}

void Connections::detach(Presence::State& presence, TimePoint now) {
  Part* device = std::exchange(presence.device, nullptr);
  if (device == nullptr) return;
  auto** link = &device->presences;
  while (*link != &presence) link = &(*link)->next;
  *link = presence.next;
  if (device->presences != nullptr) return;
  if (!device->is_module) --connected_devices_;
  device->connection_state_updated_time = now;
  device->last_activity_time = now;
}

void Connections::close_presence(Presence::State& presence, CloseReason reason, TimePoint now) {
  presence.closed.store(static_cast<std::uint8_t>(reason), std::memory_order_release);
  monitor_.wake(presence.waker);
  detach(presence, now);
}

void Connections::forget(Presence::State* presence, TimePoint now) {
  const Turn turn(monitor_, now);
  detach(*presence, monitor_.latest());
  delete presence;
  --presence_count_;
}

Presence::~Presence() {
  if (connections_ != nullptr) close(TimePoint::min());
}

void Presence::close(TimePoint now) {
  if (connections_ == nullptr) return;
  std::exchange(connections_, nullptr)->forget(std::exchange(state_, nullptr), now);
}

std::optional<CloseReason> Presence::closed() const {
  if (connections_ == nullptr) return std::nullopt;
  const std::uint8_t closed = state_->closed.load(std::memory_order_acquire);
  return closed == State::live ? std::nullopt : std::optional(static_cast<CloseReason>(closed));
}

std::size_t Connections::connected_device_count(TimePoint now) {
  const Turn turn(monitor_, now);
  return connected_devices_;
}

// ---- what is kept of a device -------------------------------------------------------------------

void Connections::note_activity(DeviceRecord& device, TimePoint now) {
  Part* part = find_part(&device);
  if (part != nullptr && part->presences != nullptr) part->last_activity_time = now;
}

void Connections::device_closed(DeviceRecord& device, CloseReason reason, TimePoint now) {
  const Part* part = find_part(&device);
  if (part == nullptr) return;
  for_each_presence(*part, [&](Presence::State& presence)
                               HUB_REQUIRES(in_turn) { close_presence(presence, reason, now); });
}

void Connections::device_deleted(const DeviceId&, DeviceRecord* device, TimePoint now) {
  if (device != nullptr) device_closed(*device, CloseReason::device_deleted, now);
}

void Connections::describe(const DeviceRecord& device, DeviceView& view) const {
  const auto* part = static_cast<const Part*>(device[DeviceSlot::connections]);
  if (part == nullptr) return;
  view.connected = part->presences != nullptr;
  view.connection_state_updated_time = part->connection_state_updated_time;
  view.last_activity_time = part->last_activity_time;
}

// ---- stored MQTT sessions -----------------------------------------------------------------------

std::optional<MqttSessionState> Connections::mqtt_session(const DeviceId& device) {
  const Turn turn(monitor_);
  const Part* part = find_part(registry_.find_record(device));
  return part == nullptr ? std::nullopt : part->mqtt_session;
}

bool Connections::store_mqtt_session(const DeviceId& device, const MqttSessionState& session,
                                     TimePoint now, const Presence* on_behalf_of) {
  const Turn turn(monitor_, now);
  if (Presence::was_closed(on_behalf_of)) return false;
  DeviceRecord* record = registry_.record_of(device);
  if (record == nullptr) return false;
  Part& part = part_of(*record);
  if (part.mqtt_session == session) return true;
  part.mqtt_session = session;
  monitor_.stage(change::MqttSessionPut{device, session});
  return true;
}

bool Connections::remove_mqtt_session(const DeviceId& device, TimePoint now,
                                      const Presence* on_behalf_of) {
  const Turn turn(monitor_, now);
  if (Presence::was_closed(on_behalf_of)) return false;
  DeviceRecord* record = registry_.find_record(device);
  if (record == nullptr) return true;
  for (DeviceListener* listener : registry_.listeners()) listener->mqtt_session_removed(*record);
  Part* part = find_part(record);
  if (part == nullptr || !part->mqtt_session) return true;
  part->mqtt_session.reset();
  monitor_.stage(change::MqttSessionRemoved{device});
  return true;
}

void Connections::restore(Snapshot::StoredMqttSession stored) {
  DeviceRecord* record = registry_.record_of(stored.device);
  if (record != nullptr) part_of(*record).mqtt_session = std::move(stored.state);
}

bool Connections::first_reported_properties(const DeviceId& device) {
  const Turn turn(monitor_);
  Part* part = find_part(registry_.find_record(device));
  return part != nullptr && !std::exchange(part->has_reported_properties, true);
}

}  // namespace hub
