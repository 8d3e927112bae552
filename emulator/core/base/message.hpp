#pragma once
// A cloud-to-device message, and a telemetry message. Immutable once queued (C2D-20): every
// delivery shows the same body, properties, enqueued time, expiry and sequence number.
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/time.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hub {

// message-id and correlation-id: AMQP allows four types, and an AMQP receiver gets the sender's
// type back; everybody else, the feedback included, gets `text`.
struct MessageId {
  enum class Type : std::uint8_t { none, string, ulong, uuid, binary };
  Type type = Type::none;
  std::string
      text;  // string as is; ulong in decimal; uuid lower case with dashes; binary: the bytes

  bool empty() const { return type == Type::none; }
  static MessageId of(std::string text) { return {Type::string, std::move(text)}; }
  bool operator==(const MessageId&) const = default;
};

enum class Ack : std::uint8_t { none, positive, negative, full };
std::string_view to_text(Ack ack);
std::optional<Ack> parse_ack(std::string_view text);  // case-insensitive; empty is none

// An application property: its name, and its value as text or null (H-80).
using PropertyValue = std::optional<std::string>;
using Property = std::pair<std::string, PropertyValue>;

// What senders call the time a message was made. It is an application property like any other: the
// real hub shows it as one, whichever protocol it came by (H-81).
inline constexpr std::string_view creation_time_property = "iothub-creation-time-utc";

// What the sender gives. Both directions share it.
struct MessageContent {
  MessageId message_id;
  MessageId correlation_id;
  std::string user_id;  // bytes
  std::string to;       // as the sender wrote it
  std::string content_type;
  std::string content_encoding;
  std::optional<TimePoint> absolute_expiry;  // only what the sender set
  std::vector<Property> properties;          // application properties, in the sender's order
  std::string body;

  // The bare message as an AMQP sender encoded it (sections properties, application-properties,
  // one data), to be forwarded as it is; empty: encode from the fields above. Never persisted.
  std::string amqp_bare;

  // body + values of system properties + names and values of application properties (C2D-12).
  std::size_t size() const;
  std::size_t heap_bytes() const;  // what its fields hold beside themselves, about
};

struct Message {
  SequenceNumber sequence_number = 0;
  TimePoint enqueued_time{};
  TimePoint expires_at{};
  Ack ack = Ack::none;
  bool ack_given = false;  // the sender set iothub-ack, so MQTT shows it
  MessageContent content;
};
using MessagePtr = std::shared_ptr<const Message>;

// For the log: what the senders call these, "#" and the sequence number of one without an id. Ten
// at most are named.
std::string ids_of(std::span<const MessagePtr> messages);

// One locking of a message by a receiver.
struct Delivery {
  MessagePtr message;
  LockToken lock_token;
  TimePoint locked_until{};
  std::uint32_t delivery_count =
      0;                          // abandons (or returns, C2D-19) before this delivery: 0 at first
  bool published_before = false;  // was already PUBLISHed unacknowledged in this MQTT session (DUP)
};

// Who sends telemetry, and by what right: the same for all messages of a connection, which share
// it.
struct TelemetryOrigin {
  DeviceId device;                 // connection-device-id and connection-module-id
  std::string auth_generation_id;  // of the identity: another one was created anew
  std::string auth_method;         // JSON
  std::string data_schema;         // dt-dataschema, from model-id
  bool operator==(const TelemetryOrigin&) const = default;

  std::size_t held_bytes() const;  // itself with all its fields
};
using TelemetryOriginPtr = std::shared_ptr<const TelemetryOrigin>;

// Device-to-cloud. The hub stamps when it came.
struct TelemetryMessage {
  MessageContent content;
  TelemetryOriginPtr origin;  // never null once sent
  std::string message_source = "Telemetry";
  std::string interface_id;  // iothub-interface-id
  std::string subject;       // dt-subject
  TimePoint enqueued_time{};
  std::uint64_t sequence_number = 0;  // per partition
  std::uint64_t offset = 0;           // bytes stored before it in its partition

  std::size_t held_bytes() const;  // itself with all its fields, without its origin
};
using TelemetryPtr = std::shared_ptr<const TelemetryMessage>;

}  // namespace hub
