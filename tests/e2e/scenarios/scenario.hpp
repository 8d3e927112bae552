#pragma once
// The list: each scenario is a sentence and a function that ends well, or by Failure, Skip or an
// Error of the library. A protocol that lacks an operation is no reason to skip: the scenario then
// expects the refusal that the documentation names.
#include "tests/e2e/scenarios/bench.hpp"

#include <string_view>
#include <vector>

namespace scenarios {

// A device that listens, and messages for it.
struct Listener {
  explicit Listener(Bench& of);

  // Returns the id of the message.
  std::string send(const std::string& ack = "none");

  // The record about it came, and says `status`.
  void expect_record(const std::string& message_id, const std::string& status);
  void expect_depth(std::uint64_t depth);

  Bench& bench;
  iothub::DeviceIdentity identity;
  iothub::DeviceClient device;
};

struct Scenario {
  std::string_view name;
  void (*run)(Bench& bench);
};

std::vector<Scenario> message_scenarios();     // messages.cpp: what is inside arrives
std::vector<Scenario> settlement_scenarios();  // settlement.cpp: locks, queue, expiry, purge
std::vector<Scenario> feedback_scenarios();    // feedback.cpp: each outcome
std::vector<Scenario> login_scenarios();       // login.cpp: keys, tokens, deleted devices
std::vector<Scenario> cut_scenarios();         // cuts.cpp: the connection ends at each step

}  // namespace scenarios
