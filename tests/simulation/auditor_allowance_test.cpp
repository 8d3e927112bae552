// As auditor_test.cpp, for what the hub may believe and let through: the hub is told other settings
// than the auditor, or shows another figure.
#include "tests/simulation/simulation.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace simulation;

namespace {

// The invariants that 60 seeds are caught at.
std::set<int> caught(const Sabotage& sabotage, int until) {
  std::set<int> invariants;
  for (std::uint64_t seed = 1; seed <= 60 && !invariants.contains(until); ++seed) {
    Simulation run(seed, sabotage);
    try {
      run.run(1500);
    } catch (const Violation& violation) {
      invariants.insert(violation.invariant);
    }
  }
  return invariants;
}

std::set<int> caught_with(void (*change)(hub::Settings&), int until) {
  Sabotage sabotage;
  sabotage.settings = change;
  return caught(sabotage, until);
}

std::set<int> caught_showing(std::uint64_t View::Counts::*figure) {
  Sabotage sabotage;
  sabotage.view = [figure](View& view, const std::string&) { ++(view.counts.*figure); };
  return caught(sabotage, 35);
}

}  // namespace

TEST_CASE("INV-36 the auditor notices a hub that believes a token for too long") {
  using namespace std::chrono_literals;
  CHECK(caught_with([](hub::Settings& s) { s.token_expiry_grace = 24h; }, 36).contains(36));
  CHECK(caught_with([](hub::Settings& s) { s.sas_clock_skew = 1h; }, 36).contains(36));
  // ... and one that does not believe it long enough.
  CHECK(caught_with([](hub::Settings& s) { s.disable_device_sas = true; }, 33).contains(33));
}

TEST_CASE("INV-35 INV-02 the auditor notices a wrong meter, and what is let through above it") {
  CHECK(caught_showing(&View::Counts::quota_used).contains(35));
  CHECK(caught_showing(&View::Counts::throttled).contains(35));
  CHECK(caught_with([](hub::Settings& s) { s.daily_message_quota = 0; }, 2).contains(2));
  CHECK(caught_with([](hub::Settings& s) { s.daily_message_quota = 5; }, 2).contains(2));
}
