// Sending, purging, and what HTTPS does: spec/c2d.md 2.3..2.6.
#include "emulator/core/c2d/cloud_to_device.hpp"

#include "emulator/core/base/error.hpp"
#include "emulator/core/base/message_log.hpp"
#include "emulator/core/settings/message_check.hpp"

#include <algorithm>

namespace hub {

namespace {

QueueLimits device_limits(const CloudToDevice::Config& config) {
  const Settings& settings = config.settings;
  return {config.limits.queue_depth_max, QueueLimits{}.body_bytes_max,
          settings.max_delivery_count,   settings.delivery_count_mode,
          settings.expire_while_locked,  settings.redeliver_on_live_connection};
}

QueueLimits feedback_limits(const CloudToDevice::Config& config) {
  const Settings& settings = config.settings;
  return {config.limits.feedback_queue_depth_max, config.limits.feedback_queue_bytes_max,
          settings.feedback_max_delivery_count,   settings.delivery_count_mode,
          settings.expire_while_locked,           settings.redeliver_on_live_connection};
}

constexpr std::string_view strict_punctuation = "!#$%&'*+-.^_`|~";

bool is_strict_property_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strict_punctuation.find(c) != std::string_view::npos;
  });
}

HubError no_such_queue(const QueueId& queue) {
  if (queue.device.is_module()) {
    return fail(HubErrc::module_not_found, "modules have no queue; address the device");  // MOD-08
  }
  return fail(HubErrc::device_not_found, described(queue.device) + " is not registered");
}

}  // namespace

CloudToDevice::CloudToDevice(Monitor& monitor, Registry& registry, Admission& admission,
                             IdSource& ids, const Config& config, TimePoint start)
    : monitor_(monitor),
      registry_(registry),
      admission_(admission),
      ids_(ids),
      config_(config),
      device_queue_limits_(device_limits(config)),
      feedback_queue_limits_(feedback_limits(config)),
      feedback_(*this, nobody_, &feedback_queue_limits_),
      feedback_timer_(*this, Timer::Rank::feedback_batch, nobody_),
      batcher_(&config.settings, start) {}

CloudToDevice::~CloudToDevice() HUB_NO_THREAD_SAFETY_ANALYSIS { HUB_ASSERT(receivers_.empty()); }

Result<SequenceNumber> CloudToDevice::send(SendRequest&& request, TimePoint now) {
  const MessageContent& content = request.content;
  const Limits& limits = config_.limits;
  // C2D-01: the order of checks is part of the contract with tests.
  if (content.message_id.text.size() > limits.message_id_chars_max) {
    return fail(HubErrc::argument_invalid, "a message id has at most 128 characters");
  }
  if (auto few = check_property_count(content, limits); !few) return few.error();
  if (config_.settings.strict_property_chars) {
    for (const auto& [name, value] : content.properties) {
      if (!is_strict_property_text(name) || (value && !is_strict_property_text(*value))) {
        return fail(HubErrc::argument_invalid,
                    "application property " + name +
                        " has characters other than ASCII letters, digits and " +
                        std::string(strict_punctuation));
      }
    }
  }
  if (const std::size_t size = content.size(); size > limits.c2d_message_bytes_max) {
    return fail(HubErrc::message_too_large,
                "the message has " + std::to_string(size) + " bytes; 65536 are allowed");
  }
  if (request.device.is_module()) return no_such_queue(QueueId{request.device});
  const Turn turn(monitor_, now);
  const auto usable = registry_.usable_record(request.device);
  if (!usable) return usable.error();
  if (content.absolute_expiry && *content.absolute_expiry > now + limits.message_ttl_max) {
    return fail(HubErrc::invalid_message_expiry_time, "the expiry lies more than 48 hours ahead");
  }
  if (auto admitted = admission_.check_rate(Operation::c2d_send, 1, now); !admitted)
    return admitted.error();
  const std::uint64_t cost = DailyQuota::cost(content.size(), config_.settings.sku);
  if (auto allowed = admission_.check_quota(cost, now); !allowed) return allowed.error();
  Queue& queue = queue_of(**usable);
  monitor_.catch_up(queue, now);
  auto message = std::make_shared<Message>();
  message->sequence_number = queue.last_sequence + 1;
  message->enqueued_time = now;
  message->expires_at = content.absolute_expiry.value_or(now + config_.settings.default_ttl);
  message->ack = request.ack;
  message->ack_given = request.ack_given;
  message->content = std::move(request.content);

  if (auto queued = queue.messages.enqueue(message); !queued) return queued.error();
  ++queue.last_sequence;
  admission_.charge_quota(cost);
  ++monitor_.metrics().c2d_ingress_success;
  if (monitor_.durable()) monitor_.stage(change::MessageEnqueued{queue.id(), message});
  if (message->expires_at <= now) {
    monitor_.log().warn(
        "message accepted and expired at once: its expiry has passed; where a number says it, it "
        "is "
        "in milliseconds, not seconds, since 1970, and in UTC",
        {{"device", queue.device().text},
         {"id", message->content.message_id.text},
         {"expiry", to_iso8601(message->expires_at)}});
  }
  queue.messages.on_time(now);  // an expiry that has passed already: accepted and expired (C2D-23)
  tell_message(monitor_.log(), "message queued", queue.device(), message->content,
               message->sequence_number);
  take_outcomes(queue, now);
  return message->sequence_number;
}

