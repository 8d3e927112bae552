#pragma once
// What the hub shows of itself (hub.hpp): taken after every step, compared by the auditor.
#include "emulator/core/hub/hub.hpp"

#include <optional>
#include <string>
#include <vector>

namespace simulation {

struct View {
  using Messages = std::vector<hub::MessageQueue::View>;
  struct Device {
    std::string id, generation;
    bool enabled = true;
    std::size_t count = 0, locked = 0;
    hub::SequenceNumber next = 0;
    std::optional<hub::MqttSessionState> session;
    Messages messages;
  };
  struct Counts {
    std::uint64_t sent = 0, delivered = 0, abandoned = 0, completed = 0, expired = 0, exceeded = 0,
                  rejected = 0, purged = 0, records = 0, quota_used = 0, throttled = 0;
  };
  std::vector<Device> devices;
  Messages feedback;
  Counts counts;
  hub::TimePoint now;

  Device* find(const std::string& id) {
    for (auto& device : devices) {
      if (device.id == id) return &device;
    }
    return nullptr;
  }
};

View look_at(hub::Hub& hub, hub::TimePoint now);

}  // namespace simulation
