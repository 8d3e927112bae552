#include "storage/snapshot_reader.hpp"

#include "storage/codes.hpp"
#include "storage/property_codec.hpp"

#include <memory>
#include <utility>

namespace storage {
namespace {

class SnapshotReader {
 public:
  explicit SnapshotReader(Database& database) : database_(database) {}

  hub::Snapshot read() {
    hub::Snapshot snapshot;
    read_devices(snapshot);
    read_messages(snapshot);
    read_counters(snapshot);
    read_feedback_records(snapshot);
    read_mqtt_sessions(snapshot);
    read_events(snapshot);
    return snapshot;
  }

 private:
  void read_devices(hub::Snapshot& snapshot) {
    Statement row{database_,
                  "SELECT id, module, managed_by, generation_id, etag, status, status_reason,"
                  " status_updated_time, authentication_type, primary_key, secondary_key,"
                  " primary_thumbprint, secondary_thumbprint, iot_edge, device_scope, parent_scope,"
                  " created_time"
                  " FROM device ORDER BY id, module"};
    while (row.next()) {
      auto& device = snapshot.devices.emplace_back();
      device.id = take_id(row);
      device.managed_by = row.take_string();
      device.generation_id = row.take_string();
      device.etag = row.take_string();
      device.status = take_name(row, hub::DeviceStatus::disabled);
      device.status_reason = row.take_string();
      device.status_updated_time = take_optional_time(row);
      device.authentication.type = take_name(row, hub::AuthenticationType::none);
      device.authentication.primary_key = row.take_string();
      device.authentication.secondary_key = row.take_string();
      device.authentication.primary_thumbprint = row.take_string();
      device.authentication.secondary_thumbprint = row.take_string();
      device.iot_edge = row.take_int() != 0;
      device.device_scope = row.take_string();
      device.parent_scope = row.take_string();
      device.created_time = take_time(row);
    }
  }

  void read_messages(hub::Snapshot& snapshot) {
    Statement row{database_,
                  "SELECT queue, sequence_number, delivery_count, enqueued_time, expires_at, ack,"
                  " ack_given, message_id_type, message_id, correlation_id_type, correlation_id,"
                  " user_id, to_address, content_type, content_encoding, absolute_expiry,"
                  " properties, body"
                  " FROM message ORDER BY queue, sequence_number"};
    while (row.next()) {
      auto& queued = snapshot.messages.emplace_back();
      auto message = std::make_shared<hub::Message>();
      queued.queue.device.text = row.take_string();
      message->sequence_number = take_unsigned(row);
      queued.delivery_count = static_cast<std::uint32_t>(row.take_int());
      message->enqueued_time = take_time(row);
      message->expires_at = take_time(row);
      message->ack = take_name(row, hub::Ack::full);
      message->ack_given = row.take_int() != 0;
      take_content(row, message->content);
      queued.message = std::move(message);
    }
  }

  void read_counters(hub::Snapshot& snapshot) {
    Statement row{database_, "SELECT queue, last FROM sequence_counter ORDER BY queue"};
    while (row.next()) {
      auto& counter = snapshot.counters.emplace_back();
      counter.queue.device.text = row.take_string();
      counter.last = take_unsigned(row);
    }
  }

  void read_feedback_records(hub::Snapshot& snapshot) {
    Statement row{database_,
                  "SELECT record_id, message_id_type, message_id, enqueued_time, status, device,"
                  " device_generation_id FROM feedback_record ORDER BY record_id"};
    while (row.next()) {
      auto& record = snapshot.feedback_records.emplace_back();
      record.record_id = take_unsigned(row);
      record.original_message_id = take_message_id(row);
      record.enqueued_time = take_time(row);
      record.status = take_name(row, hub::Outcome::Kind::purged);
      record.device_id.text = row.take_string();
      record.device_generation_id = row.take_string();
    }
  }

