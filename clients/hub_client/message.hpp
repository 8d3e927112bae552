#pragma once
// Messages as an application sees them, the same over every protocol.
#include "clients/hub_client/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iothub {

using Properties = std::vector<std::pair<std::string, std::string>>;

struct Message {
  std::string body{};  // bytes
  std::optional<std::string> message_id{};
  std::optional<std::string> correlation_id{};
  std::optional<std::string> user_id{};
  std::optional<std::string> to{};
  std::optional<std::string> content_type{};
  std::optional<std::string> content_encoding{};
  std::optional<std::string> ack{};  // none, positive, negative, full
  std::optional<TimePoint> expires_at{};
  std::optional<TimePoint> created_at{};  // creation-time-utc, as the sender says
  Properties properties{};                // application properties, in order where the wire has one
};

// A cloud-to-device message, locked for this receiver until it is settled.
struct ReceivedMessage : Message {
  std::uint64_t delivery = 0;  // of this client: what complete, abandon and reject refer to
  std::string lock_token;      // the hub's, where the protocol shows it
  std::optional<std::uint64_t> sequence_number;
  std::optional<unsigned> delivery_count;
  std::optional<std::string> enqueued_time;
  bool redelivered = false;  // MQTT: the DUP flag
};

enum class Disposition { complete, abandon, reject };
std::string_view to_string(Disposition disposition);

// The fate of one cloud-to-device message.
struct FeedbackRecord {
  std::string original_message_id;
  std::string device_id;
  std::string device_generation_id;
  std::string status_code;  // Success, Expired, DeliveryCountExceeded, Rejected, Purged
  std::string description;
  std::string enqueued_time_utc;
};

// What the hub sends at once, and what is settled at once.
struct FeedbackBatch {
  std::uint64_t delivery = 0;
  std::string user_id;  // the hub's name
  std::vector<FeedbackRecord> records;
};

// The body of a feedback message, a JSON array. Error protocol_error when it is none.
std::vector<FeedbackRecord> parse_feedback(std::string_view body);

}  // namespace iothub
