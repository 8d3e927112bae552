#pragma once
// A Snapshot as text, one fact a line with every field of it: equal texts are equal snapshots, and
// a failing comparison shows what differs.
#include "emulator/core/store/change.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace model_test {

class FactText {
 public:
  FactText& field(std::string_view name, std::string_view value) {
    text_.append(" ").append(name).append("=\"");
    for (const char c : value) {
      if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
        text_ += c;
      } else {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        text_.append("\\x").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
      }
    }
    text_ += '"';
    return *this;
  }
  template <std::integral T>
  FactText& field(std::string_view name, T value) {
    text_.append(" ").append(name).append("=").append(std::to_string(value));
    return *this;
  }
  FactText& field(std::string_view name, hub::TimePoint time) {
    return field(name, hub::to_unix_ms(time));
  }
  FactText& field(std::string_view name, const std::optional<hub::TimePoint>& time) {
    return time ? field(name, *time) : *this;
  }
  FactText& field(std::string_view name, const hub::MessageId& id) {
    return field(std::string{name} + "_type", static_cast<int>(id.type)).field(name, id.text);
  }
  FactText& fields(const hub::MessageContent& content) {
    field("message_id", content.message_id).field("correlation_id", content.correlation_id);
    field("user_id", content.user_id).field("to", content.to);
    field("content_type", content.content_type).field("content_encoding", content.content_encoding);
    field("absolute_expiry", content.absolute_expiry);
    for (const auto& [name, value] : content.properties) {
      field("property", name);
      if (value) field("value", *value);
    }
    return field("body", content.body);
  }
  void line(std::string_view kind) { text_.append("\n").append(kind); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

inline std::string to_text(const hub::Snapshot& snapshot) {
  FactText out;
  for (const auto& device : snapshot.devices) {
    out.line("device");
    out.field("id", device.id.name()).field("managed_by", device.managed_by);
    out.field("generation", device.generation_id);
    out.field("etag", device.etag).field("status", static_cast<int>(device.status));
    out.field("reason", device.status_reason).field("updated", device.status_updated_time);
    const auto& authentication = device.authentication;
    out.field("type", static_cast<int>(authentication.type));
    out.field("primary_key", authentication.primary_key);
    out.field("secondary_key", authentication.secondary_key);
    out.field("primary_thumbprint", authentication.primary_thumbprint);
    out.field("secondary_thumbprint", authentication.secondary_thumbprint);
    out.field("edge", static_cast<int>(device.iot_edge)).field("scope", device.device_scope);
    out.field("parent", device.parent_scope);
    out.field("created", device.created_time);
  }
  for (const auto& [queue, message, delivery_count] : snapshot.messages) {
    out.line("message");
    out.field("queue", queue.device.text).field("sequence", message->sequence_number);
    out.field("count", delivery_count).field("enqueued", message->enqueued_time);
    out.field("expires", message->expires_at).field("ack", static_cast<int>(message->ack));
    out.field("ack_given", static_cast<int>(message->ack_given)).fields(message->content);
  }
  for (const auto& [queue, last] : snapshot.counters) {
    out.line("counter");
    out.field("queue", queue.device.text).field("last", last);
  }
  for (const auto& record : snapshot.feedback_records) {
    out.line("record");
    out.field("id", record.record_id).field("message_id", record.original_message_id);
    out.field("time", record.enqueued_time).field("status", static_cast<int>(record.status));
    out.field("device", record.device_id.text).field("generation", record.device_generation_id);
  }
  for (const auto& [device, state] : snapshot.mqtt_sessions) {
    out.line("session");
    out.field("device", device.name());
    for (const auto& subscription : state.subscriptions) {
      out.field("filter", subscription.filter).field("qos", subscription.qos);
      out.field("first", subscription.first_sequence);
    }
  }
  for (const auto& [partition, event] : snapshot.events) {
    out.line("event");
    out.field("partition", partition).field("sequence", event->sequence_number);
    out.field("offset", event->offset).field("enqueued", event->enqueued_time);
    out.field("device", event->origin->device.text).field("module", event->origin->device.module);
    out.field("generation", event->origin->auth_generation_id)
        .field("method", event->origin->auth_method);
    out.field("source", event->message_source).field("interface", event->interface_id);
    out.field("schema", event->origin->data_schema).field("subject", event->subject);
    out.fields(event->content);
  }
  return out.take();
}

}  // namespace model_test
