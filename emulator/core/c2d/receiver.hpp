#pragma once
// The right to receive from one queue, held by one MQTT connection or AMQP link. Dropping it (or
// close) returns its locks to the queue. Movable; used by one session at a time.
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/message.hpp"
#include "emulator/core/c2d/message_queue.hpp"
#include "emulator/core/registry/device_listener.hpp"

#include <optional>
#include <utility>

namespace hub {

class CloudToDevice;

class Receiver {
 public:
  Receiver() = default;
  Receiver(Receiver&& other) noexcept { swap(other); }
  Receiver& operator=(Receiver&& other) noexcept {
    Receiver{std::move(other)}.swap(*this);
    return *this;
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();

  explicit operator bool() const { return c2d_ != nullptr; }
  // The next message, locked for this receiver; nullopt: nothing now, the waker fires when there
  // is. Call it only with room for the message (credit, in-flight window), until it says nullopt or
  // the room is used up.
  std::optional<Delivery> receive(TimePoint now);
  // MQTT QoS 0: locked and completed in one step (C2D-25).
  std::optional<Delivery> receive_and_complete(TimePoint now);
  // device_message_lock_lost: the token is not current, or not this receiver's (C2D-08).
  Result<void> complete(const LockToken& token, TimePoint now);
  Result<void> reject(const LockToken& token, TimePoint now);
  Result<void> abandon(const LockToken& token, TimePoint now);
  Result<void> release(const LockToken& token, TimePoint now);  // without an outcome
  // Messages below are not for this receiver (C2D-29); 0 is all.
  void set_first_sequence(SequenceNumber first);
  // Set once the hub closed it; its locks are already released then.
  std::optional<CloseReason> closed() const;
  void close(TimePoint now);

 private:
  friend class CloudToDevice;
  Receiver(CloudToDevice* c2d, HolderId id) : c2d_(c2d), id_(id) {}
  template <class Then>
  std::optional<Delivery> receive_then(TimePoint now, Then&& then);
  template <class Settle>
  Result<void> settle(TimePoint now, Settle&& settle);
  void swap(Receiver& other) noexcept {
    std::swap(c2d_, other.c2d_);
    std::swap(id_, other.id_);
  }
  CloudToDevice* c2d_ = nullptr;
  HolderId id_ = 0;
};

}  // namespace hub
