#include "emulator/core/store/snapshot_check.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace hub {

namespace {

// Half of what a signed column holds: no counter gets there, and none overflows from there.
constexpr std::uint64_t counter_max = std::uint64_t{1} << 62;
constexpr std::uint32_t delivery_count_max = 1u << 30;
constexpr std::uint32_t partition_max = 1023;
constexpr TimePoint year_1 = from_unix_seconds(-62'135'596'800);
constexpr TimePoint year_9999 = from_unix_seconds(253'402'300'799);

class Finder {
 public:
  std::optional<std::string> find(const Snapshot& snapshot) {
    for (const DeviceIdentity& identity : snapshot.devices) look_at(identity);
    for (const auto& stored : snapshot.messages) look_at(stored);
    for (const auto& stored : snapshot.counters) {
      row_ = "the counter of queue '" + stored.queue.device.text + "'";
      number("last number", stored.last, counter_max);
    }
    for (const FeedbackRecord& record : snapshot.feedback_records) look_at(record);
    for (const auto& stored : snapshot.mqtt_sessions) look_at(stored);
    for (const auto& stored : snapshot.events) look_at(stored);
    return std::move(damage_);
  }

 private:
  void look_at(const DeviceIdentity& identity) {
    row_ = described(identity.id);
    if (identity.id.text.empty()) damaged("has no id");
    if (!identity.id.is_module()) {
      devices_.push_back(identity.id.text);
      device_ = identity.id.text;
    } else if (device_ != identity.id.text) {
      damaged("is there without its device");
    }
    std::uint64_t generation = 0;
    const std::string& text = identity.generation_id;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), generation);
    if (error != std::errc{} || end != text.data() + text.size() || generation > counter_max) {
      damaged("has the generation id '" + text + "'");
    }
    time("created", identity.created_time);
    if (identity.status_updated_time) time("status updated", *identity.status_updated_time);
  }

  void look_at(const Snapshot::QueuedMessage& stored) {
    const Message& message = *stored.message;
    // In the order that change.hpp promises: by queue, then number, each once.
    const bool same_queue = stored.queue.device.text == queue_;
    row_ = "a message of queue '" + stored.queue.device.text + "'";
    if (!same_queue && !stored.queue.is_feedback() && !is_known(stored.queue.device.text)) {
      damaged("is there without its device");
    }
    number("sequence number", message.sequence_number, counter_max, 1);
    if (same_queue && message.sequence_number <= sequence_number_) damaged("is out of order");
    queue_ = stored.queue.device.text;
    sequence_number_ = message.sequence_number;
    number("delivery count", stored.delivery_count, delivery_count_max);
    time("enqueued", message.enqueued_time);
    time("expires", message.expires_at);
    if (message.content.absolute_expiry) time("absolute expiry", *message.content.absolute_expiry);
    look_at(message.content);
  }

  bool is_known(std::string_view device) {
    if (!std::ranges::is_sorted(devices_)) std::ranges::sort(devices_);
    return std::ranges::binary_search(devices_, device);
  }

  void look_at(const FeedbackRecord& record) {
    row_ = "a feedback record of device '" + record.device_id.text + "'";
    number("record id", record.record_id, counter_max);
    time("enqueued", record.enqueued_time);
    id("message id", record.original_message_id);
  }

  void look_at(const Snapshot::StoredMqttSession& stored) {
    row_ = "a subscription of " + described(stored.device);
    for (const MqttSubscription& subscription : stored.state.subscriptions) {
      number("QoS", subscription.qos, 1);
      number("first sequence number", subscription.first_sequence, counter_max);
    }
  }

  void look_at(const Snapshot::StoredEvent& stored) {
    row_ = "an event of device '" + stored.event->origin->device.text + "'";
    number("partition", stored.partition, partition_max);
    number("sequence number", stored.event->sequence_number, counter_max);
    number("offset", stored.event->offset, counter_max);
    time("enqueued", stored.event->enqueued_time);
    look_at(stored.event->content);  // its absolute expiry is its sender's affair
  }

  void look_at(const MessageContent& content) {
    id("message id", content.message_id);
    id("correlation id", content.correlation_id);
  }

  void id(std::string_view what, const MessageId& id) {
    const std::string& text = id.text;
    bool good = true;
    switch (id.type) {
      case MessageId::Type::none:
        good = text.empty();
        break;
      case MessageId::Type::ulong: {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        good = error == std::errc{} && end == text.data() + text.size();
        break;
      }
      case MessageId::Type::uuid:
        good = LockToken::from_text(text).has_value();
        break;
      case MessageId::Type::string:
      case MessageId::Type::binary:
        break;
    }
    if (!good) damaged("has a " + std::string(what) + " that is not of its type");
  }

  void number(std::string_view what, std::uint64_t value, std::uint64_t high,
              std::uint64_t low = 0) {
    if (value >= low && value <= high) return;
    // As it stands in the database.
    damaged("has the " + std::string(what) + " " +
            std::to_string(static_cast<std::int64_t>(value)));
  }

  void time(std::string_view what, TimePoint value) {
    if (value >= year_1 && value <= year_9999) return;
    damaged("has a time (" + std::string(what) + ") of " + std::to_string(to_unix_ms(value)) +
            " ms since 1970");
  }

  void damaged(const std::string& what) {
    if (!damage_) damage_ = row_ + " " + what;
  }

  std::optional<std::string> damage_;
  std::string row_;
  std::string device_;
  std::vector<std::string_view> devices_;  // all of them
  std::string queue_;
  SequenceNumber sequence_number_ = 0;
};

}  // namespace

std::optional<std::string> find_damage(const Snapshot& snapshot) { return Finder{}.find(snapshot); }

}  // namespace hub
