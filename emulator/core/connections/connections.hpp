#pragma once
// Devices and modules on persistent connections: who is there, who takes over from whom (C2D-36),
// and the MQTT sessions that outlive their connection (M-16). Source: spec/c2d.md 3, 6.5.
#include "emulator/core/admission/admission.hpp"
#include "emulator/core/connections/presence.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/registry.hpp"

#include <cstddef>
#include <optional>

namespace hub {

class Connections final : public DeviceListener {
 public:
  // None is owned; all outlive this.
  Connections(Monitor& monitor, Registry& registry, Admission& admission)
      : monitor_(monitor), registry_(registry), admission_(admission) {}
  ~Connections();  // presences point here; they must be gone first

  // The newest connection wins (C2D-36): an MQTT connection closes every other presence of the
  // device; an AMQP one closes those over MQTT. `waker` fires when the presence is closed.
  // `granted`: as Access::authorize_device said; iot_hub_unauthorized_access if that is no longer
  // so. device_not_found, module_not_found; throttling_exception.
  Result<Presence> connect(const DeviceId& device, Transport transport, Waker waker, TimePoint now,
                           const DeviceIdentity* granted = nullptr) HUB_EXCLUDES(in_turn);
  std::size_t connected_device_count(TimePoint now) HUB_EXCLUDES(in_turn);  // without modules

  // Stored MQTT sessions. `on_behalf_of`: a presence that the hub has closed, be its session about
  // to see it, is refused (false), lest it take from the connection that took over.
  std::optional<MqttSessionState> mqtt_session(const DeviceId& device) HUB_EXCLUDES(in_turn);
  bool store_mqtt_session(const DeviceId& device, const MqttSessionState& session, TimePoint now,
                          const Presence* on_behalf_of = nullptr) HUB_EXCLUDES(in_turn);
  bool remove_mqtt_session(const DeviceId& device, TimePoint now,
                           const Presence* on_behalf_of = nullptr) HUB_EXCLUDES(in_turn);

  // True for the first reported properties of a device or module: it is told once that the hub has
  // no twins yet.
  bool first_reported_properties(const DeviceId& device) HUB_EXCLUDES(in_turn);

  // ---- for departments, in a turn ---------------------------------------------------------------
  void restore(Snapshot::StoredMqttSession stored) HUB_REQUIRES(in_turn);
  // The device did something on its connection.
  void note_activity(DeviceRecord& device, TimePoint now) HUB_REQUIRES(in_turn);

  void device_closed(DeviceRecord& device, CloseReason reason, TimePoint now) override
      HUB_REQUIRES(in_turn);
  void device_deleted(const DeviceId& id, DeviceRecord* device, TimePoint now) override
      HUB_REQUIRES(in_turn);
  void describe(const DeviceRecord& device, DeviceView& view) const override HUB_REQUIRES(in_turn);

 private:
  friend class Presence;
  struct Part;
  static Part& part_of(DeviceRecord& device);  // made when first used
  static Part* find_part(DeviceRecord* device);
  template <class Close>
  static void for_each_presence(const Part& part, Close close) HUB_REQUIRES(in_turn);
  void close_presence(Presence::State& presence, CloseReason reason, TimePoint now)
      HUB_REQUIRES(in_turn);
  void detach(Presence::State& presence, TimePoint now) HUB_REQUIRES(in_turn);
  void forget(Presence::State* presence, TimePoint now) HUB_EXCLUDES(in_turn);

  Monitor& monitor_;
  Registry& registry_;
  Admission& admission_;
  std::size_t presence_count_ HUB_GUARDED_BY(in_turn) = 0;  // closed ones too, until let go
  std::size_t connected_devices_ HUB_GUARDED_BY(in_turn) = 0;
};

}  // namespace hub
