#pragma once
// A hub with a device for the attacker, and a victim: a second device with a message in its queue.
// Runner is net's loop around one session, with what must be true after each event.
#include "emulator/core/hub/hub.hpp"
#include "protocols/session_shell.hpp"
#include "tests/fuzz/support/input.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fuzz {

using namespace std::chrono_literals;

inline constexpr std::string_view attacker = "dev1";
inline constexpr std::string_view victim = "victim";
inline constexpr std::string_view victim_secret = "for the victim's eyes only";

// Aborts when a line has a secret in it; else forgets it.
class SecretlessLog : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel, std::string_view event,
             std::initializer_list<hub::LogField> fields) override;
};

struct World {
  explicit World(hub::Settings settings = {});

  // Valid for an hour. Made once: every world starts at the same time with the same keys.
  static const std::string& attacker_token();
  static const std::string& owner_token();

  void create(std::string_view id);
  bool send(std::string_view device, std::string_view body, hub::Duration ttl = 1h);
  void advance(hub::Duration by) { hub.monitor().on_time(now += by); }

  // What the rest of the world does to the attacker's device meanwhile.
  void event(Input& input);
  // Aborts if anything of the victim has changed, or has been shown in `output`.
  void check_victim();
  static void check_not_shown(std::string_view output);

  hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);
  hub::SeededIdSource ids{42};
  SecretlessLog log;
  hub::Hub hub;

 private:
  hub::DeviceView victim_before_;
};

using MakeSession = std::function<std::unique_ptr<protocols::Session>(
    hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, hub::TimePoint now)>;

class Runner {
 public:
  // `guard_victim`: this peer has no right that reaches the victim.
  Runner(World& world, const MakeSession& make, bool guard_victim);
  ~Runner();  // the peer goes, whatever it was doing
  Runner(const Runner&) = delete;

  // What the session does not want now waits until it does, as in net.
  void bytes(std::string_view bytes);
  void settle();  // wakes and deadlines that have come, and what is written
  void peer_closed();
  void shut_down();
  void set_reading(bool reading);  // false: a peer that does not read
  // Time passes for the world; the caller settles all runners.
  bool closed() const { return closed_; }
  const std::string& output() const { return output_; }  // the last of it
  const protocols::SessionShell& shell() const { return *shell_; }

 private:
  void drain();
  void check();

  World& world_;
  bool guard_victim_;
  std::shared_ptr<int> wakes_ = std::make_shared<int>(0);
  protocols::Session* session_ = nullptr;  // the shell's, for calls that are too late
  std::optional<protocols::SessionShell> shell_;
  std::string held_;
  std::string output_;
  bool reading_ = true;
  bool closed_ = false;
};

}  // namespace fuzz
