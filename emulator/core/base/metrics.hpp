#pragma once
// Counters with the names of the hub's own metrics where it has one (spec/c2d.md 2.8).
// Atomics: written under the hub's lock or by a connection, read by the control API.
#include <atomic>
#include <cstdint>

namespace hub {

struct Metrics {
  using Counter = std::atomic<std::uint64_t>;

  Counter c2d_ingress_success{0};          // c2d.commands.ingress.success
  Counter c2d_egress_complete_success{0};  // c2d.commands.egress.complete.success
  Counter c2d_egress_abandon_success{0};   // c2d.commands.egress.abandon.success
  Counter c2d_egress_reject_success{0};    // c2d.commands.egress.reject.success
  Counter c2d_messages_expired{0};         // C2DMessagesExpired
  Counter c2d_messages_purged{0};
  Counter c2d_delivery_count_exceeded{0};
  Counter c2d_deliveries{0};
  Counter d2c_telemetry_ingress_success{0};  // d2c.telemetry.ingress.success
  Counter d2c_telemetry_ingress_bytes{0};
  Counter feedback_records{0};
  Counter feedback_batches{0};
  Counter connections_opened{0};
  Counter connections_open{0};
  Counter authentication_failures{0};
  Counter throttled{0};                 // refused by THR-01
  Counter daily_message_quota_used{0};  // dailyMessageQuotaUsed, as of the last message
};

}  // namespace hub
