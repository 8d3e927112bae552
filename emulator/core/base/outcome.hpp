#pragma once
// How a cloud-to-device message ended, and what its sender is told of it (spec/c2d.md 2.1, 4).
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/message.hpp"
#include "emulator/core/base/time.hpp"

#include <cstdint>
#include <string>

namespace hub {

// A terminal state, or a changed count: what the caller stores, counts and reports.
struct Outcome {
  enum class Kind : std::uint8_t {
    completed,
    expired,
    delivery_count_exceeded,
    rejected,
    purged,    // terminal
    returned,  // still live, delivery count changed: to be stored
  };
  Kind kind;
  MessagePtr message;
  TimePoint time{};                  // of the outcome
  std::uint32_t delivery_count = 0;  // after it
  bool too_early = false;            // rejected by the hub: sent before the subscription (C2D-29)
};

struct FeedbackRecord {
  std::uint64_t record_id = 0;  // ours, for the store; increasing
  MessageId original_message_id;
  TimePoint enqueued_time{};  // of the outcome
  Outcome::Kind status = Outcome::Kind::completed;
  DeviceId device_id;
  std::string device_generation_id;
};

}  // namespace hub
