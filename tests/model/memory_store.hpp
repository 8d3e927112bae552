#pragma once
// A Store in maps: what a Change means, as plainly as it can be said. The model of SqliteStore, and
// the store of the core's restart tests.
#include "emulator/core/store.hpp"

#include <map>
#include <string>
#include <utility>

namespace hub_test {

class MemoryStore : public hub::Store {
 public:
  hub::Snapshot load() override {
    hub::Snapshot snapshot;
    for (const auto& [id, identity] : devices_) snapshot.devices.push_back(identity);
    for (const auto& [key, message] : messages_) {
      snapshot.messages.push_back({key.first, message.first, message.second});
    }
    for (const auto& [queue, last] : counters_) snapshot.counters.push_back({queue, last});
    for (const auto& [id, record] : records_) snapshot.feedback_records.push_back(record);
    for (const auto& [device, state] : sessions_) snapshot.mqtt_sessions.push_back({device, state});
    for (const auto& [key, event] : events_) snapshot.events.push_back({key.first, event});
    return snapshot;
  }

  void apply(std::span<const hub::Change> changes) override {
    for (const auto& change : changes) {
      std::visit([this](const auto& fact) { apply_one(fact); }, change);
    }
  }

 private:
  void apply_one(const hub::change::DevicePut& fact) {
    devices_.insert_or_assign(fact.identity.id, fact.identity);
  }
  void apply_one(const hub::change::DeviceDeleted& fact) {
    devices_.erase(fact.id);
    std::erase_if(messages_, [&](const auto& row) { return row.first.first.device == fact.id; });
    counters_.erase({fact.id});
    std::erase_if(records_, [&](const auto& row) { return row.second.device_id == fact.id; });
    sessions_.erase(fact.id);
  }
  void apply_one(const hub::change::MessageEnqueued& fact) {
    messages_[{fact.queue, fact.message->sequence_number}] = {fact.message, 0};
    counters_[fact.queue] = fact.message->sequence_number;
  }
  void apply_one(const hub::change::MessageRemoved& fact) {
    messages_.erase({fact.queue, fact.sequence_number});
  }
  void apply_one(const hub::change::DeliveryCountSet& fact) {
    const auto found = messages_.find({fact.queue, fact.sequence_number});
    if (found != messages_.end()) found->second.second = fact.count;
  }
  void apply_one(const hub::change::FeedbackRecordAdded& fact) {
    records_[fact.record.record_id] = fact.record;
  }
  void apply_one(const hub::change::FeedbackRecordsRemoved& fact) {
    for (const auto id : fact.record_ids) records_.erase(id);
  }
  void apply_one(const hub::change::MqttSessionPut& fact) { sessions_[fact.device] = fact.state; }
  void apply_one(const hub::change::MqttSessionRemoved& fact) { sessions_.erase(fact.device); }
  void apply_one(const hub::change::EventAppended& fact) {
    events_[{fact.partition, fact.event->sequence_number}] = fact.event;
  }
  void apply_one(const hub::change::EventsTrimmed& fact) {
    std::erase_if(events_, [&](const auto& row) {
      return row.first.first == fact.partition && row.first.second < fact.first_kept;
    });
  }

  std::map<hub::DeviceId, hub::DeviceIdentity> devices_;
  std::map<std::pair<hub::QueueId, hub::SequenceNumber>, std::pair<hub::MessagePtr, std::uint32_t>>
      messages_;
  std::map<hub::QueueId, hub::SequenceNumber> counters_;
  std::map<std::uint64_t, hub::FeedbackRecord> records_;
  std::map<hub::DeviceId, hub::MqttSessionState> sessions_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, hub::TelemetryPtr> events_;
};

}  // namespace hub_test
