#include "emulator/core/monitor/monitor.hpp"

namespace hub {

void Monitor::stage(Change change) {
  if (!durable_) return;
  if (staged_.empty()) wake(staged_waker_);
  staged_.push_back(std::move(change));
  staged_count_.fetch_add(1, std::memory_order_release);
}

void Monitor::schedule(Timer& timer, std::optional<TimePoint> due) {
  if (due == timer.due_) return;
  if (timer.due_) timers_.erase(timers_.iterator_to(timer));
  timer.due_ = due;
  if (due) timers_.insert(timer);
}

TimePoint Monitor::run_timers(TimePoint now) {
  now = see(now);
  for (std::size_t done = 0;;) {
    const bool due = !timers_.empty() && *timers_.begin()->due_ <= now;
    behind_ = due && (done == timers_per_call_max || timers_wait_for_store());
    if (!due || behind_) return now;
    const std::size_t staged_before = staged_.size();
    Timer& next = *timers_.begin();
    done += next.owner_.fire(next, *next.due_, timers_per_call_max - done);
    staged_by_timers_ += staged_.size() - staged_before;
  }
}

void Monitor::fire_until(Timer& timer, TimePoint now) {
  while (timer.due_ && *timer.due_ <= now) {
    timer.owner_.fire(timer, *timer.due_, timers_per_call_max);
  }
}

std::optional<TimePoint> Monitor::earliest() const {
  if (timers_wait_for_store() || timers_.empty()) return std::nullopt;  // take_changes asks again
  return timers_.begin()->due_;
}

void Monitor::announce() {
  const auto next = earliest();
  if (!next || (announced_ && *next >= *announced_)) return;
  announced_ = next;
  wake(deadline_waker_);
}

void Monitor::on_time(TimePoint now) {
  const Turn turn(*this);
  run_timers(now);
}

std::optional<TimePoint> Monitor::next_deadline() {
  const Turn turn(*this);
  return announced_ = earliest();
}

void Monitor::set_deadline_waker(Waker waker) {
  const Turn turn(*this);
  deadline_waker_ = std::move(waker);
}

void Monitor::set_staged_waker(Waker waker) {
  const Turn turn(*this);
  staged_waker_ = std::move(waker);
}

std::pair<std::vector<Change>, std::uint64_t> Monitor::take_changes() {
  const Turn turn(*this);
  staged_by_timers_ = 0;
  return {std::exchange(staged_, {}), staged()};
}

}  // namespace hub
