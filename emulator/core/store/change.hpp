#pragma once
// One durable fact each. The hub stages them in order; a Store applies them in that order, and what
// it loads back is the same hub less its locks (C2D-17).
#include "emulator/core/base/device_identity.hpp"
#include "emulator/core/base/message.hpp"
#include "emulator/core/base/outcome.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace hub {

// An MQTT session that outlives its connection (CleanSession=0): M-16.
struct MqttSubscription {
  std::string filter;
  std::uint8_t qos = 0;  // granted
  SequenceNumber first_sequence =
      0;  // messages before it were sent before the subscription (C2D-29)
  bool operator==(const MqttSubscription&) const = default;
};
struct MqttSessionState {
  std::vector<MqttSubscription> subscriptions;
  bool operator==(const MqttSessionState&) const = default;
};

// Which queue: a device's, or the feedback queue.
struct QueueId {
  DeviceId device;
  static QueueId feedback() { return {}; }
  bool is_feedback() const { return device.text.empty(); }
  auto operator<=>(const QueueId&) const = default;
};

namespace change {
struct DevicePut {
  DeviceIdentity identity;
};
// The identity with its queue, MQTT session and pending feedback records. The modules of a device
// are deleted one by one before it.
struct DeviceDeleted {
  DeviceId id;
};
// Also moves the queue's sequence counter: it must survive even when the message is gone (C2D-28).
struct MessageEnqueued {
  QueueId queue;
  MessagePtr message;
};
struct MessageRemoved {
  QueueId queue;
  SequenceNumber sequence_number;
};
struct DeliveryCountSet {
  QueueId queue;
  SequenceNumber sequence_number;
  std::uint32_t count;
};
struct FeedbackRecordAdded {
  FeedbackRecord record;
};
struct FeedbackRecordsRemoved {
  std::vector<std::uint64_t> record_ids;
};
struct MqttSessionPut {
  DeviceId device;
  MqttSessionState state;
};
struct MqttSessionRemoved {
  DeviceId device;
};
struct EventAppended {
  std::uint32_t partition;
  TelemetryPtr event;
};
struct EventsTrimmed {
  std::uint32_t partition;
  std::uint64_t first_kept;
};
}  // namespace change

using Change =
    std::variant<change::DevicePut, change::DeviceDeleted, change::MessageEnqueued,
                 change::MessageRemoved, change::DeliveryCountSet, change::FeedbackRecordAdded,
                 change::FeedbackRecordsRemoved, change::MqttSessionPut, change::MqttSessionRemoved,
                 change::EventAppended, change::EventsTrimmed>;

// Everything a hub starts from.
struct Snapshot {
  struct QueuedMessage {
    QueueId queue;
    MessagePtr message;
    std::uint32_t delivery_count = 0;
  };
  struct SequenceCounter {  // the last sequence number given out
    QueueId queue;
    SequenceNumber last = 0;
  };
  struct StoredEvent {
    std::uint32_t partition = 0;
    TelemetryPtr event;
  };
  struct StoredMqttSession {
    DeviceId device;
    MqttSessionState state;
  };
  std::vector<DeviceIdentity> devices;  // each followed by its modules
  std::vector<QueuedMessage> messages;  // by queue, then sequence number
  std::vector<SequenceCounter> counters;
  std::vector<FeedbackRecord> feedback_records;  // pending, by record id
  std::vector<StoredMqttSession> mqtt_sessions;
  std::vector<StoredEvent> events;  // by partition, then sequence number
};

}  // namespace hub
