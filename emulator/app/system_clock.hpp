#pragma once
// The hub's clock: the wall clock at start, carried on by one that never steps back and that counts
// a laptop's sleep. The offset is what a test moves.
#include "emulator/core/base/time.hpp"

#include <atomic>

namespace app {

class SystemClock : public hub::Clock {
 public:
  SystemClock();
  hub::TimePoint now() override;  // any thread
  hub::Duration drift() override;
  void advance(hub::Duration by) { offset_ms_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  const std::int64_t start_ms_;  // wall clock less the steady one
  std::atomic<std::int64_t> offset_ms_{0};
};

}  // namespace app
