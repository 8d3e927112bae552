#pragma once
// Which links and devices of a connection the hub has something for. The hub's wakers run on any
// thread and may outlive the connection; so they share this list, and nothing else.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "emulator/core/hub/hub.hpp"

namespace amqp {

using WakeId = std::uint64_t;

class WakeList : public std::enable_shared_from_this<WakeList> {
 public:
  explicit WakeList(hub::Waker connection) : connection_(std::move(connection)) {}

  hub::Waker waker_for(WakeId id) {
    return [self = shared_from_this(), id] { self->wake(id); };
  }
  bool any() const { return any_; }
  std::unordered_set<WakeId> take() {
    const std::lock_guard lock(mutex_);
    any_ = false;
    return std::exchange(woken_, {});
  }

 private:
  void wake(WakeId id) {
    {
      const std::lock_guard lock(mutex_);
      if (!woken_.insert(id).second) return;
      any_ = true;
    }
    connection_();
  }

  const hub::Waker connection_;  // net's: runs nobody from within the call
  std::mutex mutex_;
  std::unordered_set<WakeId> woken_;
  std::atomic<bool> any_ = false;  // woken_ is not empty
};

}  // namespace amqp
