#pragma once
// The monitor's state behind Hub. Private to emulator/core/hub*.cpp. Everything here is called with
// the mutex held; Guard is the only way to get there.
#include "emulator/core/hub.hpp"

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>

namespace hub {

struct Hub::Impl {
  static constexpr std::size_t timers_per_call_max = 256;
  static constexpr std::size_t timers_staged_max = 1024;

  // A queue with its sequence counter; what a device and the feedback share.
  struct QueueState {
    QueueState(const DeviceId& queue_of, const QueueLimits* limits) : id(queue_of), queue(limits) {}
    bool is_feedback() const { return id.text.empty(); }
    const DeviceId& id;  // the identity's own; feedback: empty
    MessageQueue queue;
    SequenceNumber last_sequence = 0;
    std::optional<TimePoint> scheduled;  // its place in `timers`
    std::vector<HolderId> receivers;     // live ones; the one that waits longest first
  };

  struct DeviceState : QueueState {
    DeviceState(const DeviceIdentity& of, const QueueLimits* limits)
        : QueueState(of.id, limits), identity(of) {}
    const DeviceIdentity& identity;  // the registry's: outlives this
    std::optional<MqttSessionState> mqtt_session;
    Presence::State* presences = nullptr;  // live ones, the oldest first
    std::optional<TimePoint> connection_state_updated_time;
    std::optional<TimePoint> last_activity_time;
    bool has_reported_properties = false;
  };

  struct ReceiverState {
    QueueState* queue = nullptr;  // null once closed
    Transport transport = Transport::amqp;
    Waker waker;
    SequenceNumber first_sequence = 0;
    bool armed = true;  // found nothing last time, so it must be woken
    std::optional<CloseReason> closed;
  };

  // By the identity's id, which is kept once only.
  struct DeviceHash {
    using is_transparent = void;
    std::size_t operator()(const DeviceId& id) const { return std::hash<DeviceId>{}(id); }
    std::size_t operator()(const std::unique_ptr<DeviceState>& state) const {
      return (*this)(state->id);
    }
  };
  struct DeviceEqual {
    using is_transparent = void;
    static const DeviceId& id(const DeviceId& id) { return id; }
    static const DeviceId& id(const std::unique_ptr<DeviceState>& state) { return state->id; }
    bool operator()(const auto& a, const auto& b) const { return id(a) == id(b); }
  };

  // Timers of all queues in the order of 2.7: time, then device id.
  struct TimerOrder {
    bool operator()(const std::pair<TimePoint, QueueState*>& a,
                    const std::pair<TimePoint, QueueState*>& b) const {
      return a.first != b.first ? a.first < b.first : a.second->id < b.second->id;
    }
  };

  Impl(Hub& owner, TimePoint start, bool is_durable);

  // ---- who is calling
  // Is a device's or module's own proof still good for `whom`, whom the caller found usable?
  Result<void> check_own(const Principal& principal, const DeviceId& whom) const;

  // ---- queues
  // Of a registered device or module; made when first used. A module's queue stays empty (MOD-08).
  DeviceState& device_state(const DeviceIdentity& identity);
  DeviceState* find_device_state(const DeviceId& id);
  // As DeviceRegistry::usable, and quicker for a device that was here before.
  Result<DeviceState*> usable_state(const DeviceId& id);
  QueueState* find_queue(const QueueId& id);  // null for a module, and for nobody
  QueueLimits device_limits() const;
  QueueLimits feedback_limits() const;
  // After any change to `state.queue`: outcomes are stored, counted and reported, its timer moves,
  // and a receiver is woken if there is something for it.
  void settle(QueueState& state, TimePoint now);
  void report(const QueueState& state, const Outcome& outcome);
  void wake_receivers(QueueState& state);
  void reschedule(QueueState& state);
  void drop_device_state(const DeviceId& id, TimePoint now);  // of a device that is deleted

  // ---- edge devices (MOD-19)
  void make_system_modules(const DeviceId& device, TimePoint now);  // those that are not there yet
  void remove_system_modules(const DeviceId& device, TimePoint now);

  // ---- feedback
  void flush_feedback(TimePoint now);

  // ---- connections
  void close_receiver(HolderId id, CloseReason reason, TimePoint now);
  void close_presence(Presence::State& presence, CloseReason reason, TimePoint now);
  void close_device(const DeviceId& id, CloseReason reason, TimePoint now);
  void forget_receiver(HolderId id, TimePoint now);
  void detach_receiver(HolderId id, QueueState& queue, TimePoint now);
  // An MQTT receiver has only what was sent from `first` on: what is older is rejected (C2D-29).
  void begin_subscription(QueueState& queue, Transport transport, SequenceNumber first,
                          TimePoint now);
  // Is what is done for `presence` too late? nullptr: for nobody's, so no.
  static bool was_closed(const Presence* presence) {
    return presence != nullptr && (!*presence || presence->closed());
  }
  void detach_presence(Presence::State& presence, TimePoint now);
  // Calls `close(presence)` with each live one of `device`, the oldest first.
  template <class Close>
  void for_each_presence(const DeviceState& device, Close close);