  void read_mqtt_sessions(hub::Snapshot& snapshot) {
    Statement row{database_, "SELECT device, module FROM mqtt_session ORDER BY device, module"};
    Statement subscription_row{database_,
                               "SELECT filter, qos, first_sequence FROM mqtt_subscription"
                               " WHERE device = ? AND module = ? ORDER BY position"};
    while (row.next()) {
      auto& session = snapshot.mqtt_sessions.emplace_back();
      session.device = take_id(row);
      subscription_row.put_text(session.device.text).put_text(session.device.module);
      while (subscription_row.next()) {
        auto& subscription = session.state.subscriptions.emplace_back();
        subscription.filter = subscription_row.take_string();
        subscription.qos = static_cast<std::uint8_t>(subscription_row.take_int());
        subscription.first_sequence = take_unsigned(subscription_row);
      }
    }
  }

  void read_events(hub::Snapshot& snapshot) {
    hub::TelemetryOriginPtr last;
    Statement row{database_,
                  "SELECT partition, sequence_number, byte_offset, enqueued_time,"
                  " connection_device_id, connection_module_id, auth_generation_id, auth_method,"
                  " message_source, interface_id, data_schema, subject, message_id_type,"
                  " message_id, correlation_id_type, correlation_id, user_id, to_address,"
                  " content_type, content_encoding, absolute_expiry, properties, body FROM event "
                  "ORDER BY partition, sequence_number"};
    while (row.next()) {
      auto& stored = snapshot.events.emplace_back();
      auto event = std::make_shared<hub::TelemetryMessage>();
      stored.partition = static_cast<std::uint32_t>(row.take_int());
      event->sequence_number = take_unsigned(row);
      event->offset = take_unsigned(row);
      event->enqueued_time = take_time(row);
      hub::TelemetryOrigin origin;
      origin.device.text = row.take_string();
      origin.device.module = row.take_string();
      origin.auth_generation_id = row.take_string();
      origin.auth_method = row.take_string();
      event->message_source = row.take_string();
      event->interface_id = row.take_string();
      origin.data_schema = row.take_string();
      event->subject = row.take_string();
      // As they were sent: one for all that follow each other (D2C-02).
      if (!last || *last != origin)
        last = std::make_shared<const hub::TelemetryOrigin>(std::move(origin));
      event->origin = last;
      take_content(row, event->content);
      stored.event = std::move(event);
    }
  }

  // The columns message_id_type .. body.
  void take_content(Statement& row, hub::MessageContent& content) {
    content.message_id = take_message_id(row);
    content.correlation_id = take_message_id(row);
    content.user_id = row.take_string();
    content.to = row.take_string();
    content.content_type = row.take_string();
    content.content_encoding = row.take_string();
    content.absolute_expiry = take_optional_time(row);
    auto properties = decode_properties(row.take_bytes());
    if (!properties) throw database_.damaged("application properties cannot be read");
    content.properties = std::move(*properties);
    content.body = row.take_string();
  }

  static hub::DeviceId take_id(Statement& row) {
    auto device = row.take_string();
    return {std::move(device), row.take_string()};
  }

  hub::MessageId take_message_id(Statement& row) {
    const auto type = take_name(row, hub::MessageId::Type::binary);
    return {type, row.take_string()};
  }

  template <class Enum>
  Enum take_name(Statement& row, Enum last) {
    const auto code = row.take_int();
    if (const auto name = name_of_code(code, last)) return *name;
    throw database_.damaged("unknown code " + std::to_string(code));
  }

  static std::uint64_t take_unsigned(Statement& row) {
    return static_cast<std::uint64_t>(row.take_int());
  }
  static hub::TimePoint take_time(Statement& row) { return hub::from_unix_ms(row.take_int()); }
  static std::optional<hub::TimePoint> take_optional_time(Statement& row) {
    const auto ms = row.take_optional_int();
    return ms ? std::optional{hub::from_unix_ms(*ms)} : std::nullopt;
  }

  Database& database_;
};

}  // namespace

hub::Snapshot read_snapshot(Database& database) { return SnapshotReader{database}.read(); }

}  // namespace storage
