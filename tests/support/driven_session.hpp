#pragma once
// A session driven in memory as net::Connection drives it over a socket.
#include "protocols/session_shell.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace test {

class DrivenSession {
 public:
  // `make(waker)` makes the session. `now` is the test's clock, and outlives this.
  template <class Make>
  DrivenSession(const hub::TimePoint& now, Make&& make)
      : now_(now), shell_(make(hub::Waker([count = wakes_] { ++*count; })), nullptr, limits) {}

  void bytes(std::string_view input) {  // one read
    shell_.on_bytes(input, now_);
    shell_.end_turn(now_);
  }
  // What is due, one turn: a wake before a deadline. False: it rests.
  bool turn() {
    if (std::exchange(*wakes_, 0) > 0) {
      shell_.on_wake(now_);
    } else if (const auto due = shell_.next_deadline(); due && *due <= now_) {
      shell_.on_time(now_);
    } else {
      return false;
    }
    shell_.end_turn(now_);
    return true;
  }
  void rest() {
    for (int turns = 0; turn(); ++turns) REQUIRE_MESSAGE(turns < 1000, "it never comes to rest");
  }
  std::string take() {  // all output there is
    std::string out;
    for (auto more = shell_.output(); !more.empty(); more = shell_.output()) {
      out += more;
      shell_.consume(more.size());
    }
    return out;
  }
  int wakes() const { return *wakes_; }  // not served yet
  bool closed() const { return shell_.session().wants_close(); }
  protocols::SessionShell& shell() { return shell_; }

 private:
  static constexpr protocols::ShellLimits limits{};
  const hub::TimePoint& now_;
  std::shared_ptr<int> wakes_ = std::make_shared<int>(0);
  protocols::SessionShell shell_;
};

}  // namespace test