Result<std::size_t> CloudToDevice::purge(const DeviceId& device, TimePoint now) {
  const Turn turn(monitor_, now);
  Queue* queue = device.text.empty() ? nullptr : find_queue(QueueId{device});
  if (queue == nullptr) return no_such_queue(QueueId{device});
  monitor_.catch_up(*queue, now);
  const std::size_t count = queue->messages.purge(now);
  take_outcomes(*queue, now);
  return count;
}

// ---- HTTPS: no holder ---------------------------------------------------------------------------

Result<std::optional<Delivery>> CloudToDevice::receive_once(const QueueId& id, Duration lock,
                                                            TimePoint now) {
  const Turn turn(monitor_, now);
  Queue* queue = find_queue(id);
  if (queue == nullptr) return no_such_queue(id);
  if (!queue->is_feedback()) {
    if (auto admitted = admission_.check_rate(Operation::c2d_receive, 1, now); !admitted) {
      return admitted.error();
    }
  }
  monitor_.catch_up(*queue, now);
  auto delivery = queue->messages.receive(ids_.next_lock_token(), {0, lock, 0, false}, now);
  if (delivery && !queue->is_feedback()) ++monitor_.metrics().c2d_deliveries;
  if (delivery) tell_delivery(queue->device(), *delivery);
  take_outcomes(*queue, now);
  return delivery;
}

template <class Settle>
Result<void> CloudToDevice::settle_once(const QueueId& id, TimePoint now, Settle&& settle) {
  const Turn turn(monitor_, now);
  Queue* queue = find_queue(id);
  if (queue == nullptr) return no_such_queue(id);
  monitor_.catch_up(*queue, now);
  Result<void> done = settle(queue->messages);
  if (done) take_outcomes(*queue, now);
  return done;
}

Result<void> CloudToDevice::complete(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) { return q.complete(token, 0, now); });
}

Result<void> CloudToDevice::reject(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) { return q.reject(token, 0, now); });
}

Result<void> CloudToDevice::abandon(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) {
    auto done = q.abandon(token, 0, now);
    if (done && !queue.is_feedback()) ++monitor_.metrics().c2d_egress_abandon_success;
    return done;
  });
}

// ---- queues -------------------------------------------------------------------------------------

Queue& CloudToDevice::queue_of(DeviceRecord& device) {
  auto& slot = device[DeviceSlot::c2d];
  if (!slot) slot = std::make_unique<Queue>(*this, device.identity.id, &device_queue_limits_);
  return static_cast<Queue&>(*slot);
}

Queue* CloudToDevice::find_queue(DeviceRecord* device) {
  return device == nullptr ? nullptr : static_cast<Queue*>((*device)[DeviceSlot::c2d].get());
}

