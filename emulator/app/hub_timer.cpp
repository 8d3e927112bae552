#include "emulator/app/hub_timer.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <optional>

namespace app {

// Held by the hub's waker and by what is posted, weakly: either may come after the end.
class HubTimer::State : public std::enable_shared_from_this<State> {
 public:
  State(hub::Hub& hub, net::IoThread& thread)
      : hub_(hub), thread_(thread), timer_(thread.executor()) {}

  void wake() {  // any thread
    if (posted_.exchange(true)) return;
    boost::asio::post(thread_.executor(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->posted_ = false;
        self->arm();
      }
    });
  }

  void arm() {
    const auto due = hub_.monitor().next_deadline();
    if (!due || (armed_for_ && *armed_for_ <= *due)) return;
    const hub::TimePoint now = thread_.clock().now();
    const auto wait =
        std::clamp<hub::Duration>(*due - now, hub::Duration{0}, std::chrono::hours{1});
    armed_for_ = now + wait;
    timer_.expires_after(wait);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->armed_for_.reset();
      self->hub_.monitor().on_time(self->thread_.clock().now());
      self->arm();
    });
  }

 private:
  hub::Hub& hub_;
  net::IoThread& thread_;
  net::Timer timer_;
  std::optional<hub::TimePoint> armed_for_;
  std::atomic<bool> posted_{false};
};

HubTimer::HubTimer(hub::Hub& hub, net::IoThread& thread)
    : hub_(hub), state_(std::make_shared<State>(hub, thread)) {
  hub_.monitor().set_deadline_waker([weak = std::weak_ptr<State>(state_)] {
    if (const auto state = weak.lock()) state->wake();
  });
  state_->wake();  // what was restored may be due
}

HubTimer::~HubTimer() {
  hub_.monitor().set_deadline_waker([] {});
}

}  // namespace app
