// Receivers on connections and links: opening, receiving, settling, and how they end.
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/message_log.hpp"
#include "emulator/core/c2d/cloud_to_device.hpp"

#include <utility>

namespace hub {

// ---- opening and closing ------------------------------------------------------------------------

Result<Receiver> CloudToDevice::open_devicebound(const DeviceId& device, Transport transport,
                                                 Waker waker, SequenceNumber first_sequence,
                                                 TimePoint now, const Presence* on_behalf_of) {
  const Turn turn(monitor_, now);
  // The session was authorised earlier; the identity may have been disabled or deleted since.
  const auto usable = registry_.usable_record(device);
  if (!usable) return usable.error();
  if (Presence::was_closed(on_behalf_of)) {
    return fail(HubErrc::link_creation_conflict, std::string(to_text(CloseReason::taken_over)));
  }
  HUB_ASSERT(!device.is_module());  // MOD-08
  Queue& queue = queue_of(**usable);
  for (const HolderId older : std::vector(queue.receivers)) {
    close_receiver(older, CloseReason::taken_over, now);
  }
  begin_subscription(queue, transport, first_sequence, now);
  return open(queue, transport, std::move(waker), first_sequence);
}

Receiver CloudToDevice::open_feedback(Waker waker, TimePoint now) {
  const Turn turn(monitor_, now);
  return open(feedback_, Transport::amqp, std::move(waker), 0);
}

Receiver CloudToDevice::open(Queue& queue, Transport transport, Waker waker,
                             SequenceNumber first_sequence) {
  const HolderId id = next_holder_++;
  queue.receivers.push_back(id);
  receivers_.emplace(
      id, ReceiverState{&queue, transport, std::move(waker), first_sequence, true, std::nullopt});
  return Receiver{this, id};
}

void CloudToDevice::close_receiver(HolderId id, CloseReason reason, TimePoint now) {
  ReceiverState& receiver = receivers_.find(id)->second;
  Queue* queue = std::exchange(receiver.queue, nullptr);
  if (queue == nullptr) return;
  receiver.closed = reason;
  monitor_.wake(receiver.waker);
  detach_receiver(id, *queue, now);
}

void CloudToDevice::detach_receiver(HolderId id, Queue& queue, TimePoint now) {
  std::erase(queue.receivers, id);
  queue.messages.reject_older(0, now);
  if (config_.settings.release_locks_on_disconnect) queue.messages.release(id, now);
  take_outcomes(queue, now);
}

void CloudToDevice::begin_subscription(Queue& queue, Transport transport, SequenceNumber first,
                                       TimePoint now) {
  if (transport != Transport::mqtt) return;
  if (config_.settings.mqtt_backlog != MqttBacklog::reject) return;
  monitor_.catch_up(queue, now);
  queue.messages.reject_older(first, now);
  take_outcomes(queue, now);
}

Receiver::~Receiver() {
  if (c2d_ != nullptr) close(TimePoint::min());
}

void Receiver::close(TimePoint now) {
  if (c2d_ == nullptr) return;
  CloudToDevice& c2d = *std::exchange(c2d_, nullptr);
  const Turn turn(c2d.monitor_, now);
  const auto found = c2d.receivers_.find(id_);
  HUB_ASSERT(found != c2d.receivers_.end());
  Queue* queue = found->second.queue;
  c2d.receivers_.erase(found);
  if (queue != nullptr) c2d.detach_receiver(id_, *queue, c2d.monitor_.latest());
}

std::optional<CloseReason> Receiver::closed() const {
  if (c2d_ == nullptr) return std::nullopt;
  const Turn turn(c2d_->monitor_);
  return c2d_->receivers_.find(id_)->second.closed;
}

void Receiver::set_first_sequence(SequenceNumber first) {
  if (c2d_ == nullptr) return;
  const Turn turn(c2d_->monitor_);
  auto& receiver = c2d_->receivers_.find(id_)->second;
  receiver.first_sequence = first;
  if (receiver.queue == nullptr) return;
  c2d_->begin_subscription(*receiver.queue, receiver.transport, first, c2d_->monitor_.latest());
  c2d_->wake_receivers(*receiver.queue);
}

// ---- receiving and settling ---------------------------------------------------------------------

void CloudToDevice::tell_delivery(const DeviceId& device, const Delivery& delivery) const {
  tell_message(monitor_.log(), "message delivered", device, delivery.message->content,
               delivery.message->sequence_number);
}

template <class Then>
std::optional<Delivery> Receiver::receive_then(TimePoint now, Then&& then) {
  if (c2d_ == nullptr) return std::nullopt;
  CloudToDevice& c2d = *c2d_;
  const Turn turn(c2d.monitor_, now);
  auto& receiver = c2d.receivers_.find(id_)->second;
  if (receiver.queue == nullptr) return std::nullopt;
  Queue& queue = *receiver.queue;
  c2d.monitor_.catch_up(queue, now);
  MessageQueue::ReceiveOptions options;
  options.holder = id_;
  options.lock_duration = queue.is_feedback() ? c2d.config_.settings.feedback_lock_duration
                                              : c2d.config_.limits.lock_duration;
  options.first_sequence = receiver.first_sequence;
  options.marks_published = receiver.transport == Transport::mqtt;
  auto delivery = queue.messages.receive(c2d.ids_.next_lock_token(), options, now);
  receiver.armed = !delivery.has_value();
  if (!delivery) return std::nullopt;
  if (!queue.is_feedback()) ++c2d.monitor_.metrics().c2d_deliveries;
  c2d.tell_delivery(queue.device(), *delivery);
  if (queue.receivers.size() > 1) {
    // It has been served: the others have waited longer now.
    std::erase(queue.receivers, id_);
    queue.receivers.push_back(id_);
  }
  then(queue, *delivery, now);
  return delivery;
}

std::optional<Delivery> Receiver::receive(TimePoint now) {
  return receive_then(now, [this](Queue& queue, const Delivery&, TimePoint)
                               HUB_REQUIRES(in_turn) { c2d_->reschedule(queue); });
}

std::optional<Delivery> Receiver::receive_and_complete(TimePoint now) {
  return receive_then(
      now, [this](Queue& queue, const Delivery& delivery, TimePoint time) HUB_REQUIRES(in_turn) {
        HUB_ASSERT(queue.messages.complete(delivery.lock_token, id_, time));
        c2d_->take_outcomes(queue, time);
      });
}

template <class Settle>
Result<void> Receiver::settle(TimePoint now, Settle&& settle) {
  const auto gone = [] {
    return fail(HubErrc::device_message_lock_lost,
                "the receiver is closed; its locks are released");
  };
  if (c2d_ == nullptr) return gone();
  const Turn turn(c2d_->monitor_, now);
  Queue* queue = c2d_->receivers_.find(id_)->second.queue;
  if (queue == nullptr) return gone();
  c2d_->monitor_.catch_up(*queue, now);
  Result<void> done = settle(*queue);
  if (done) c2d_->take_outcomes(*queue, now);
  return done;
}

Result<void> Receiver::complete(const LockToken& token, TimePoint now) {
  return settle(now, [&](Queue& queue) { return queue.messages.complete(token, id_, now); });
}

Result<void> Receiver::reject(const LockToken& token, TimePoint now) {
  return settle(now, [&](Queue& queue) { return queue.messages.reject(token, id_, now); });
}

Result<void> Receiver::abandon(const LockToken& token, TimePoint now) {
  return settle(now, [&](Queue& queue) {
    auto done = queue.messages.abandon(token, id_, now);
    if (done && !queue.is_feedback()) ++c2d_->monitor_.metrics().c2d_egress_abandon_success;
    return done;
  });
}

Result<void> Receiver::release(const LockToken& token, TimePoint now) {
  return settle(now, [&](Queue& queue) { return queue.messages.release(token, id_, now); });
}

}  // namespace hub
