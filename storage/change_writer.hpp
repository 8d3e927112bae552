#pragma once
// Changes -> rows, within the caller's transaction. Prepared once; statements live as long as this.
#include "emulator/core/store/change.hpp"
#include "storage/sqlite.hpp"

#include <span>
#include <string_view>
#include <unordered_map>

namespace storage {

class ChangeWriter {
 public:
  explicit ChangeWriter(Database& database);

  // In order. Leaves out what `changes` themselves undo: a message that comes and goes within them
  // only moves its queue's counter (ST-08).
  void write(std::span<const hub::Change> changes);

 private:
  void write_one(const hub::change::DevicePut& change);
  void write_one(const hub::change::DeviceDeleted& change);
  void write_one(const hub::change::MessageEnqueued& change);
  void write_one(const hub::change::MessageRemoved& change);
  void write_one(const hub::change::DeliveryCountSet& change);
  void write_one(const hub::change::FeedbackRecordAdded& change);
  void write_one(const hub::change::FeedbackRecordsRemoved& change);
  void write_one(const hub::change::MqttSessionPut& change);
  void write_one(const hub::change::MqttSessionRemoved& change);
  void write_one(const hub::change::EventAppended& change);
  void write_one(const hub::change::EventsTrimmed& change);
  void write_counters();
  void remove_mqtt_session(const hub::DeviceId& id);

  // Counters moved by the changes being written: one row each, however many messages.
  std::unordered_map<std::string_view, hub::SequenceNumber> counters_;

  Statement put_device_;
  Statement delete_device_;
  Statement delete_queue_;
  Statement delete_counter_;
  Statement delete_device_records_;
  Statement put_counter_;
  Statement insert_message_;
  Statement delete_message_;
  Statement set_delivery_count_;
  Statement insert_record_;
  Statement delete_record_;
  Statement put_session_;
  Statement delete_session_;
  Statement insert_subscription_;
  Statement delete_subscriptions_;
  Statement insert_event_;
  Statement trim_events_;
};

}  // namespace storage
