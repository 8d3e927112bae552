#pragma once
// What the hub has acknowledged, what is in doubt because the answer never came, and what follows
// from both for the database that a kill leaves. Each operation is told before it goes out
// (*_begins) and after its answer; what lies between the two when the kill comes may have happened
// or not, and the check settles it: from then on it is certain again.
//
// Evidence counts as an acknowledgement: a delivery proves its send, a feedback record its outcome,
// for the hub lets neither out before it is stored. Thread-safe.
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/registry_client.hpp"
#include "tests/durability/stored.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace durability {

// The content of a message follows from its id and size, so that each delivery can be checked.
std::string body_of(const std::string& message_id, std::size_t size);

class Ledger {
 public:
  explicit Ledger(unsigned max_delivery_count) : max_delivery_count_(max_delivery_count) {}

  // ---- cloud-to-device messages
  void send_begins(const std::string& device, const iothub::Message& message);
  void send_acknowledged(const std::string& message_id);
  void send_refused(const std::string& message_id);
  void delivered(const std::string& device, const iothub::ReceivedMessage& message);
  void settle_begins(const std::string& message_id, iothub::Disposition disposition);
  void settle_acknowledged(const std::string& message_id, iothub::Disposition disposition);
  void settle_refused(const std::string& message_id, iothub::Disposition disposition);  // lock lost
  std::vector<std::string> purge_begins(const std::string& device);  // what has to go
  void purge_acknowledged(const std::vector<std::string>& message_ids, std::uint64_t count);

  // ---- feedback
  void batch_received(const iothub::FeedbackBatch& batch);
  void batch_completion_begins(const iothub::FeedbackBatch& batch);
  void batch_completed(const iothub::FeedbackBatch& batch);

  // ---- registry; only one thread at a time works on one device
  void create_begins(const std::string& device);
  void update_begins(const iothub::DeviceIdentity& wanted);
  void put_acknowledged(const iothub::DeviceIdentity& device);  // created or updated
  void delete_begins(const std::string& device);
  void delete_acknowledged(const std::string& device);
  void got(const std::string& device, const std::optional<iothub::DeviceIdentity>& answer);
  std::vector<iothub::DeviceIdentity> devices() const;

  // ---- telemetry: one send or one batch
  void telemetry_begins(const std::vector<std::string>& message_ids);
  void telemetry_acknowledged(const std::vector<std::string>& message_ids);

  // Something went wrong that is no matter of storage.
  void report(std::string problem);

  // Compares with what a kill left, and settles all that is in doubt.
  void check(const Stored& stored);

  // After a check: how many messages are in its queue; those that expire may be gone already.
  std::pair<std::size_t, std::size_t> waiting(const std::string& device) const;
  bool settled() const;  // after a check: no message and no feedback is left
  std::vector<std::string> problems() const;
  std::map<std::string, std::uint64_t> acknowledged() const;  // how many, by kind of operation
  std::uint64_t operations() const;                           // ... all of them

 private:
  enum class Certainty { no, in_doubt, yes };
  using Outcomes = std::set<std::string>;  // as feedback records name them

  struct Entry {
    std::string device, ack;
    std::size_t body_size = 0;
    std::optional<iothub::TimePoint> expires_at;
    Certainty stored = Certainty::in_doubt;
    unsigned abandons = 0, abandons_in_doubt = 0;
    Certainty settled = Certainty::no;
    std::string outcome;                 // of `settled`
    Certainty consumed = Certainty::no;  // its feedback record
    bool numbered = false;               // its sequence number was compared
    bool dead = false;                   // never to be in a queue again
    Outcomes reported;                   // once dead: what its record may say; none: no record
  };

  struct Device {
    enum class Pending { none, create, update, remove };
    std::optional<iothub::DeviceIdentity> known;
    Pending pending = Pending::none;
    iothub::DeviceIdentity wanted;
  };

  struct Send {
    std::vector<std::string> message_ids;
    bool acknowledged = false;
  };

  Entry* find(const std::string& message_id, const char* where);
  Outcomes possible_outcomes(const Entry& entry) const;
  void bury(const std::string& id, Entry& entry, const Outcomes& outcomes, bool record_may_vanish);
  void bury_all_of(const std::string& device);
  void check_devices(const Stored& stored);
  void check_device(const std::string& id, Device& device, const StoredDevice* row);
  void check_messages(const Stored& stored);
  void check_present(const std::string& id, Entry& entry, const Stored& stored);
  void check_absent(const std::string& id, Entry& entry);
  void check_records(const Stored& stored);
  void check_telemetry(const Stored& stored);
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  const unsigned max_delivery_count_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;  // every message there ever was
  std::set<std::string> live_;                      // ... that may be in a queue
  std::set<std::string> owed_;                      // ... that is dead and whose record has to come
  std::set<std::string> in_completion_;             // ... whose record's batch is being completed
  std::map<std::string, Device> devices_;
  std::map<std::string, std::uint64_t> last_sequence_;  // at the last check
  std::vector<Send> telemetry_;                         // since the last check
  std::vector<std::string> problems_;
  std::map<std::string, std::uint64_t> acknowledged_;
};

}  // namespace durability
