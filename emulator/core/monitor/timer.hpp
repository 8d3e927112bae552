#pragma once
// Something that becomes due: a time, its place among those of the same instant, and who is called.
// Embedded in what it is for, and never copied or moved; Monitor::schedule allocates nothing.
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/monitor/thread_safety.hpp"

#include <boost/intrusive/set.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace hub {

// The right to touch what a monitor guards: a Turn has it. One name for the monitors of all hubs,
// since the analysis could not see that two departments of a hub have the same one.
struct HUB_CAPABILITY("monitor") MonitorRole {};
inline MonitorRole in_turn;

class Timer;

class TimerOwner {
 public:
  // Does what is due at `time`, at most so much of it, and schedules the timer anew. Returns how
  // much there was; 0 is of no weight, and may not be due at once again.
  virtual std::size_t fire(Timer& timer, TimePoint time, std::size_t most)
      HUB_REQUIRES(in_turn) = 0;

 protected:
  ~TimerOwner() = default;
};

// It is scheduled no more once it is destroyed.
class Timer : public boost::intrusive::set_base_hook<
                  boost::intrusive::optimize_size<true>,
                  boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // At the same instant (spec/c2d.md 2.7): the rank, then the device. The outcomes of queues come
  // first, so that their records join the batch.
  enum class Rank : std::uint8_t { queue, feedback_batch };

  // Neither is owned; both outlive the timer.
  Timer(TimerOwner& owner, Rank rank, const DeviceId& device)
      : owner_(owner), device_(device), rank_(rank) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  const DeviceId& device() const { return device_; }
  std::optional<TimePoint> due() const { return due_; }  // nullopt: not scheduled

  friend bool operator<(const Timer& a, const Timer& b) {
    if (a.due_ != b.due_) return a.due_ < b.due_;
    return a.rank_ != b.rank_ ? a.rank_ < b.rank_ : a.device_ < b.device_;
  }

 private:
  friend class Monitor;
  TimerOwner& owner_;
  const DeviceId& device_;
  std::optional<TimePoint> due_;
  Rank rank_;
};

}  // namespace hub
