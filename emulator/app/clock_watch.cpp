#include "emulator/app/clock_watch.hpp"

#include <string>

namespace app {
namespace {

constexpr auto between_looks = std::chrono::seconds{10};
constexpr hub::Duration worth_telling = std::chrono::minutes{1};

}  // namespace

ClockWatch::ClockWatch(hub::Hub& hub, hub::Clock& clock, hub::Log& log, net::IoThread& thread)
    : hub_(hub), clock_(clock), log_(log), timer_(thread.executor()) {
  wait();
}

void ClockWatch::look() {
  const hub::Duration drift = clock_.drift();
  if (abs(drift - told_) < worth_telling) return;
  told_ = abs(drift) < worth_telling ? hub::Duration::zero() : drift;
  hub_.access().note_clock_drift(told_);
  if (told_ == hub::Duration::zero()) {
    log_.info("this machine's clock agrees with the hub's again");
    return;
  }
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(abs(drift)).count();
  log_.warn(
      "this machine's clock was set " + std::string(drift > drift.zero() ? "ahead" : "back") +
          " by " + std::to_string(minutes) +
          " minutes; the hub keeps to the time that it started with, so that new tokens may " +
          (drift > drift.zero() ? "live longer than they say" : "have expired for it"),
      {{"remedy", "restart the hub"}});
}

void ClockWatch::wait() {
  timer_.expires_after(between_looks);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    look();
    wait();
  });
}

}  // namespace app
