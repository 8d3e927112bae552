#pragma once
// A Store without a disk: what the committer would have written, in maps.
#include "emulator/core/store/store.hpp"

#include <map>
#include <string>
#include <utility>

namespace test {

class MemoryStore : public hub::Store {
 public:
  hub::Snapshot load() override {
    hub::Snapshot out;
    for (const auto& [id, identity] : devices_) out.devices.push_back(identity);
    for (const auto& [queue, last] : counters_) out.counters.push_back({{{queue}}, last});
    for (const auto& [key, stored] : messages_) out.messages.push_back(stored);
    for (const auto& [id, record] : records_) out.feedback_records.push_back(record);
    for (const auto& [id, state] : sessions_) out.mqtt_sessions.push_back({id, state});
    for (const auto& [key, event] : events_) out.events.push_back({key.first, event});
    return out;
  }

  void apply(std::span<const hub::Change> changes) override {
    for (const hub::Change& change : changes) {
      std::visit([this](const auto& fact) { put(fact); }, change);
    }
  }

 private:
  using Key = std::pair<std::string, hub::SequenceNumber>;

  void put(const hub::change::DevicePut& c) { devices_[c.identity.id] = c.identity; }
  void put(const hub::change::DeviceDeleted& c) {
    devices_.erase(c.id);
    sessions_.erase(c.id);
    if (c.id.is_module()) return;
    counters_.erase(c.id.text);
    std::erase_if(messages_, [&](const auto& m) { return m.first.first == c.id.text; });
    std::erase_if(records_, [&](const auto& r) { return r.second.device_id == c.id; });
  }
  void put(const hub::change::MessageEnqueued& c) {
    const auto sequence = c.message->sequence_number;
    messages_[{c.queue.device.text, sequence}] = {c.queue, c.message, 0};
    counters_[c.queue.device.text] = sequence;
  }
  void put(const hub::change::MessageRemoved& c) {
    messages_.erase({c.queue.device.text, c.sequence_number});
  }
  void put(const hub::change::DeliveryCountSet& c) {
    messages_.at({c.queue.device.text, c.sequence_number}).delivery_count = c.count;
  }
  void put(const hub::change::FeedbackRecordAdded& c) { records_[c.record.record_id] = c.record; }
  void put(const hub::change::FeedbackRecordsRemoved& c) {
    for (const auto id : c.record_ids) records_.erase(id);
  }
  void put(const hub::change::MqttSessionPut& c) { sessions_[c.device] = c.state; }
  void put(const hub::change::MqttSessionRemoved& c) { sessions_.erase(c.device); }
  void put(const hub::change::EventAppended& c) {
    events_[{c.partition, c.event->sequence_number}] = c.event;
  }
  void put(const hub::change::EventsTrimmed& c) {
    std::erase_if(events_, [&](const auto& e) {
      return e.first.first == c.partition && e.first.second < c.first_kept;
    });
  }

  std::map<hub::DeviceId, hub::DeviceIdentity> devices_;
  std::map<std::string, hub::SequenceNumber> counters_;
  std::map<Key, hub::Snapshot::QueuedMessage> messages_;
  std::map<std::uint64_t, hub::FeedbackRecord> records_;
  std::map<hub::DeviceId, hub::MqttSessionState> sessions_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, hub::TelemetryPtr> events_;
};

}  // namespace test
