#pragma once
// The queue of one receiver: a device's cloud-to-device messages, or the hub's feedback.
//   enqueued --receive--> invisible --complete--> completed
//       ^                    |  \-----reject----> dead-lettered
//       +--abandon, timeout--+          expiry, too many deliveries --> dead-lettered
// Pure: no I/O, no clock, no lock. The caller passes `now` (UTC, ms), serialises calls and calls
// on_time(now) before anything else, so that timers win over commands of the same instant (C2D-24).
// Errors are those named below; a broken invariant aborts. Source: docs/fidelity.md C2D-01..26.
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/message.hpp"
#include "emulator/core/base/outcome.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/settings/limits.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace hub {

// Who holds a lock. 0 is nobody in particular: HTTPS, where only the deadline frees the message.
using HolderId = std::uint64_t;

// What of the settings a queue needs; read at each use, so a change takes effect at once (C2D-18).
struct QueueLimits {
  std::size_t depth_max = 50;
  std::uint64_t body_bytes_max =
      std::numeric_limits<std::uint64_t>::max();  // of all messages in it
  std::uint32_t max_delivery_count = 10;
  DeliveryCountMode delivery_count_mode = DeliveryCountMode::abandon_only;
  ExpireWhileLocked expire_while_locked = ExpireWhileLocked::immediate;
  bool redeliver_on_live_connection = true;
};

class MessageQueue {
 public:
  explicit MessageQueue(const QueueLimits* limits) : limits_(limits) {}  // not owned, outlives

  // Appends. `message->sequence_number` must be above all before it.
  // Error: device_maximum_queue_depth_exceeded at depth_max (C2D-10) or above body_bytes_max;
  // nothing is stored then.
  Result<void> enqueue(MessagePtr message);

  struct ReceiveOptions {
    HolderId holder = 0;
    Duration lock_duration{};
    SequenceNumber first_sequence = 0;  // older ones are not for this receiver (C2D-29)
    bool marks_published = false;       // an MQTT QoS 1 publish: the next one has DUP set
  };
  // Locks the lowest enqueued sequence number this receiver may get (C2D-02).
  std::optional<Delivery> receive(const LockToken& token, const ReceiveOptions& options,
                                  TimePoint now);
  bool has_message_for(HolderId holder, SequenceNumber first_sequence) const;

  // Settle a locked message. Error: device_message_lock_lost if the token is not current or is not
  // `holder`'s; nothing changes then (C2D-08).
  Result<void> complete(const LockToken& token, HolderId holder, TimePoint now);
  Result<void> reject(const LockToken& token, HolderId holder, TimePoint now);
  Result<void> abandon(const LockToken& token, HolderId holder, TimePoint now);
  // Settled without an outcome: back to enqueued as if its connection had ended.
  Result<void> release(const LockToken& token, HolderId holder, TimePoint now);

  // The holder is gone: its locks return at once (C2D-07). Returns how many there were.
  std::size_t release(HolderId holder, TimePoint now);
  std::size_t purge(TimePoint now);  // C2D-15: locked ones too
  // Rejects what is older than `first`; of what is locked, what comes back. 0: nothing any more.
  void reject_older(SequenceNumber first, TimePoint now);

  // Applies what is due, in time order, at most so much of it. Returns how much there was.
  std::size_t on_time(TimePoint now, std::size_t most = std::numeric_limits<std::size_t>::max());
  std::optional<TimePoint> next_deadline() const;  // nullopt: nothing will become due
  std::vector<Outcome> take_outcomes();            // since the last call, in order

  std::size_t depth() const { return content().entries.size(); }
  std::size_t locked_count() const { return content().tokens.size(); }
  std::size_t enqueued_count() const { return content().enqueued.size(); }
  void forget_published();  // the MQTT session ended: no DUP from here on

  void restore(MessagePtr message, std::uint32_t delivery_count);  // enqueued; locks do not survive

  struct View {  // for tests and the control API
    MessagePtr message;
    std::uint32_t delivery_count;
    bool locked;
  };
  std::vector<View> peek() const;

 private:
  struct Lock {
    LockToken token;
    HolderId holder = 0;
    TimePoint deadline{};
  };
  struct Entry {
    MessagePtr message;
    std::uint32_t delivery_count = 0;
    bool published = false;
    HolderId not_for = 0;  // its lock timed out there, redeliverOnLiveConnection=false (U6)
    std::optional<Lock> lock;
  };
  using Entries = std::map<SequenceNumber, Entry>;
  // (when, TTL before lock, sequence number): the order in which timers fire (2.7).
  enum class TimerKind : std::uint8_t { ttl, lock };
  using Timer = std::tuple<TimePoint, TimerKind, SequenceNumber>;

  std::set<SequenceNumber>::const_iterator next_for(HolderId holder, SequenceNumber first) const;
  Result<Entries::iterator> current(const LockToken& token, HolderId holder);
  bool counts_returns() const {
    return limits_->delivery_count_mode == DeliveryCountMode::every_return;
  }
  void unlock(Entry& entry);
  void finish(Entries::iterator it, Outcome::Kind kind, TimePoint time);
  void reject_as_too_early(Entries::iterator it, TimePoint time);
  // Back to enqueued, or dead-lettered when counting it reaches the maximum.
  void give_back(Entries::iterator it, bool counts, TimePoint time);

  struct Content {
    Entries entries;
    std::set<SequenceNumber> enqueued;
    std::unordered_map<LockToken, SequenceNumber> tokens;
    std::set<Timer> timers;
    std::vector<Outcome> outcomes;
    SequenceNumber rejected_below = 0;
    std::uint64_t body_bytes = 0;  // of all entries
  };
  static const Content nothing;
  const Content& content() const { return content_ ? *content_ : nothing; }

  const QueueLimits* limits_;
  std::unique_ptr<Content> content_;  // from the first message on: most devices never get one
};

}  // namespace hub
