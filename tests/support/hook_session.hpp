#pragma once
// A session whose every step a test writes.
#include "protocols/session.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace test {

// Echoes, until a test says otherwise.
struct HookSession : protocols::Session {
  std::function<void(HookSession&, std::string_view)> on_input =
      [](HookSession& self, std::string_view bytes) { self.out += bytes; };
  std::function<void(HookSession&)> on_due, on_woken, on_goodbye, on_end, on_turn_end, on_consumed;
  std::string out;
  std::optional<hub::TimePoint> deadline;
  bool close = false, input_wanted = true, promises = true;
  std::optional<protocols::Upgrade> wanted_upgrade;
  protocols::PeerInfo peer;
  hub::Waker waker;
  std::string protocol;
  hub::TimePoint now{};

  void on_bytes(std::string_view bytes, hub::TimePoint t) override {
    now = t;
    on_input(*this, bytes);
  }
  void on_wake(hub::TimePoint t) override {
    now = t;
    if (on_woken) on_woken(*this);
  }
  void on_time(hub::TimePoint t) override {
    now = t;
    if (on_due) on_due(*this);
  }
  void on_peer_closed(hub::TimePoint t) override {
    now = t;
    if (on_end) on_end(*this);
  }
  void on_shutdown(hub::TimePoint t) override {
    now = t;
    close = true;
    if (on_goodbye) on_goodbye(*this);
  }
  void end_turn(hub::TimePoint t) override {
    now = t;
    if (on_turn_end) on_turn_end(*this);
  }
  std::string_view output() const override { return out; }
  void consume_output(std::size_t size) override {
    out.erase(0, size);
    if (on_consumed) on_consumed(*this);
  }
  std::optional<hub::TimePoint> next_deadline() const override { return deadline; }
  bool wants_close() const override { return close; }
  bool output_promises() const override { return promises; }
  bool wants_input() const override { return input_wanted; }
  std::optional<protocols::Upgrade> take_upgrade() override {
    return std::exchange(wanted_upgrade, std::nullopt);
  }
};

}  // namespace test
