#pragma once
// Cloud-to-device messages: a queue for each device, locks and their end, and the feedback on what
// became of a message, which is a queue itself. ServiceConnect and DeviceConnect, format and `to`
// are the caller's check. Source: spec/c2d.md 2 to 5.
#include "emulator/core/admission/admission.hpp"
#include "emulator/core/c2d/feedback_batcher.hpp"
#include "emulator/core/c2d/queue.hpp"
#include "emulator/core/c2d/receiver.hpp"
#include "emulator/core/connections/presence.hpp"
#include "emulator/core/monitor/monitor.hpp"
#include "emulator/core/registry/registry.hpp"
#include "emulator/core/settings/limits.hpp"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace hub {

struct SendRequest {
  DeviceId device;
  Ack ack = Ack::none;
  bool ack_given = false;
  MessageContent content;
};

class CloudToDevice final : public DeviceListener, public TimerOwner {
 public:
  struct Config {
    const Settings& settings;
    const Limits& limits;
    const std::string& hub_name;  // the sender of feedback
  };
  // Nothing is owned, and all outlives this.
  CloudToDevice(Monitor& monitor, Registry& registry, Admission& admission, IdSource& ids,
                const Config& config, TimePoint start);
  ~CloudToDevice();  // receivers point here; they must be gone first

  // Accepted only with everything in order, checked in the order of spec/c2d.md 2.6: size 413001,
  // device 404001, expiry 403009, throttle 429001, quota 403002, depth 403004 (C2D-01). A request
  // whose device is not found is left as it was.
  Result<SequenceNumber> send(SendRequest&& request, TimePoint now) HUB_EXCLUDES(in_turn);
  Result<std::size_t> purge(const DeviceId& device, TimePoint now) HUB_EXCLUDES(in_turn);

  // HTTPS: no holder, only the deadline frees the lock (C2D-09).
  Result<std::optional<Delivery>> receive_once(const QueueId& queue, Duration lock, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<void> complete(const QueueId& queue, const LockToken& token, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<void> reject(const QueueId& queue, const LockToken& token, TimePoint now)
      HUB_EXCLUDES(in_turn);
  Result<void> abandon(const QueueId& queue, const LockToken& token, TimePoint now)
      HUB_EXCLUDES(in_turn);

  // Opens the devicebound queue. A second one for the same device closes the first (C2D-37) and
  // releases its locks. `first_sequence`: see Receiver. `on_behalf_of`: a presence that the hub has
  // closed, be its session about to see it, is refused (link_creation_conflict).
  Result<Receiver> open_devicebound(const DeviceId& device, Transport transport, Waker waker,
                                    SequenceNumber first_sequence, TimePoint now,
                                    const Presence* on_behalf_of = nullptr) HUB_EXCLUDES(in_turn);
  Receiver open_feedback(Waker waker, TimePoint now) HUB_EXCLUDES(in_turn);

  // The first sequence number that a message sent from now on will get: a new subscription's mark.
  SequenceNumber next_sequence(const DeviceId& device) HUB_EXCLUDES(in_turn);
  std::vector<MessageQueue::View> peek(const QueueId& queue) HUB_EXCLUDES(in_turn);

  // ---- for departments, in a turn ---------------------------------------------------------------
  void restore(const Snapshot::SequenceCounter& counter) HUB_REQUIRES(in_turn);
  void restore(Snapshot::QueuedMessage stored) HUB_REQUIRES(in_turn);
  void restore(FeedbackRecord record) HUB_REQUIRES(in_turn);

  void device_connects(DeviceRecord& device, Transport newcomer, TimePoint now) override
      HUB_REQUIRES(in_turn);
  void device_closed(DeviceRecord& device, CloseReason reason, TimePoint now) override
      HUB_REQUIRES(in_turn);
  void device_deleted(const DeviceId& id, DeviceRecord* device, TimePoint now) override
      HUB_REQUIRES(in_turn);
  void mqtt_session_removed(DeviceRecord& device) override HUB_REQUIRES(in_turn);
  void catch_up(DeviceRecord& device, TimePoint now) override HUB_REQUIRES(in_turn);
  void describe(const DeviceRecord& device, DeviceView& view) const override HUB_REQUIRES(in_turn);

 private:
  friend class Receiver;
  struct ReceiverState {
    Queue* queue = nullptr;  // null once closed
    Transport transport = Transport::amqp;
    Waker waker;
    SequenceNumber first_sequence = 0;
    bool armed = true;  // found nothing last time, so it must be woken
    std::optional<CloseReason> closed;
  };

  std::size_t fire(Timer& timer, TimePoint time, std::size_t most) override HUB_REQUIRES(in_turn);

  Queue& queue_of(DeviceRecord& device) HUB_REQUIRES(in_turn);  // made when first used
  static Queue* find_queue(DeviceRecord* device);
  Queue* find_queue(const QueueId& id) HUB_REQUIRES(in_turn);  // null for a module, and for nobody
  template <class Settle>
  Result<void> settle_once(const QueueId& id, TimePoint now, Settle&& settle);

  // After any change to the messages of `queue`: outcomes are stored, counted and reported, its
  // timer moves, and a receiver is woken if there is something for it.
  void take_outcomes(Queue& queue, TimePoint now) HUB_REQUIRES(in_turn);
  void report(const Queue& queue, const Outcome& outcome) HUB_REQUIRES(in_turn);
  void flush_feedback(TimePoint now) HUB_REQUIRES(in_turn);
  void reschedule(Queue& queue) HUB_REQUIRES(in_turn);
  void wake_receivers(Queue& queue) HUB_REQUIRES(in_turn);
  void tell_delivery(const DeviceId& device, const Delivery& delivery) const;

  Receiver open(Queue& queue, Transport transport, Waker waker, SequenceNumber first_sequence)
      HUB_REQUIRES(in_turn);
  void close_receiver(HolderId id, CloseReason reason, TimePoint now) HUB_REQUIRES(in_turn);
  void detach_receiver(HolderId id, Queue& queue, TimePoint now) HUB_REQUIRES(in_turn);
  // An MQTT receiver has only what was sent from `first` on: what is older is rejected (C2D-29).
  void begin_subscription(Queue& queue, Transport transport, SequenceNumber first, TimePoint now)
      HUB_REQUIRES(in_turn);

  Monitor& monitor_;
  Registry& registry_;
  Admission& admission_;
  IdSource& ids_;
  const Config config_;
  const QueueLimits device_queue_limits_;
  const QueueLimits feedback_queue_limits_;
  const DeviceId nobody_;
  Queue feedback_ HUB_GUARDED_BY(in_turn);
  Timer feedback_timer_ HUB_GUARDED_BY(in_turn);  // of the batcher
  FeedbackBatcher batcher_ HUB_GUARDED_BY(in_turn);
  bool feedback_is_full_ HUB_GUARDED_BY(in_turn) = false;  // and the log has said so
  std::unordered_map<HolderId, ReceiverState> receivers_ HUB_GUARDED_BY(in_turn);
  HolderId next_holder_ HUB_GUARDED_BY(in_turn) = 1;
};

}  // namespace hub
