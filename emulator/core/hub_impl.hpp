#pragma once
// The monitor's state behind Hub. Private to emulator/core/hub*.cpp. Everything here is called with
// the mutex held; Guard is the only way to get there.
#include "emulator/core/hub.hpp"

#include <algorithm>
#include <utility>

namespace hub {

struct Hub::Impl {
  using SharedWaker = std::shared_ptr<const Waker>;

  // A queue with its sequence counter; what a device and the feedback share.
  struct QueueState {
    QueueState(QueueId queue_id, const QueueLimits* limits)
        : id(std::move(queue_id)), queue(limits) {}
    QueueId id;
    MessageQueue queue;
    SequenceNumber last_sequence = 0;
    std::optional<TimePoint> scheduled;    // its place in `timers`
    std::vector<HolderId> receivers;       // live ones; the one that waits longest first
  };

  struct DeviceState : QueueState {
    using QueueState::QueueState;
    std::optional<MqttSessionState> mqtt_session;
    std::vector<std::uint64_t> presences;  // live ones
    std::optional<TimePoint> connection_state_updated_time;
    std::optional<TimePoint> last_activity_time;
  };

  struct ReceiverState {
    QueueState* queue = nullptr;  // null once closed
    Transport transport = Transport::amqp;
    SharedWaker waker;
    SequenceNumber first_sequence = 0;
    bool armed = true;  // found nothing last time, so it must be woken
    std::optional<CloseReason> closed;
  };

  struct PresenceState {
    DeviceId device;
    Transport transport = Transport::mqtt;
    SharedWaker waker;
    std::optional<CloseReason> closed;
  };

  // Timers of all queues in the order of 2.7: time, then device id.
  struct TimerOrder {
    bool operator()(const std::pair<TimePoint, QueueState*>& a,
                    const std::pair<TimePoint, QueueState*>& b) const {
      return a.first != b.first ? a.first < b.first : a.second->id < b.second->id;
    }
  };

  Impl(Hub& owner, TimePoint start, bool is_durable);

  // ---- queues
  // Of a registered device or module; made when first used. A module's queue stays empty (MOD-08).
  DeviceState& device_state(const DeviceId& id);
  DeviceState* find_device_state(const DeviceId& id);
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

  // ---- feedback
  void flush_feedback(TimePoint now);

  // ---- connections
  void close_receiver(HolderId id, CloseReason reason, TimePoint now);
  void close_presence(std::uint64_t id, CloseReason reason, TimePoint now);
  void close_device(const DeviceId& id, CloseReason reason, TimePoint now);
  void forget_receiver(HolderId id, TimePoint now);
  void forget_presence(std::uint64_t id, TimePoint now);
  void detach_presence(DeviceState& state, std::uint64_t id, TimePoint now);

  // ---- what the tier allows
  // throttling_exception, iot_hub_quota_exceeded; the charge is for afterwards, when all else is well.
  Result<void> admit(Operation operation, std::uint64_t count, TimePoint now);
  Result<void> check_quota(std::uint64_t cost, TimePoint now);
  void charge_quota(std::uint64_t cost);

  // ---- time and storage
  void run_timers(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  void stage(Change change);
  // The same for what happens all the time: without a store the fact is not even made.
  template <class Fact, class... Fields>
  void stage(const Fields&... fields) {
    if (durable) stage(Change{Fact{fields...}});
  }
  void wake(const SharedWaker& waker) { to_fire.push_back(waker); }

  DeviceView view_of(const DeviceIdentity& identity);

  Hub& hub;
  std::mutex mutex;
  const bool durable;
  TimePoint latest;  // the latest `now` seen: destructors have none of their own

  DeviceRegistry registry;
  QueueLimits device_queue_limits;
  QueueLimits feedback_queue_limits;
  std::unordered_map<DeviceId, std::unique_ptr<DeviceState>> devices;  // and modules
  QueueState feedback;
  FeedbackBatcher batcher;
  EventStream events;
  Throttle throttle;
  DailyQuota quota;

  std::unordered_map<HolderId, ReceiverState> receivers;
  std::unordered_map<std::uint64_t, PresenceState> presences;
  std::uint64_t next_id = 1;
  std::size_t connected_devices = 0;  // without modules

  std::set<std::pair<TimePoint, QueueState*>, TimerOrder> timers;
  std::optional<TimePoint> announced;  // what next_deadline() said last

  std::vector<Change> staged;
  SharedWaker staged_waker;
  SharedWaker deadline_waker;
  std::vector<SharedWaker> to_fire;
};

// Holds the monitor for one call: locks, runs the timers that are due, and on the way out lets the
// wakers fire after the mutex is free.
class Hub::Guard {
 public:
  Guard(Hub& hub, TimePoint now) : Guard(hub) { impl_.run_timers(now); }
  explicit Guard(Hub& hub) : impl_(*hub.impl_), lock_(impl_.mutex) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() {
    const auto next = impl_.next_deadline();
    if (next && impl_.deadline_waker && (!impl_.announced || *next < *impl_.announced)) {
      impl_.announced = next;
      impl_.wake(impl_.deadline_waker);
    }
    std::vector<Impl::SharedWaker> wakers;
    wakers.swap(impl_.to_fire);
    lock_.unlock();
    for (const auto& waker : wakers) (*waker)();
  }

  Impl* operator->() { return &impl_; }

 private:
  Impl& impl_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace hub
