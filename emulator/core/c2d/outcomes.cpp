// What becomes of messages: stored, counted, reported to their senders. spec/c2d.md 2.7, 4.
#include "emulator/core/base/error.hpp"
#include "emulator/core/c2d/cloud_to_device.hpp"

#include <string>
#include <utility>

namespace hub {

std::size_t CloudToDevice::fire(Timer& timer, TimePoint time, std::size_t most) {
  if (&timer == &feedback_timer_) {
    flush_feedback(time);
    return 0;
  }
  Queue& queue = static_cast<Queue&>(timer);
  const std::size_t done = queue.messages.on_time(time, most);
  take_outcomes(queue, time);
  return done;
}

void CloudToDevice::take_outcomes(Queue& queue, TimePoint now) {
  const bool is_feedback = queue.is_feedback();
  bool reported = false;
  std::vector<MessagePtr> too_early;
  for (const Outcome& outcome : queue.messages.take_outcomes()) {
    if (outcome.kind == Outcome::Kind::returned) {
      if (monitor_.durable()) {
        monitor_.stage(change::DeliveryCountSet{queue.id(), outcome.message->sequence_number,
                                                outcome.delivery_count});
      }
      continue;
    }
    if (monitor_.durable())
      monitor_.stage(change::MessageRemoved{queue.id(), outcome.message->sequence_number});
    if (is_feedback) continue;  // feedback produces no feedback (C2D-33)
    report(queue, outcome);
    reported = true;
    if (outcome.too_early) too_early.push_back(outcome.message);
  }
  if (!too_early.empty()) {
    monitor_.log().warn(
        "messages rejected: they were sent before the device subscribed over MQTT, and the hub "
        "gives it only what comes later; send when its SUBACK is there, or "
        "mqttBacklogOnFirstSubscribe=deliver pushes them and keep leaves them to AMQP and HTTPS",
        {{"device", queue.device().text},
         {"messages", std::to_string(too_early.size())},
         {"ids", ids_of(too_early)}});
  }
  if (reported) flush_feedback(now);
  reschedule(queue);
  wake_receivers(queue);
}

namespace {

std::string_view event_of(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed:
      return "message completed";
    case Outcome::Kind::expired:
      return "message expired";
    case Outcome::Kind::delivery_count_exceeded:
      return "message abandoned too often";
    case Outcome::Kind::rejected:
      return "message rejected";
    case Outcome::Kind::purged:
      return "message purged";
    case Outcome::Kind::returned:
      break;
  }
  assertion_failed("no end of a message", __FILE__, __LINE__);
}

}  // namespace

void CloudToDevice::report(const Queue& queue, const Outcome& outcome) {
  if (monitor_.log().enabled(LogLevel::debug)) {
    monitor_.log().debug(event_of(outcome.kind),
                         {{"device", queue.device().text}, {"ids", ids_of({&outcome.message, 1})}});
  }
  Metrics& metrics = monitor_.metrics();
  switch (outcome.kind) {
    case Outcome::Kind::completed:
      ++metrics.c2d_egress_complete_success;
      break;
    case Outcome::Kind::expired:
      ++metrics.c2d_messages_expired;
      break;
    case Outcome::Kind::delivery_count_exceeded:
      ++metrics.c2d_delivery_count_exceeded;
      break;
    case Outcome::Kind::rejected:
      ++metrics.c2d_egress_reject_success;
      break;
    case Outcome::Kind::purged:
      ++metrics.c2d_messages_purged;
      break;
    case Outcome::Kind::returned:
      break;
  }
  if (!wants_feedback(outcome.message->ack, outcome.kind)) return;
  const DeviceIdentity* identity = registry_.identities().find(queue.device());
  HUB_ASSERT(identity != nullptr);  // a deleted device's queue is dropped, not settled
  FeedbackRecord record;
  record.original_message_id = outcome.message->content.message_id;
  record.enqueued_time = outcome.time;
  record.status = outcome.kind;
  record.device_id = queue.device();
  record.device_generation_id = identity->generation_id;
  ++metrics.feedback_records;
  monitor_.stage<change::FeedbackRecordAdded>(batcher_.add(std::move(record)));
}

void CloudToDevice::flush_feedback(TimePoint now) {
  for (const FeedbackBatcher::Batch& batch : batcher_.on_time(now)) {
    change::FeedbackRecordsRemoved removed;
    for (const FeedbackRecord& record : batch.records)
      removed.record_ids.push_back(record.record_id);
    monitor_.stage(std::move(removed));

    auto message = std::make_shared<Message>();
    message->sequence_number = ++feedback_.last_sequence;
    message->enqueued_time = batch.time;
    message->expires_at = batch.time + config_.settings.feedback_ttl;
    message->content.to = "/messages/serviceBound/feedback";
    message->content.user_id = config_.hub_name;
    message->content.content_type = "application/vnd.microsoft.iothub.feedback.json";
    message->content.body = batcher_.to_json(batch.records);
    if (!feedback_.messages.enqueue(message)) {
      if (std::exchange(feedback_is_full_, true)) continue;  // once, until there is room again
      monitor_.log().warn(
          "feedback batch dropped: nobody reads the feedback and its queue is full",
          {{"records", std::to_string(batch.records.size())},
           {"remedy", "receive and complete the feedback, or send with iothub-ack none"}});
      continue;
    }
    feedback_is_full_ = false;
    ++monitor_.metrics().feedback_batches;
    monitor_.stage(change::MessageEnqueued{feedback_.id(), message});
  }
  monitor_.schedule(feedback_timer_, batcher_.next_deadline());
  reschedule(feedback_);
  wake_receivers(feedback_);
}

void CloudToDevice::reschedule(Queue& queue) {
  monitor_.schedule(queue, queue.messages.next_deadline());
}

void CloudToDevice::wake_receivers(Queue& queue) {
  for (const HolderId id : queue.receivers) {
    ReceiverState& receiver = receivers_.find(id)->second;
    if (receiver.armed && queue.messages.has_message_for(id, receiver.first_sequence)) {
      receiver.armed = false;
      monitor_.wake(receiver.waker);
    }
  }
}

}  // namespace hub
