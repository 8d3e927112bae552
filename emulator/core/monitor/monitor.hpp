#pragma once
// What all departments of a hub share: one mutex, the hub's time, timers, what is staged for the
// store, who is to be woken. A call takes a Turn, microseconds long: no I/O inside, no call
// outwards while it lasts; wakers fire after it. Thread-safe. Every turn first runs all timers that
// are due at `now` (spec/c2d.md 2.7). Where that is very much, a call runs those that it is about
// (catch_up), and on_time the others, share by share (C2D-46). Threads read the clock before they
// wait for the mutex: a `now` older than the latest seen is taken for that (N-31).
#include "emulator/core/base/log.hpp"
#include "emulator/core/base/metrics.hpp"
#include "emulator/core/base/waker.hpp"
#include "emulator/core/monitor/timer.hpp"
#include "emulator/core/store/change.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace hub {

class Monitor {
 public:
  // `log` outlives the monitor. `durable`: changes are staged for a Store; else dropped.
  Monitor(Log& log, TimePoint start, bool durable) : log_(log), durable_(durable), latest_(start) {}
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  Log& log() { return log_; }
  Metrics& metrics() { return metrics_; }
  bool durable() const { return durable_; }

  // ---- for departments, in a turn ---------------------------------------------------------------
  TimePoint latest() const HUB_REQUIRES(in_turn) { return latest_; }
  void wake(const Waker& waker) HUB_REQUIRES(in_turn) { to_fire_.push_back(waker); }

  void stage(Change change) HUB_REQUIRES(in_turn);
  // The same for what happens all the time: without a store the fact is not even made.
  template <class Fact, class... Fields>
  void stage(const Fields&... fields) HUB_REQUIRES(in_turn) {
    if (durable_) stage(Change{Fact{fields...}});
  }

  // nullopt: never.
  void schedule(Timer& timer, std::optional<TimePoint> due) HUB_REQUIRES(in_turn);
  // For a call about what this timer is for: it wins over the call, however much else is due
  // (C2D-24).
  void catch_up(Timer& timer, TimePoint now) HUB_REQUIRES(in_turn) {
    if (behind_) fire_until(timer, now);
  }
  // What is due at `now`; of very much only a share, so that nobody waits for all of it. Returns
  // the latest time seen.
  TimePoint run_timers(TimePoint now) HUB_REQUIRES(in_turn);

  // ---- for the hub's owner ----------------------------------------------------------------------
  // To be called at next_deadline(), and again for as long as that is not after `now`.
  void on_time(TimePoint now) HUB_EXCLUDES(in_turn);
  std::optional<TimePoint> next_deadline() HUB_EXCLUDES(in_turn);
  // Fires whenever next_deadline() may have come nearer. Set once, before use.
  void set_deadline_waker(Waker waker) HUB_EXCLUDES(in_turn);

  // Durable mode. staged() counts all changes ever staged; what a session wrote may leave only when
  // committed() has reached the staged() seen after it (read, feed, commit, write).
  std::uint64_t staged() const { return staged_count_.load(std::memory_order_acquire); }
  // Takes what is staged and not yet taken, with the staged() it reaches up to.
  std::pair<std::vector<Change>, std::uint64_t> take_changes() HUB_EXCLUDES(in_turn);
  // Fires when something is staged. Set once, before use.
  void set_staged_waker(Waker waker) HUB_EXCLUDES(in_turn);

 private:
  friend class Turn;
  static constexpr std::size_t timers_per_call_max = 256;
  static constexpr std::size_t timers_staged_max = 1024;

  TimePoint see(TimePoint now) HUB_REQUIRES(in_turn) { return latest_ = std::max(latest_, now); }
  void fire_until(Timer& timer, TimePoint now) HUB_REQUIRES(in_turn);
  // A transaction that carries more of what is due would hold up everybody else's.
  bool timers_wait_for_store() const HUB_REQUIRES(in_turn) {
    return staged_by_timers_ >= timers_staged_max;
  }
  std::optional<TimePoint> earliest() const HUB_REQUIRES(in_turn);
  void announce() HUB_REQUIRES(in_turn);

  Log& log_;
  Metrics metrics_;
  const bool durable_;
  std::atomic<std::uint64_t> staged_count_{0};
  std::mutex mutex_;  // held for the length of a Turn

  TimePoint latest_ HUB_GUARDED_BY(in_turn);  // destructors have no time of their own
  boost::intrusive::set<Timer, boost::intrusive::constant_time_size<false>> timers_
      HUB_GUARDED_BY(in_turn);
  std::optional<TimePoint> announced_ HUB_GUARDED_BY(in_turn);  // what next_deadline() said last
  bool behind_ HUB_GUARDED_BY(in_turn) = false;                 // more is due than one turn does
  std::size_t staged_by_timers_ HUB_GUARDED_BY(in_turn) = 0;    // and not taken yet
  std::vector<Change> staged_ HUB_GUARDED_BY(in_turn);
  Waker staged_waker_ HUB_GUARDED_BY(in_turn);
  Waker deadline_waker_ HUB_GUARDED_BY(in_turn);
  std::vector<Waker> to_fire_ HUB_GUARDED_BY(in_turn);
};

// One call's stay in the monitor.
class HUB_SCOPED_CAPABILITY Turn {
 public:
  // Runs the timers that are due. `now` becomes the latest that the hub has seen.
  Turn(Monitor& monitor, TimePoint& now) HUB_ACQUIRE(in_turn) HUB_NO_THREAD_SAFETY_ANALYSIS
      : Turn(monitor) {
    now = monitor.behind_ ? monitor.see(now) : monitor.run_timers(now);
  }
  // For a look, and for what has no time.
  explicit Turn(Monitor& monitor) HUB_ACQUIRE(in_turn) : monitor_(monitor), lock_(monitor.mutex_) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() HUB_RELEASE() HUB_NO_THREAD_SAFETY_ANALYSIS {
    monitor_.announce();
    std::vector<Waker> wakers;
    wakers.swap(monitor_.to_fire_);
    lock_.unlock();
    for (const Waker& waker : wakers) waker();
  }

 private:
  Monitor& monitor_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace hub
