#pragma once
// A device or module that is connected over MQTT or AMQP: connectionState, takeover, administrative
// closing. One per identity and connection. Dropping it (or close) says that the connection is
// gone. Movable; used by one session at a time.
#include "emulator/core/registry/device_listener.hpp"

#include <optional>
#include <utility>

namespace hub {

class Connections;

class Presence {
 public:
  Presence() = default;
  Presence(Presence&& other) noexcept { swap(other); }
  Presence& operator=(Presence&& other) noexcept {
    Presence{std::move(other)}.swap(*this);
    return *this;
  }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence();

  explicit operator bool() const { return connections_ != nullptr; }
  std::optional<CloseReason> closed() const;  // takes no turn
  void close(TimePoint now);
  // For what is done for `presence`: is it too late for that? nullptr: for nobody's, so no.
  static bool was_closed(const Presence* presence) {
    return presence != nullptr && (!*presence || presence->closed());
  }

 private:
  friend class Connections;
  struct State;
  Presence(Connections* connections, State* state) : connections_(connections), state_(state) {}
  void swap(Presence& other) noexcept {
    std::swap(connections_, other.connections_);
    std::swap(state_, other.state_);
  }
  Connections* connections_ = nullptr;
  State* state_ = nullptr;
};

}  // namespace hub
