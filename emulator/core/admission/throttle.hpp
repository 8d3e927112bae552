#pragma once
// What a hub of a tier lets through: rates per minute, and messages per day. Off unless a tier or a
// quota is set. Pure; the caller serialises calls. Source: spec/c2d.md 1.4 (THR-01..04).
#include "emulator/core/base/time.hpp"
#include "emulator/core/settings/limits.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hub {

enum class Operation : std::uint8_t {
  c2d_send,
  c2d_receive,  // over HTTPS; over AMQP and MQTT nothing is counted
  d2c_send,
  connect,   // a device's new MQTT or AMQP connection
  registry,  // a bulk call counts each device
  twin_read,
  twin_update,
  query,
};
constexpr std::size_t operation_count = 8;

// THR-01: a figure of the documents holds for each whole minute of the hub's clock, a figure per
// second times 60. What the real hub delays first ("traffic shaping") is refused here at once.
class Throttle {
 public:
  // False: this minute's share is used up, and nothing is counted.
  bool admit(Operation operation, std::uint64_t count, const Settings& settings, TimePoint now);

 private:
  std::array<std::uint64_t, operation_count> used_{};
  std::int64_t minute_ = -1;
};

// THR-03: messages a day, from 00:00 UTC. Not kept over a restart.
class DailyQuota {
 public:
  // What one message of `bytes` costs: 1 for each 4 KB begun, on the free tier for each 512 bytes.
  static std::uint64_t cost(std::size_t bytes, Sku sku);

  bool allows(std::uint64_t cost, const Settings& settings, TimePoint now);
  void charge(std::uint64_t cost) { used_ += cost; }
  std::uint64_t used(TimePoint now);

 private:
  std::uint64_t used_ = 0;
  std::int64_t day_ = -1;
};

// The figure of the tier for one minute, of `units` units.
std::uint64_t per_minute(Operation operation, Sku sku, std::uint32_t units);

}  // namespace hub
