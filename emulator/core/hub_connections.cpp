// Devices on persistent connections: presence, receivers, takeover (C2D-07, C2D-36, C2D-37).
#include "emulator/core/hub_impl.hpp"

namespace hub {

std::string_view to_text(CloseReason reason) {
  switch (reason) {
    case CloseReason::taken_over: return "a newer connection of the same identity took over";
    case CloseReason::device_disabled: return "the device was disabled";
    case CloseReason::device_deleted: return "the identity was deleted";
    case CloseReason::authentication_changed: return "the identity's authentication type changed";
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
  std::erase(queue->receivers, id);
  if (hub.config_.settings.release_locks_on_disconnect) queue->queue.release(id, now);
  settle(*queue, now);
}

void Hub::Impl::forget_receiver(HolderId id, TimePoint now) {
  const auto found = receivers.find(id);
  HUB_ASSERT(found != receivers.end());
  QueueState* queue = found->second.queue;
  receivers.erase(found);
  if (queue == nullptr) return;
  std::erase(queue->receivers, id);
  if (hub.config_.settings.release_locks_on_disconnect) queue->queue.release(id, now);
  settle(*queue, now);
}

void Hub::Impl::detach_presence(DeviceState& state, std::uint64_t id, TimePoint now) {
  if (std::erase(state.presences, id) == 0 || !state.presences.empty()) return;
  if (!state.id.device.is_module()) --connected_devices;
  state.connection_state_updated_time = now;
  state.last_activity_time = now;
}

void Hub::Impl::close_presence(std::uint64_t id, CloseReason reason, TimePoint now) {
  PresenceState& presence = presences.find(id)->second;
  if (presence.closed) return;
  presence.closed = reason;
  wake(presence.waker);
  detach_presence(device_state(presence.device), id, now);
}

void Hub::Impl::forget_presence(std::uint64_t id, TimePoint now) {
  const auto found = presences.find(id);
  HUB_ASSERT(found != presences.end());
  if (!found->second.closed) detach_presence(device_state(found->second.device), id, now);
  presences.erase(found);
}

void Hub::Impl::close_device(const DeviceId& device, CloseReason reason, TimePoint now) {
  const DeviceState* state = find_device_state(device);
  if (state == nullptr) return;
  for (const HolderId id : std::vector(state->receivers)) close_receiver(id, reason, now);
  for (const std::uint64_t id : std::vector(state->presences)) close_presence(id, reason, now);
}

// ---- opening ------------------------------------------------------------------------------------

// A session was authorised earlier; the identity may have been disabled or deleted since.

Result<Presence> Hub::connect_device(const DeviceId& device, Transport transport, Waker waker,
                                     TimePoint now) {
  Guard guard(*this, now);
  if (auto usable = guard->registry.usable(device); !usable) return usable.error();
  if (auto admitted = guard->admit(Operation::connect, 1, now); !admitted) return admitted.error();
  auto& state = guard->device_state(device);
  // Locks come back before the newcomer receives its first message.
  const auto loses = [&](Transport older) {
    return transport == Transport::mqtt || older == Transport::mqtt;
  };
  for (const HolderId id : std::vector(state.receivers)) {
    if (loses(guard->receivers.find(id)->second.transport)) {
      guard->close_receiver(id, CloseReason::taken_over, now);
    }
  }
  const bool was_connected = !state.presences.empty();
  const std::uint64_t id = guard->next_id++;
  for (const std::uint64_t older : std::vector(state.presences)) {
    if (loses(guard->presences.find(older)->second.transport)) {
      guard->close_presence(older, CloseReason::taken_over, now);
    }
  }
  if (state.presences.empty() && !device.is_module()) ++guard->connected_devices;
  if (!was_connected) state.connection_state_updated_time = now;
  state.presences.push_back(id);
  state.last_activity_time = now;
  guard->presences.emplace(
      id, Impl::PresenceState{device, transport, std::make_shared<const Waker>(std::move(waker)),
                              std::nullopt});
  return Presence{this, id};
}

Result<Receiver> Hub::open_devicebound(const DeviceId& device, Transport transport, Waker waker,
                                       SequenceNumber first_sequence, TimePoint now) {
  Guard guard(*this, now);
  if (auto usable = guard->registry.usable(device); !usable) return usable.error();
  HUB_ASSERT(!device.is_module());  // MOD-08
  auto& state = guard->device_state(device);
  for (const HolderId older : std::vector(state.receivers)) {
    guard->close_receiver(older, CloseReason::taken_over, now);
  }
  const HolderId id = guard->next_id++;
  state.receivers.push_back(id);
  guard->receivers.emplace(
      id, Impl::ReceiverState{&state, transport, std::make_shared<const Waker>(std::move(waker)),
                              first_sequence, true, std::nullopt});
  return Receiver{this, id};
}

Receiver Hub::open_feedback(Waker waker, TimePoint now) {
  Guard guard(*this, now);
  const HolderId id = guard->next_id++;
  guard->feedback.receivers.push_back(id);
  guard->receivers.emplace(
      id, Impl::ReceiverState{&guard->feedback, Transport::amqp,
                              std::make_shared<const Waker>(std::move(waker)), 0, true,
                              std::nullopt});
  return Receiver{this, id};
}

// ---- the handles --------------------------------------------------------------------------------

Presence::~Presence() {
  if (hub_ != nullptr) close(TimePoint::min());
}

void Presence::close(TimePoint now) {
  if (hub_ == nullptr) return;
  Hub::Guard guard(*std::exchange(hub_, nullptr), now);
  guard->forget_presence(id_, guard->latest);
}

std::optional<CloseReason> Presence::closed() const {
  if (hub_ == nullptr) return std::nullopt;
  Hub::Guard guard(*hub_);
  return guard->presences.find(id_)->second.closed;
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
  if (receiver.queue != nullptr) guard->wake_receivers(*receiver.queue);
}

}  // namespace hub
