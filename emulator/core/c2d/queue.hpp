#pragma once
// A queue of the hub with what it needs beside its messages: a device's, or the feedback's.
#include "emulator/core/c2d/message_queue.hpp"
#include "emulator/core/monitor/timer.hpp"
#include "emulator/core/registry/device_table.hpp"
#include "emulator/core/store/change.hpp"

#include <vector>

namespace hub {

struct Queue : DevicePart, Timer {
  // `queue_of`: the identity's own id, or an empty one for the feedback. Nothing is owned.
  Queue(TimerOwner& owner, const DeviceId& queue_of, const QueueLimits* limits)
      : Timer(owner, Rank::queue, queue_of), messages(limits) {}
  bool is_feedback() const { return device().text.empty(); }
  QueueId id() const { return {device()}; }

  MessageQueue messages;
  SequenceNumber last_sequence = 0;
  std::vector<HolderId> receivers;  // live ones; the one that waits longest first
};

}  // namespace hub
