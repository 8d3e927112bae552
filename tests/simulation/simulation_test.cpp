// Random worlds, audited after every step. See README.md here for the variables.
#include "tests/simulation/simulation.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <string>

using namespace simulation;

namespace {

constexpr std::uint64_t steps_of_a_run = 2000;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

struct Totals {
  std::uint64_t runs = 0, steps = 0, checks = 0;
  Simulation::Tally tally;
  Auditor::Refusals refusals;
};

void play(std::uint64_t seed, std::uint64_t steps, Totals& totals) {
  Simulation run(seed);
  try {
    run.run(steps);
  } catch (const Violation& violation) {
    FAIL("SIM_SEED=" << seed << " step " << run.steps() << ": " << std::string(violation.what())
                     << "\n"
                     << run.trace());
  }
  ++totals.runs;
  totals.steps += run.steps();
  totals.checks += run.checks();
  const auto& t = run.tally();
  totals.tally.sends += t.sends;
  totals.tally.connections += t.connections;
  totals.tally.cuts += t.cuts;
  totals.tally.restarts += t.restarts;
  totals.tally.settlements += t.settlements;
  const auto& r = run.refusals();
  totals.refusals.outlived += r.outlived;
  totals.refusals.tokens += r.tokens;
  totals.refusals.strangers += r.strangers;
  totals.refusals.throttled += r.throttled;
  totals.refusals.over_quota += r.over_quota;
  totals.refusals.renewed += r.renewed;
}

}  // namespace

TEST_CASE("SIM-01 devices and services over all protocols keep every invariant") {
  const auto total = number_from("SIM_STEPS", 60'000);
  const auto first = number_from("SIM_SEED", number_from("SIM_FIRST_SEED", 1));
  Totals totals;
  if (std::getenv("SIM_SEED") != nullptr) {
    play(first, number_from("SIM_STEPS", steps_of_a_run), totals);
  } else {
    for (auto seed = first; totals.steps < total; ++seed) play(seed, steps_of_a_run, totals);
    // A run in which nothing happens proves nothing.
    CHECK(totals.tally.sends > totals.steps / 100);
    CHECK(totals.tally.settlements > totals.steps / 200);
    CHECK(totals.tally.restarts + 5 > totals.steps / 4000);
    CHECK(totals.refusals.outlived > totals.runs / 2);
    CHECK(totals.refusals.renewed > totals.runs / 4);
    CHECK(totals.refusals.tokens > totals.runs / 2);
    CHECK(totals.refusals.strangers + 5 > totals.runs / 4);
    CHECK(totals.refusals.over_quota + 50 > totals.runs);
  }
  std::cout << "simulation: " << totals.runs << " seeds, " << totals.steps << " steps, "
            << totals.checks << " checks, " << totals.tally.sends << " sends, "
            << totals.tally.settlements << " settlements, " << totals.tally.connections
            << " connections, " << totals.tally.cuts << " cuts, " << totals.tally.restarts
            << " restarts, " << totals.refusals.outlived << " ends of tokens, "
            << totals.refusals.renewed << " renewals, refused: " << totals.refusals.tokens
            << " tokens, " << totals.refusals.strangers << " strangers, "
            << totals.refusals.throttled << " by the throttle, " << totals.refusals.over_quota
            << " by the quota\n";
}

TEST_CASE("INV-32 a seed replays exactly, byte by byte") {
  for (const std::uint64_t seed : {11u, 12u, 13u}) {
    Simulation one(seed), two(seed);
    one.run(1500);
    two.run(1500);
    CHECK(one.digest() == two.digest());
  }
  Simulation other(14);
  other.run(1500);
  Simulation one(11);
  one.run(1500);
  CHECK(one.digest() != other.digest());
}
