#include "emulator/core/hub.hpp"

#include "emulator/core/encoding.hpp"
#include "emulator/core/hub_impl.hpp"

namespace hub {

Hub::Hub(HubConfig config, IdSource& ids, Log& log, TimePoint now, bool durable)
    : config_(std::move(config)),
      name_(config_.host_name.substr(0, config_.host_name.find('.'))),
      ids_(ids),
      log_(log),
      impl_(std::make_unique<Impl>(*this, now, durable)) {}

Hub::~Hub() {
  // Receivers and presences point here; they must be gone first.
  HUB_ASSERT(impl_->receivers.empty() && impl_->presence_count == 0);
}

void Hub::restore(Snapshot snapshot, TimePoint now) {
  Guard guard(*this);
  for (DeviceIdentity& identity : snapshot.devices) guard->registry.restore(std::move(identity));
  for (const auto& counter : snapshot.counters) {
    if (auto* state = guard->find_queue(counter.queue)) state->last_sequence = counter.last;
  }
  for (auto& stored : snapshot.messages) {
    auto* state = guard->find_queue(stored.queue);
    if (state == nullptr) continue;
    state->last_sequence = std::max(state->last_sequence, stored.message->sequence_number);
    state->queue.restore(std::move(stored.message), stored.delivery_count);
    guard->reschedule(*state);
  }
  for (FeedbackRecord& record : snapshot.feedback_records) {
    guard->batcher.restore(std::move(record));
  }
  for (auto& stored : snapshot.mqtt_sessions) {
    const DeviceIdentity* identity = guard->registry.find(stored.device);
    if (identity == nullptr) continue;
    guard->device_state(*identity).mqtt_session = std::move(stored.state);
  }
  for (auto& stored : snapshot.events) {
    guard->events.restore(stored.partition, std::move(stored.event));
  }
  guard->run_timers(now);  // what became due while the hub was down (C2D-17)
}

// ---- registry -----------------------------------------------------------------------------------

Result<DeviceView> Hub::create_device(const DeviceSpec& spec, TimePoint now) {
  Guard guard(*this, now);
  auto created = guard->registry.create(spec, now);
  if (!created) return created.error();
  guard->stage(change::DevicePut{*created});
  if (created->iot_edge) guard->make_system_modules(spec.id, now);
  return guard->view_of(*created);
}

Result<DeviceView> Hub::update_device(const DeviceSpec& spec, const IfMatch& if_match,
                                      TimePoint now) {
  Guard guard(*this, now);
  const DeviceIdentity* known = guard->registry.find(spec.id);
  const auto old_type = known == nullptr ? AuthenticationType::sas : known->authentication.type;
  const bool was_edge = known != nullptr && known->iot_edge;
  auto updated = guard->registry.update(spec, if_match, now);
  if (!updated) return updated.error();
  guard->stage(change::DevicePut{*updated});
  if (updated->iot_edge && !was_edge) guard->make_system_modules(spec.id, now);
  if (!updated->iot_edge && was_edge) guard->remove_system_modules(spec.id, now);
  if (updated->status == DeviceStatus::disabled) {
    guard->close_device(spec.id, CloseReason::device_disabled, now);
    for (const DeviceIdentity* module : guard->registry.modules_of(spec.id.text)) {
      guard->close_device(module->id, CloseReason::device_disabled, now);
    }
  } else if (updated->authentication.type != old_type) {
    guard->close_device(spec.id, CloseReason::authentication_changed, now);
  }
  return guard->view_of(*updated);
}

Result<void> Hub::delete_device(const DeviceId& id, const IfMatch& if_match, TimePoint now) {
  Guard guard(*this, now);
  std::vector<DeviceId> gone;
  if (!id.is_module()) {
    for (const DeviceIdentity* module : guard->registry.modules_of(id.text)) {
      gone.push_back(module->id);
    }
  }
  gone.push_back(id);
  if (auto may = guard->registry.check(id, if_match); !may) return may;
  for (const DeviceId& each : gone) {
    guard->drop_device_state(each, now);
    guard->stage(change::DeviceDeleted{each});
  }
  guard->registry.remove(id);
  guard->batcher.discard(id);  // C2D-35
  return {};
}

Result<DeviceView> Hub::get_device(const DeviceId& id, TimePoint now) {
  Guard guard(*this, now);
  const auto identity = guard->registry.get(id);
  if (!identity) return identity.error();
  if (auto* state = guard->find_device_state(id)) guard->catch_up(*state, now);
  return guard->view_of(**identity);
}

Result<std::vector<DeviceView>> Hub::list_modules(const DeviceId& device, TimePoint now) {
  Guard guard(*this, now);
  if (const auto known = guard->registry.get(device); !known) return known.error();
  std::vector<DeviceView> out;
  for (const DeviceIdentity* module : guard->registry.modules_of(device.text)) {
    out.push_back(guard->view_of(*module));
  }
  return out;
}

std::vector<DeviceView> Hub::list_devices(std::string_view after, std::size_t count,
                                          TimePoint now) {
  Guard guard(*this, now);
  std::vector<DeviceView> out;
  for (const DeviceIdentity* identity : guard->registry.list(after, count)) {
    out.push_back(guard->view_of(*identity));
  }
  return out;
}

Hub::Statistics Hub::statistics(TimePoint now) {
  Guard guard(*this, now);
  Statistics out;
  out.total_device_count = guard->registry.size();
  out.disabled_device_count = guard->registry.disabled_count();
  out.enabled_device_count = out.total_device_count - out.disabled_device_count;
  out.connected_device_count = guard->connected_devices;
  return out;
}

// ---- stored MQTT sessions -----------------------------------------------------------------------

std::optional<MqttSessionState> Hub::mqtt_session(const DeviceId& device) {
  Guard guard(*this);
  const auto* state = guard->find_device_state(device);
  return state == nullptr ? std::nullopt : state->mqtt_session;
}

bool Hub::store_mqtt_session(const DeviceId& device, const MqttSessionState& session, TimePoint now,
                             const Presence* on_behalf_of) {
  Guard guard(*this, now);
  if (guard->was_closed(on_behalf_of)) return false;
  const DeviceIdentity* identity = guard->registry.find(device);
  if (identity == nullptr) return false;
  auto& state = guard->device_state(*identity);
  if (state.mqtt_session == session) return true;
  state.mqtt_session = session;
  guard->stage(change::MqttSessionPut{device, session});
  return true;
}

bool Hub::remove_mqtt_session(const DeviceId& device, TimePoint now, const Presence* on_behalf_of) {
  Guard guard(*this, now);
  if (guard->was_closed(on_behalf_of)) return false;
  auto* state = guard->find_device_state(device);
  if (state == nullptr) return true;
  state->queue.forget_published();
  if (!state->mqtt_session) return true;
  state->mqtt_session.reset();
  guard->stage(change::MqttSessionRemoved{device});
  return true;
}

SequenceNumber Hub::next_sequence(const DeviceId& device) {
  Guard guard(*this);
  const auto* state = guard->find_device_state(device);
  return state == nullptr ? 1 : state->last_sequence + 1;
}

bool Hub::first_reported_properties(const DeviceId& device) {
  Guard guard(*this);
  auto* state = guard->find_device_state(device);
  return state != nullptr && !std::exchange(state->has_reported_properties, true);
}

// ---- time and storage ---------------------------------------------------------------------------

void Hub::on_time(TimePoint now) {
  Guard guard(*this);
  guard->run_timers(now);
}

std::optional<TimePoint> Hub::next_deadline() {
  Guard guard(*this);
  guard->announced = guard->next_deadline();
  return guard->announced;
}

void Hub::set_deadline_waker(Waker waker) {
  Guard guard(*this);
  guard->deadline_waker = std::move(waker);
}

void Hub::set_staged_waker(Waker waker) {
  Guard guard(*this);
  guard->staged_waker = std::move(waker);
}

std::pair<std::vector<Change>, std::uint64_t> Hub::take_changes() {
  Guard guard(*this);
  guard->staged_by_timers = 0;
  return {std::exchange(guard->staged, {}), staged()};
}

std::vector<MessageQueue::View> Hub::peek(const QueueId& queue) {
  Guard guard(*this);
  const auto* state = guard->find_queue(queue);
  return state == nullptr ? std::vector<MessageQueue::View>{} : state->queue.peek();
}

}  // namespace hub
