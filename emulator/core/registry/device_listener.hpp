#pragma once
// What a department hears of a device or module whose state it keeps. Called in a turn, in the
// order in which the hub lists the departments.
#include "emulator/core/base/device_identity.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/monitor/thread_safety.hpp"
#include "emulator/core/monitor/timer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hub {

enum class Transport : std::uint8_t { mqtt, amqp, https };

// Why the hub took a receiver or a presence away from its session.
enum class CloseReason : std::uint8_t {
  taken_over,  // a newer connection or link of the same device (400027, 409002)
  device_disabled,
  device_deleted,
  authentication_changed,  // the identity's authentication type changed (6.5)
};
std::string_view to_text(CloseReason reason);

// A device identity as the service API shows it: with what changes by itself.
struct DeviceView {
  DeviceIdentity identity;
  bool connected = false;
  std::optional<TimePoint> connection_state_updated_time;
  std::optional<TimePoint> last_activity_time;
  std::size_t c2d_message_count = 0;
  std::size_t c2d_locked_count = 0;
  // U4: messages older than the MQTT subscription that waits for newer ones, so that nobody
  // wonders.
  std::size_t held_back_from_mqtt = 0;
};

struct DeviceRecord;

class DeviceListener {
 public:
  // A newer connection is about to be there: what it takes over from closes, and its locks return
  // before the newcomer receives its first message (C2D-36).
  virtual void device_connects(DeviceRecord&, Transport, TimePoint) HUB_REQUIRES(in_turn) {}
  // All connections of the device close; what is queued stays.
  virtual void device_closed(DeviceRecord&, CloseReason, TimePoint) HUB_REQUIRES(in_turn) {}
  // The device goes, and all that is kept of it without outcomes (C2D-16). The record, null where
  // there is none, is destroyed afterwards.
  virtual void device_deleted(const DeviceId&, DeviceRecord*, TimePoint) HUB_REQUIRES(in_turn) {}
  virtual void mqtt_session_removed(DeviceRecord&) HUB_REQUIRES(in_turn) {}
  // For a view of it: first brings what it keeps up to `now`, then writes its fields.
  virtual void catch_up(DeviceRecord&, TimePoint) HUB_REQUIRES(in_turn) {}
  virtual void describe(const DeviceRecord&, DeviceView&) const HUB_REQUIRES(in_turn) {}

 protected:
  ~DeviceListener() = default;
};

}  // namespace hub
