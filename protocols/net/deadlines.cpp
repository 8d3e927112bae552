#include "protocols/net/deadlines.hpp"

namespace net {

void Deadlines::set(Owner& owner, std::chrono::nanoseconds from_now) {
  owner.unlink();
  owner.deadline = std::chrono::steady_clock::now() + from_now;
  owners_.insert(owner);
  arm();
}

// A first deadline that has moved back costs nothing: the timer finds that out when it fires.
void Deadlines::arm() {
  if (owners_.empty()) return;
  const SteadyTime due = owners_.begin()->deadline;
  if (armed_for_ && *armed_for_ <= due) return;
  armed_for_ = due;
  timer_.expires_at(due);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    armed_for_.reset();
    run();
    arm();
  });
}

void Deadlines::run() {
  const SteadyTime now = std::chrono::steady_clock::now();
  while (!owners_.empty() && owners_.begin()->deadline <= now) {
    Owner& owner = *owners_.begin();
    owner.unlink();
    owner.on_deadline();
  }
}

}  // namespace net