  // ---- what the tier allows
  // throttling_exception, iot_hub_quota_exceeded; the charge is for afterwards, when all else is
  // well.
  Result<void> admit(Operation operation, std::uint64_t count, TimePoint now);
  Result<void> check_quota(std::uint64_t cost, TimePoint now);
  void charge_quota(std::uint64_t cost);

  // ---- time and storage
  // The latest `now` seen, which time is not to go back from.
  TimePoint see(TimePoint now) { return latest = std::max(latest, now); }
  // What is due at `now`; of very much only a share, so that nobody waits for all of it: `behind`
  // then, and the rest comes with on_time (C2D-46).
  TimePoint run_timers(TimePoint now);  // returns what see() does
  // For a call about this queue: its timers win over the call, behind or not (C2D-24).
  void catch_up(QueueState& state, TimePoint now);
  std::size_t fire(QueueState& state, std::size_t most);  // how many timers that were
  // A transaction that carries more of what is due would hold up everybody else's.
  bool timers_wait_for_store() const { return staged_by_timers >= timers_staged_max; }
  std::optional<TimePoint> next_deadline() const;
  void stage(Change change);
  // The same for what happens all the time: without a store the fact is not even made.
  template <class Fact, class... Fields>
  void stage(const Fields&... fields) {
    if (durable) stage(Change{Fact{fields...}});
  }
  void wake(const Waker& waker) { to_fire.push_back(waker); }

  DeviceView view_of(const DeviceIdentity& identity);

  Hub& hub;
  std::mutex mutex;
  const bool durable;
  TimePoint latest;  // the latest `now` seen: destructors have none of their own

  DeviceRegistry registry;
  QueueLimits device_queue_limits;
  QueueLimits feedback_queue_limits;
  std::unordered_set<std::unique_ptr<DeviceState>, DeviceHash, DeviceEqual> devices;  // and modules
  const DeviceId nobody;
  QueueState feedback;
  FeedbackBatcher batcher;
  bool feedback_is_full = false;  // and the log has said so
  EventStream events;
  Throttle throttle;
  DailyQuota quota;

  std::unordered_map<HolderId, ReceiverState> receivers;
  std::size_t presence_count = 0;  // closed ones too, until they are let go
  std::uint64_t next_id = 1;
  std::size_t connected_devices = 0;  // without modules

  std::set<std::pair<TimePoint, QueueState*>, TimerOrder> timers;
  std::optional<TimePoint> announced;  // what next_deadline() said last
  bool behind = false;                 // more is due than one call does
  std::size_t staged_by_timers = 0;    // and not taken yet

  std::vector<Change> staged;
  Waker staged_waker;
  Waker deadline_waker;
  std::vector<Waker> to_fire;
};

// Owned by its Presence, which may ask without the mutex whether it is closed.
struct Presence::State {
  static constexpr std::uint8_t live = 0xFF;
  Hub::Impl::DeviceState* device;  // null once closed
  State* next;
  Waker waker;
  Transport transport;
  std::atomic<std::uint8_t> closed = live;  // or a CloseReason
};

template <class Close>
void Hub::Impl::for_each_presence(const DeviceState& device, Close close) {
  for (auto* each = device.presences; each != nullptr;) close(*std::exchange(each, each->next));
}

// Holds the monitor for one call: locks, runs the timers that are due, and on the way out lets the
// wakers fire after the mutex is free.
class Hub::Guard {
 public:
  // `now` becomes the latest that the hub has seen.
  Guard(Hub& hub, TimePoint& now) : Guard(hub) {
    now = impl_.behind ? impl_.see(now) : impl_.run_timers(now);
  }
  explicit Guard(Hub& hub) : impl_(*hub.impl_), lock_(impl_.mutex) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() {
    const auto next = impl_.next_deadline();
    if (next && (!impl_.announced || *next < *impl_.announced)) {
      impl_.announced = next;
      impl_.wake(impl_.deadline_waker);
    }
    std::vector<Waker> wakers;
    wakers.swap(impl_.to_fire);
    lock_.unlock();
    for (const auto& waker : wakers) waker();
  }

  Impl* operator->() { return &impl_; }

 private:
  Impl& impl_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace hub
