#pragma once
// The hub's queues and feedback as plainly as spec/c2d.md 2.6 says them: vectors, full scans, no
// index and no cleverness. What it says, the hub must say.
#include "emulator/core/hub/hub.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace model_test {

enum class Verb { complete, reject, abandon, release };
inline std::string name_of(Verb verb) {
  switch (verb) {
    case Verb::complete:
      return "complete";
    case Verb::reject:
      return "reject";
    case Verb::abandon:
      return "abandon";
    case Verb::release:
      return "release";
  }
  return {};
}

struct ModelLock {
  hub::LockToken token;
  hub::HolderId holder = 0;  // 0: HTTPS
  hub::TimePoint deadline{};
};

struct ModelMessage {
  hub::SequenceNumber sequence = 0;
  std::string body;
  std::string message_id;
  hub::Ack ack = hub::Ack::none;
  hub::TimePoint enqueued{};
  hub::TimePoint expires{};
  std::uint32_t delivery_count = 0;
  bool published = false;         // over MQTT, in this session state
  hub::HolderId not_for = 0;      // redeliverOnLiveConnection=false: let its lock time out
  std::optional<ModelLock> lock;  // Invisible
};

struct ModelQueue {
  std::vector<ModelMessage> messages;  // live ones, by sequence number
  hub::SequenceNumber last = 0;
  std::string generation;
  bool enabled = true;
  std::optional<hub::MqttSessionState> session;
  hub::SequenceNumber rejected_below = 0;  // while an MQTT receiver is there
};

struct ModelRecord {
  std::string message_id;
  hub::TimePoint time{};
  hub::Outcome::Kind kind{};
  std::string device;
  std::string generation;
};

// What the metrics and the law of conservation count, since the start of this hub.
struct ModelCounts {
  std::uint64_t restored = 0, sent = 0, delivered = 0, abandoned = 0;
  std::uint64_t completed = 0, expired = 0, exceeded = 0, rejected = 0, purged = 0;
  std::uint64_t records = 0, dropped = 0;
};

class Model {
 public:
  Model(const hub::Settings& settings, const hub::Limits& limits)
      : settings_(settings), limits_(limits) {}

  void run_timers(hub::TimePoint now);  // all with t <= now, in the order of 2.7

  std::optional<hub::HubErrc> send(const std::string& device, ModelMessage message,
                                   hub::TimePoint now);
  // The message a receiver gets now: lowest sequence number it may have; nullptr: none.
  ModelMessage* next_for(const std::string& queue, hub::HolderId holder, hub::SequenceNumber first);
  bool is_current(const std::string& queue, const hub::LockToken& token, hub::HolderId holder);
  // False: the token is not current, nothing changed.
  bool settle(const std::string& queue, const hub::LockToken& token, hub::HolderId holder,
              Verb verb, hub::TimePoint now);
  void release_all(const std::string& queue, hub::HolderId holder, hub::TimePoint now);
  // An MQTT receiver begins that may have what is sent from `first` on; 0: it ended.
  void begin_subscription(const std::string& queue, hub::SequenceNumber first, hub::TimePoint now);
  std::size_t purge(const std::string& device, hub::TimePoint now);
  void remove_device(const std::string& device);
  void restart();              // locks are gone and were never counted
  std::uint64_t live() const;  // C2D messages, of all devices
  std::optional<hub::TimePoint> next_timer() const;

  std::map<std::string, ModelQueue> queues{{"", {}}};  // by device; "": the feedback
  std::deque<ModelRecord> pending;                     // records not yet seen in a batch
  ModelCounts counts;

 private:
  struct Timer;
  std::optional<Timer> first_timer() const;
  bool counts_returns() const {
    return settings_.delivery_count_mode == hub::DeliveryCountMode::every_return;
  }
  void give_back(const std::string& queue, std::size_t index, bool counted, hub::TimePoint time);
  void finish(const std::string& queue, std::size_t index, hub::Outcome::Kind kind,
              hub::TimePoint time);

  hub::Settings settings_;
  hub::Limits limits_;
};

}  // namespace model_test