Queue* CloudToDevice::find_queue(const QueueId& id) {
  if (id.is_feedback()) return &feedback_;
  if (id.device.is_module()) return nullptr;
  DeviceRecord* record = registry_.record_of(id.device);
  return record == nullptr ? nullptr : &queue_of(*record);
}

SequenceNumber CloudToDevice::next_sequence(const DeviceId& device) {
  const Turn turn(monitor_);
  const Queue* queue = find_queue(registry_.find_record(device));
  return queue == nullptr ? 1 : queue->last_sequence + 1;
}

std::vector<MessageQueue::View> CloudToDevice::peek(const QueueId& id) {
  const Turn turn(monitor_);
  const Queue* queue = find_queue(id);
  return queue == nullptr ? std::vector<MessageQueue::View>{} : queue->messages.peek();
}

void CloudToDevice::restore(const Snapshot::SequenceCounter& counter) {
  if (Queue* queue = find_queue(counter.queue)) queue->last_sequence = counter.last;
}

void CloudToDevice::restore(Snapshot::QueuedMessage stored) {
  Queue* queue = find_queue(stored.queue);
  if (queue == nullptr) return;
  queue->last_sequence = std::max(queue->last_sequence, stored.message->sequence_number);
  queue->messages.restore(std::move(stored.message), stored.delivery_count);
  reschedule(*queue);
}

void CloudToDevice::restore(FeedbackRecord record) {
  batcher_.restore(std::move(record));
  monitor_.schedule(feedback_timer_, batcher_.next_deadline());
}

// ---- what happens to a device -------------------------------------------------------------------

void CloudToDevice::device_connects(DeviceRecord& device, Transport newcomer, TimePoint now) {
  const Queue* queue = find_queue(&device);
  if (queue == nullptr) return;
  for (const HolderId id : std::vector(queue->receivers)) {
    if (newcomer == Transport::mqtt || receivers_.find(id)->second.transport == Transport::mqtt) {
      close_receiver(id, CloseReason::taken_over, now);
    }
  }
}

void CloudToDevice::device_closed(DeviceRecord& device, CloseReason reason, TimePoint now) {
  const Queue* queue = find_queue(&device);
  if (queue == nullptr) return;
  for (const HolderId id : std::vector(queue->receivers)) close_receiver(id, reason, now);
}

// The queue goes as it is, without outcomes: Dropped has no feedback (C2D-16).
void CloudToDevice::device_deleted(const DeviceId& id, DeviceRecord* device, TimePoint) {
  if (Queue* queue = find_queue(device)) {
    for (const HolderId receiver : std::exchange(queue->receivers, {})) {
      ReceiverState& closed = receivers_.find(receiver)->second;
      closed.queue = nullptr;
      closed.closed = CloseReason::device_deleted;
      monitor_.wake(closed.waker);
    }
  }
  if (id.is_module()) return;
  batcher_.discard(id);  // C2D-35
  monitor_.schedule(feedback_timer_, batcher_.next_deadline());
}

void CloudToDevice::mqtt_session_removed(DeviceRecord& device) {
  if (Queue* queue = find_queue(&device)) queue->messages.forget_published();
}

void CloudToDevice::catch_up(DeviceRecord& device, TimePoint now) {
  if (Queue* queue = find_queue(&device)) monitor_.catch_up(*queue, now);
}

void CloudToDevice::describe(const DeviceRecord& device, DeviceView& view) const {
  const auto* queue = static_cast<const Queue*>(device[DeviceSlot::c2d]);
  if (queue == nullptr) return;
  view.c2d_message_count = queue->messages.depth();
  view.c2d_locked_count = queue->messages.locked_count();
  for (const HolderId id : queue->receivers) {
    const ReceiverState& receiver = receivers_.find(id)->second;
    if (receiver.transport != Transport::mqtt) continue;
    for (const auto& entry : queue->messages.peek()) {
      if (entry.message->sequence_number < receiver.first_sequence) ++view.held_back_from_mqtt;
    }
  }
}

}  // namespace hub
