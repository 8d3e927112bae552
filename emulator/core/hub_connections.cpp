// Devices on persistent connections: presence, receivers, takeover (C2D-07, C2D-36, C2D-37).
#include "emulator/core/hub_impl.hpp"

namespace hub {

std::string_view to_text(CloseReason reason) {
  switch (reason) {
    case CloseReason::taken_over:
      return "a newer connection of the same identity took over";
    case CloseReason::device_disabled:
      return "the device was disabled";
    case CloseReason::device_deleted:
      return "the identity was deleted";
    case CloseReason::authentication_changed:
      return "the identity's authentication type changed";
  }
  assertion_failed("unknown CloseReason", __FILE__, __LINE__);
}

// ---- the monitor's side -------------------------------------------------------------------------

void Hub::Impl::close_receiver(HolderId id, CloseReason reason, TimePoint now) {
  ReceiverState& receiver = receivers.find(id)->second;
  QueueState* queue = std::exchange(receiver.queue, nullptr);
  if (queue == nullptr) return;
  receiver.closed = reason;
  wake(receiver.waker);
  detach_receiver(id, *queue, now);
}

void Hub::Impl::forget_receiver(HolderId id, TimePoint now) {
  const auto found = receivers.find(id);
  HUB_ASSERT(found != receivers.end());
  QueueState* queue = found->second.queue;
  receivers.erase(found);
  if (queue != nullptr) detach_receiver(id, *queue, now);
}

void Hub::Impl::detach_receiver(HolderId id, QueueState& queue, TimePoint now) {
  std::erase(queue.receivers, id);
  queue.queue.reject_older(0, now);
  if (hub.config_.settings.release_locks_on_disconnect) queue.queue.release(id, now);
  settle(queue, now);
}

void Hub::Impl::begin_subscription(QueueState& queue, Transport transport, SequenceNumber first,
                                   TimePoint now) {
  if (transport != Transport::mqtt) return;
  if (hub.config_.settings.mqtt_backlog != MqttBacklog::reject) return;
  catch_up(queue, now);
  queue.queue.reject_older(first, now);
  settle(queue, now);
}

void Hub::Impl::detach_presence(Presence::State& presence, TimePoint now) {
  DeviceState* device = std::exchange(presence.device, nullptr);
  if (device == nullptr) return;
  auto** link = &device->presences;
  while (*link != &presence) link = &(*link)->next;
  *link = presence.next;
  if (device->presences != nullptr) return;
  if (!device->id.is_module()) --connected_devices;
  device->connection_state_updated_time = now;
  device->last_activity_time = now;
}

void Hub::Impl::close_presence(Presence::State& presence, CloseReason reason, TimePoint now) {
  presence.closed.store(static_cast<std::uint8_t>(reason), std::memory_order_release);
  wake(presence.waker);
  detach_presence(presence, now);
}

void Hub::Impl::close_device(const DeviceId& device, CloseReason reason, TimePoint now) {
  const DeviceState* state = find_device_state(device);
  if (state == nullptr) return;
  for (const HolderId id : std::vector(state->receivers)) close_receiver(id, reason, now);
  for_each_presence(*state, [&](auto& presence) { close_presence(presence, reason, now); });
}

// ---- opening ------------------------------------------------------------------------------------

// A session was authorised earlier; the identity may have been disabled or deleted since.

Result<Presence> Hub::connect_device(const DeviceId& device, Transport transport, Waker waker,
                                     TimePoint now, const DeviceIdentity* granted) {
  Guard guard(*this, now);
  const auto usable = guard->usable_state(device);
  if (!usable) return usable.error();
  auto& state = **usable;
  if (granted != nullptr && (granted->generation_id != state.identity.generation_id ||
                             granted->authentication.type != state.identity.authentication.type)) {
    return fail(HubErrc::iot_hub_unauthorized_access, described(device) + " was changed just now");
  }
  if (auto admitted = guard->admit(Operation::connect, 1, now); !admitted) return admitted.error();
  // Locks come back before the newcomer receives its first message.
  const auto loses = [&](Transport older) {
    return transport == Transport::mqtt || older == Transport::mqtt;
  };
  for (const HolderId id : std::vector(state.receivers)) {
    if (loses(guard->receivers.find(id)->second.transport)) {
      guard->close_receiver(id, CloseReason::taken_over, now);
    }
  }
  const bool was_connected = state.presences != nullptr;
  guard->for_each_presence(state, [&](auto& older) {
    if (loses(older.transport)) guard->close_presence(older, CloseReason::taken_over, now);
  });
  if (state.presences == nullptr && !device.is_module()) ++guard->connected_devices;
  if (!was_connected) state.connection_state_updated_time = now;
  state.last_activity_time = now;
  auto** last = &state.presences;
  while (*last != nullptr) last = &(*last)->next;
  *last = new Presence::State{&state, nullptr, std::move(waker), transport};
  ++guard->presence_count;
  return Presence{this, *last};
}

Result<Receiver> Hub::open_devicebound(const DeviceId& device, Transport transport, Waker waker,
                                       SequenceNumber first_sequence, TimePoint now,
                                       const Presence* on_behalf_of) {
  Guard guard(*this, now);
  const auto usable = guard->usable_state(device);
  if (!usable) return usable.error();
  if (guard->was_closed(on_behalf_of)) {
    return fail(HubErrc::link_creation_conflict, std::string(to_text(CloseReason::taken_over)));
  }
  HUB_ASSERT(!device.is_module());  // MOD-08
  auto& state = **usable;
  for (const HolderId older : std::vector(state.receivers)) {
    guard->close_receiver(older, CloseReason::taken_over, now);
  }
  guard->begin_subscription(state, transport, first_sequence, now);
  const HolderId id = guard->next_id++;
  state.receivers.push_back(id);
  guard->receivers.emplace(id, Impl::ReceiverState{&state, transport, std::move(waker),
                                                   first_sequence, true, std::nullopt});
  return Receiver{this, id};
}

Receiver Hub::open_feedback(Waker waker, TimePoint now) {
  Guard guard(*this, now);
  const HolderId id = guard->next_id++;
  guard->feedback.receivers.push_back(id);
  guard->receivers.emplace(id, Impl::ReceiverState{&guard->feedback, Transport::amqp,
                                                   std::move(waker), 0, true, std::nullopt});
  return Receiver{this, id};
}

// ---- the handles --------------------------------------------------------------------------------

Presence::~Presence() {
  if (hub_ != nullptr) close(TimePoint::min());
}

void Presence::close(TimePoint now) {
  if (hub_ == nullptr) return;
  Hub::Guard guard(*std::exchange(hub_, nullptr), now);
  guard->detach_presence(*state_, guard->latest);
  delete std::exchange(state_, nullptr);
  --guard->presence_count;
}

std::optional<CloseReason> Presence::closed() const {
  if (hub_ == nullptr) return std::nullopt;
  const std::uint8_t closed = state_->closed.load(std::memory_order_acquire);
  return closed == State::live ? std::nullopt : std::optional(static_cast<CloseReason>(closed));
}

Receiver::~Receiver() {
  if (hub_ != nullptr) close(TimePoint::min());
}

void Receiver::close(TimePoint now) {
  if (hub_ == nullptr) return;
  Hub::Guard guard(*std::exchange(hub_, nullptr), now);
  guard->forget_receiver(id_, guard->latest);
}

std::optional<CloseReason> Receiver::closed() const {
  if (hub_ == nullptr) return std::nullopt;
  Hub::Guard guard(*hub_);
  return guard->receivers.find(id_)->second.closed;
}

void Receiver::set_first_sequence(SequenceNumber first) {
  if (hub_ == nullptr) return;
  Hub::Guard guard(*hub_);
  auto& receiver = guard->receivers.find(id_)->second;
  receiver.first_sequence = first;
  if (receiver.queue == nullptr) return;
  guard->begin_subscription(*receiver.queue, receiver.transport, first, guard->latest);
  guard->wake_receivers(*receiver.queue);
}

}  // namespace hub
