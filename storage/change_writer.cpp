#include "storage/change_writer.hpp"

#include "emulator/core/base/error.hpp"
#include "storage/codes.hpp"
#include "storage/property_codec.hpp"

#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace storage {
namespace {

// SQLite's integers are signed; a sequence number that large is a mistake of ours.
std::int64_t signed_of(std::uint64_t number) {
  HUB_ASSERT(number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  return static_cast<std::int64_t>(number);
}

std::optional<std::int64_t> ms_of(const std::optional<hub::TimePoint>& time) {
  return time ? std::optional{hub::to_unix_ms(*time)} : std::nullopt;
}

Statement& put_id(Statement& statement, const hub::DeviceId& id) {
  return statement.put_text(id.text).put_text(id.module);
}

void put_message_id(Statement& statement, const hub::MessageId& id) {
  statement.put(code_of(id.type)).put_blob(id.text);
}

// The columns message_id_type .. body. `properties`: encoded; must live until the statement ran.
void put_content(Statement& statement, const hub::MessageContent& content,
                 std::string_view properties) {
  put_message_id(statement, content.message_id);
  put_message_id(statement, content.correlation_id);
  statement.put_blob(content.user_id)
      .put_blob(content.to)
      .put_blob(content.content_type)
      .put_blob(content.content_encoding)
      .put_int(ms_of(content.absolute_expiry))
      .put_blob(properties)
      .put_blob(content.body);
}

// Which of `changes` are an enqueueing whose removal follows, or that removal. Looked at from the
// end, for the order counts: a number may come again once its device was deleted.
std::vector<bool> undone(std::span<const hub::Change> changes) {
  std::vector<bool> result(changes.size());
  std::map<std::pair<std::string_view, hub::SequenceNumber>, std::size_t> removals;
  for (auto i = changes.size(); i-- > 0;) {
    if (const auto* removed = std::get_if<hub::change::MessageRemoved>(&changes[i])) {
      removals.insert_or_assign({removed->queue.device.text, removed->sequence_number}, i);
    } else if (removals.empty()) {
      continue;
    } else if (const auto* enqueued = std::get_if<hub::change::MessageEnqueued>(&changes[i])) {
      const auto removal =
          removals.find({enqueued->queue.device.text, enqueued->message->sequence_number});
      if (removal != removals.end()) result[i] = result[removal->second] = true;
    }
  }
  return result;
}

}  // namespace

ChangeWriter::ChangeWriter(Database& database)
    : put_device_(database,
                  "INSERT OR REPLACE INTO device (id, module, managed_by, generation_id, etag,"
                  " status, status_reason, status_updated_time, authentication_type, primary_key,"
                  " secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge,"
                  " device_scope, parent_scope, created_time)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      delete_device_(database, "DELETE FROM device WHERE id = ? AND module = ?"),
      delete_queue_(database, "DELETE FROM message WHERE queue = ?"),
      delete_counter_(database, "DELETE FROM sequence_counter WHERE queue = ?"),
      delete_device_records_(database, "DELETE FROM feedback_record WHERE device = ?"),
      put_counter_(database, "INSERT OR REPLACE INTO sequence_counter (queue, last) VALUES (?, ?)"),
      insert_message_(database,
                      "INSERT INTO message (queue, sequence_number, delivery_count, enqueued_time,"
                      " expires_at, ack, ack_given, message_id_type, message_id,"
                      " correlation_id_type, correlation_id, user_id, to_address, content_type,"
                      " content_encoding, absolute_expiry, properties, body)"
                      " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      delete_message_(database, "DELETE FROM message WHERE queue = ? AND sequence_number = ?"),
      set_delivery_count_(
          database,
          "UPDATE message SET delivery_count = ? WHERE queue = ? AND sequence_number = ?"),
      insert_record_(database,
                     "INSERT INTO feedback_record (record_id, message_id_type, message_id,"
                     " enqueued_time, status, device, device_generation_id)"
                     " VALUES (?, ?, ?, ?, ?, ?, ?)"),
      delete_record_(database, "DELETE FROM feedback_record WHERE record_id = ?"),
      put_session_(database, "INSERT OR REPLACE INTO mqtt_session (device, module) VALUES (?, ?)"),
      delete_session_(database, "DELETE FROM mqtt_session WHERE device = ? AND module = ?"),
      insert_subscription_(database,
                           "INSERT INTO mqtt_subscription (device, module, position, filter, qos,"
                           " first_sequence) VALUES (?, ?, ?, ?, ?, ?)"),
      delete_subscriptions_(database,
                            "DELETE FROM mqtt_subscription WHERE device = ? AND module = ?"),
      insert_event_(database,
                    "INSERT INTO event (partition, sequence_number, byte_offset, enqueued_time,"
                    " connection_device_id, connection_module_id, auth_generation_id, auth_method,"
                    " message_source, interface_id, data_schema, subject, message_id_type,"
                    " message_id, correlation_id_type, correlation_id, user_id, to_address,"
                    " content_type, content_encoding, absolute_expiry, properties, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                    " ?)"),
      trim_events_(database, "DELETE FROM event WHERE partition = ? AND sequence_number < ?") {}

void ChangeWriter::write(std::span<const hub::Change> changes) {
  counters_.clear();
  const auto skip = undone(changes);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (const auto* enqueued = std::get_if<hub::change::MessageEnqueued>(&changes[i])) {
      counters_[enqueued->queue.device.text] = enqueued->message->sequence_number;
    }
    if (!skip[i]) std::visit([this](const auto& change) { write_one(change); }, changes[i]);
  }
  write_counters();
}

void ChangeWriter::write_one(const hub::change::DevicePut& change) {
  const auto& identity = change.identity;
  put_id(put_device_, identity.id)
      .put_text(identity.managed_by)
      .put_text(identity.generation_id)
      .put_text(identity.etag)
      .put(code_of(identity.status))
      .put_text(identity.status_reason)
      .put_int(ms_of(identity.status_updated_time))
      .put(code_of(identity.authentication.type))
      .put_text(identity.authentication.primary_key)
      .put_text(identity.authentication.secondary_key)
      .put_text(identity.authentication.primary_thumbprint)
      .put_text(identity.authentication.secondary_thumbprint)
      .put(identity.iot_edge ? 1 : 0)
      .put_text(identity.device_scope)
      .put_text(identity.parent_scope)
      .put(hub::to_unix_ms(identity.created_time))
      .run();
}

void ChangeWriter::write_one(const hub::change::DeviceDeleted& change) {
  put_id(delete_device_, change.id).run();
  remove_mqtt_session(change.id);
  if (change.id.is_module()) return;  // the queue is the device's
  const std::string_view device = change.id.text;
  counters_.erase(device);
  for (auto* statement : {&delete_queue_, &delete_counter_, &delete_device_records_}) {
    statement->put_text(device).run();
  }
}

void ChangeWriter::write_one(const hub::change::MessageEnqueued& change) {
  const auto& message = *change.message;
  insert_message_.put_text(change.queue.device.text)
      .put(signed_of(message.sequence_number))
      .put(hub::to_unix_ms(message.enqueued_time))
      .put(hub::to_unix_ms(message.expires_at))
      .put(code_of(message.ack))
      .put(message.ack_given ? 1 : 0);
  const auto properties = encode_properties(message.content.properties);
  put_content(insert_message_, message.content, properties);
  insert_message_.run();
}

void ChangeWriter::write_one(const hub::change::MessageRemoved& change) {
  delete_message_.put_text(change.queue.device.text).put(signed_of(change.sequence_number)).run();
}

void ChangeWriter::write_one(const hub::change::DeliveryCountSet& change) {
  set_delivery_count_.put(change.count)
      .put_text(change.queue.device.text)
      .put(signed_of(change.sequence_number))
      .run();
}

void ChangeWriter::write_one(const hub::change::FeedbackRecordAdded& change) {
  const auto& record = change.record;
  insert_record_.put(signed_of(record.record_id));
  put_message_id(insert_record_, record.original_message_id);
  insert_record_.put(hub::to_unix_ms(record.enqueued_time))
      .put(code_of(record.status))
      .put_text(record.device_id.text)
      .put_text(record.device_generation_id)
      .run();
}

void ChangeWriter::write_one(const hub::change::FeedbackRecordsRemoved& change) {
  for (const auto id : change.record_ids) delete_record_.put(signed_of(id)).run();
}

void ChangeWriter::write_one(const hub::change::MqttSessionPut& change) {
  put_id(put_session_, change.device).run();
  put_id(delete_subscriptions_, change.device).run();
  int position = 0;
  for (const auto& subscription : change.state.subscriptions) {
    put_id(insert_subscription_, change.device)
        .put(position++)
        .put_blob(subscription.filter)
        .put(subscription.qos)
        .put(signed_of(subscription.first_sequence))
        .run();
  }
}

void ChangeWriter::write_one(const hub::change::MqttSessionRemoved& change) {
  remove_mqtt_session(change.device);
}

void ChangeWriter::write_one(const hub::change::EventAppended& change) {
  const auto& event = *change.event;
  insert_event_.put(change.partition)
      .put(signed_of(event.sequence_number))
      .put(signed_of(event.offset))
      .put(hub::to_unix_ms(event.enqueued_time))
      .put_text(event.origin->device.text)
      .put_text(event.origin->device.module)
      .put_text(event.origin->auth_generation_id)
      .put_text(event.origin->auth_method)
      .put_text(event.message_source)
      .put_blob(event.interface_id)
      .put_blob(event.origin->data_schema)
      .put_blob(event.subject);
  const auto properties = encode_properties(event.content.properties);
  put_content(insert_event_, event.content, properties);
  insert_event_.run();
}

void ChangeWriter::write_one(const hub::change::EventsTrimmed& change) {
  trim_events_.put(change.partition).put(signed_of(change.first_kept)).run();
}

void ChangeWriter::write_counters() {
  for (const auto& [queue, last] : counters_) {
    put_counter_.put_text(queue).put(signed_of(last)).run();
  }
}

void ChangeWriter::remove_mqtt_session(const hub::DeviceId& id) {
  put_id(delete_session_, id).run();
  put_id(delete_subscriptions_, id).run();
}

}  // namespace storage
