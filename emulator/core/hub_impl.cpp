#include "emulator/core/hub_impl.hpp"

namespace hub {

Hub::Impl::Impl(Hub& owner, TimePoint start, bool is_durable)
    : hub(owner),
      durable(is_durable),
      latest(start),
      registry(owner.ids_, owner.config_.limits.devices_max),
      device_queue_limits(device_limits()),
      feedback_queue_limits(feedback_limits()),
      feedback(nobody, &feedback_queue_limits),
      batcher(&owner.config_.settings, start),
      events(owner.config_.settings.partition_count,
             owner.config_.settings.events_per_partition_max,
             owner.config_.limits.event_bytes_per_partition_max) {}

QueueLimits Hub::Impl::device_limits() const {
  const Settings& settings = hub.config_.settings;
  return {hub.config_.limits.queue_depth_max, QueueLimits{}.body_bytes_max,
          settings.max_delivery_count,        settings.delivery_count_mode,
          settings.expire_while_locked,       settings.redeliver_on_live_connection};
}

QueueLimits Hub::Impl::feedback_limits() const {
  const Settings& settings = hub.config_.settings;
  return {hub.config_.limits.feedback_queue_depth_max,
          hub.config_.limits.feedback_queue_bytes_max,
          settings.feedback_max_delivery_count,
          settings.delivery_count_mode,
          settings.expire_while_locked,
          settings.redeliver_on_live_connection};
}

Hub::Impl::DeviceState& Hub::Impl::device_state(const DeviceIdentity& identity) {
  if (auto* state = find_device_state(identity.id)) return *state;
  return **devices.insert(std::make_unique<DeviceState>(identity, &device_queue_limits)).first;
}

Hub::Impl::DeviceState* Hub::Impl::find_device_state(const DeviceId& id) {
  const auto found = devices.find(id);
  return found == devices.end() ? nullptr : found->get();
}

Result<Hub::Impl::DeviceState*> Hub::Impl::usable_state(const DeviceId& id) {
  if (auto* state = find_device_state(id);
      state != nullptr && !id.is_module() && state->identity.status == DeviceStatus::enabled) {
    return state;
  }
  const auto usable = registry.usable(id);
  if (!usable) return usable.error();
  return &device_state(**usable);
}

Hub::Impl::QueueState* Hub::Impl::find_queue(const QueueId& id) {
  if (id.is_feedback()) return &feedback;
  if (id.device.is_module()) return nullptr;
  if (auto* state = find_device_state(id.device)) return state;
  const DeviceIdentity* identity = registry.find(id.device);
  return identity == nullptr ? nullptr : &device_state(*identity);
}

void Hub::Impl::settle(QueueState& state, TimePoint now) {
  const bool is_feedback = state.is_feedback();
  bool reported = false;
  std::vector<MessagePtr> too_early;
  for (const Outcome& outcome : state.queue.take_outcomes()) {
    if (outcome.kind == Outcome::Kind::returned) {
      if (durable) {
        stage(change::DeliveryCountSet{
            {state.id}, outcome.message->sequence_number, outcome.delivery_count});
      }
      continue;
    }
    if (durable) stage(change::MessageRemoved{{state.id}, outcome.message->sequence_number});
    if (is_feedback) continue;  // feedback produces no feedback (C2D-33)
    report(state, outcome);
    reported = true;
    if (outcome.too_early) too_early.push_back(outcome.message);
  }
  if (!too_early.empty()) {
    hub.log_.warn(
        "messages rejected: they were sent before the device subscribed over MQTT, and the hub "
        "gives it only what comes later; send when its SUBACK is there, or "
        "mqttBacklogOnFirstSubscribe=deliver pushes them and keep leaves them to AMQP and HTTPS",
        {{"device", state.id.text},
         {"messages", std::to_string(too_early.size())},
         {"ids", ids_of(too_early)}});
  }
  if (reported) flush_feedback(now);
  reschedule(state);
  wake_receivers(state);
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

void Hub::Impl::report(const QueueState& state, const Outcome& outcome) {
  if (hub.log_.enabled(LogLevel::debug)) {
    hub.log_.debug(event_of(outcome.kind),
                   {{"device", state.id.text}, {"ids", ids_of({&outcome.message, 1})}});
  }
  Metrics& metrics = hub.metrics_;
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
  const DeviceIdentity* identity = registry.find(state.id);
  HUB_ASSERT(identity != nullptr);  // a deleted device's queue is dropped, not settled
  FeedbackRecord record;
  record.original_message_id = outcome.message->content.message_id;
  record.enqueued_time = outcome.time;
  record.status = outcome.kind;
  record.device_id = state.id;
  record.device_generation_id = identity->generation_id;
  ++metrics.feedback_records;
  stage<change::FeedbackRecordAdded>(batcher.add(std::move(record)));
}

void Hub::Impl::flush_feedback(TimePoint now) {
  for (const FeedbackBatcher::Batch& batch : batcher.on_time(now)) {
    change::FeedbackRecordsRemoved removed;
    for (const FeedbackRecord& record : batch.records)
      removed.record_ids.push_back(record.record_id);
    stage(std::move(removed));

    auto message = std::make_shared<Message>();
    message->sequence_number = ++feedback.last_sequence;
    message->enqueued_time = batch.time;
    message->expires_at = batch.time + hub.config_.settings.feedback_ttl;
    message->content.to = "/messages/serviceBound/feedback";
    message->content.user_id = hub.name_;
    message->content.content_type = "application/vnd.microsoft.iothub.feedback.json";
    message->content.body = batcher.to_json(batch.records);
    if (!feedback.queue.enqueue(message)) {
      if (std::exchange(feedback_is_full, true)) continue;  // once, until there is room again
      hub.log_.warn(
          "feedback batch dropped: nobody reads the feedback and its queue is full",
          {{"records", std::to_string(batch.records.size())},
           {"remedy", "receive and complete the feedback, or send with iothub-ack none"}});
      continue;
    }
    feedback_is_full = false;
    ++hub.metrics_.feedback_batches;
    stage(change::MessageEnqueued{{feedback.id}, message});
  }
  reschedule(feedback);
  wake_receivers(feedback);
}

void Hub::Impl::wake_receivers(QueueState& state) {
  for (const HolderId id : state.receivers) {
    ReceiverState& receiver = receivers.find(id)->second;
    if (receiver.armed && state.queue.has_message_for(id, receiver.first_sequence)) {
      receiver.armed = false;
      wake(receiver.waker);
    }
  }
}

void Hub::Impl::reschedule(QueueState& state) {
  const auto next = state.queue.next_deadline();
  if (next == state.scheduled) return;
  if (state.scheduled) timers.erase({*state.scheduled, &state});
  if (next) timers.emplace(*next, &state);
  state.scheduled = next;
}

// The queue goes as it is, without outcomes: Dropped has no feedback (C2D-16).
void Hub::Impl::drop_device_state(const DeviceId& id, TimePoint now) {
  const auto found = devices.find(id);
  if (found == devices.end()) return;
  DeviceState& state = **found;
  for (const HolderId receiver : std::exchange(state.receivers, {})) {
    auto& closed = receivers.find(receiver)->second;
    closed.queue = nullptr;
    closed.closed = CloseReason::device_deleted;
    wake(closed.waker);
  }
  for_each_presence(
      state, [&](auto& presence) { close_presence(presence, CloseReason::device_deleted, now); });
  if (state.scheduled) timers.erase({*state.scheduled, &state});
  devices.erase(found);
}

void Hub::Impl::make_system_modules(const DeviceId& device, TimePoint now) {
  for (const std::string_view module : system_modules) {
    DeviceSpec spec;
    spec.id = {device.text, std::string(module)};
    if (registry.find(spec.id) != nullptr) continue;
    const auto made = registry.create(spec, now);
    HUB_ASSERT(made);  // the registry saw to the room
    stage(change::DevicePut{*made});
  }
}

void Hub::Impl::remove_system_modules(const DeviceId& device, TimePoint now) {
  for (const std::string_view module : system_modules) {
    const DeviceId id{device.text, std::string(module)};
    if (registry.find(id) == nullptr) continue;
    drop_device_state(id, now);
    stage(change::DeviceDeleted{id});
    registry.remove(id);
  }
}

TimePoint Hub::Impl::run_timers(TimePoint now) {
  now = see(now);
  for (std::size_t done = 0;;) {
    const auto queue_time = timers.empty() ? std::nullopt : std::optional{timers.begin()->first};
    const auto batch_time = batcher.next_deadline();
    // At the same instant the outcomes come first, so that their records join the batch.
    const bool queue_is_next =
        queue_time && *queue_time <= now && (!batch_time || *queue_time <= *batch_time);
    const bool due = queue_is_next || (batch_time && *batch_time <= now);
    behind = due && (done == timers_per_call_max || timers_wait_for_store());
    if (!due || behind) return now;
    const std::size_t staged_before = staged.size();
    if (queue_is_next) {
      done += fire(*timers.begin()->second, timers_per_call_max - done);
    } else {
      flush_feedback(*batch_time);
    }
    staged_by_timers += staged.size() - staged_before;
  }
}

std::size_t Hub::Impl::fire(QueueState& state, std::size_t most) {
  const TimePoint time = *state.scheduled;
  const std::size_t done = state.queue.on_time(time, most);
  settle(state, time);
  return done;
}

void Hub::Impl::catch_up(QueueState& state, TimePoint now) {
  if (!behind) return;
  while (state.scheduled && *state.scheduled <= now) fire(state, timers_per_call_max);
}

std::optional<TimePoint> Hub::Impl::next_deadline() const {
  if (timers_wait_for_store()) return std::nullopt;  // take_changes asks again
  auto next = batcher.next_deadline();
  if (!timers.empty() && (!next || timers.begin()->first < *next)) next = timers.begin()->first;
  return next;
}

void Hub::Impl::stage(Change change) {
  if (!durable) return;
  if (staged.empty()) wake(staged_waker);
  staged.push_back(std::move(change));
  hub.staged_count_.fetch_add(1, std::memory_order_release);
}

DeviceView Hub::Impl::view_of(const DeviceIdentity& identity) {
  DeviceView view;
  view.identity = identity;
  const DeviceState* state = find_device_state(identity.id);
  if (state == nullptr) return view;
  view.connected = state->presences != nullptr;
  view.connection_state_updated_time = state->connection_state_updated_time;
  view.last_activity_time = state->last_activity_time;
  view.c2d_message_count = state->queue.depth();
  view.c2d_locked_count = state->queue.locked_count();
  for (const HolderId id : state->receivers) {
    const ReceiverState& receiver = receivers.find(id)->second;
    if (receiver.transport != Transport::mqtt) continue;
    for (const auto& entry : state->queue.peek()) {
      if (entry.message->sequence_number < receiver.first_sequence) ++view.held_back_from_mqtt;
    }
  }
  return view;
}

}  // namespace hub
