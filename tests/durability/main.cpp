// durability: kill -9 at any moment, under load from all protocols, again and again.
//
//   durability --emulator build/release/iothub-emulator --rounds 10 --work DIR [--seed N]
//
// Each round starts the emulator with --data, asks the registry about everything, loads it from 16
// clients, and kills it: after so many acknowledgements, at a chosen write to the log or the
// database, or while it starts or ends. Then the database that is left is compared with the ledger.
// The seed chooses moments, files and what each client does; what the clients get done in that time
// is the machine's. Writes TAP; exit 0 when nothing was found. A folder in which something was
// found stays.
#include "tests/durability/emulator_process.hpp"
#include "tests/durability/ledger.hpp"
#include "tests/durability/load.hpp"
#include "tests/durability/stored.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <iostream>
#include <random>

namespace {

using namespace durability;
using iothub::Duration;

constexpr unsigned max_delivery_count = 3;
constexpr Duration ready_limit{60'000};
constexpr Duration look_again{2};
constexpr Duration goodbye_limit{10'000};

struct Options {
  Start start;
  unsigned rounds = 10, first_start_step = 1;
  double minutes = 0;  // if given, instead of `rounds`
  std::uint64_t seed = 0;
};

// When a round ends.
struct Plan {
  std::optional<Duration> after_start = {};  // no load: killed before it is ready, or right after
  std::uint64_t operations = 0;              // else after so many acknowledgements
  std::string order = {};                    // for kill_at_write.cpp; it may come before the rest
  std::optional<Duration> goodbye = {};      // SIGTERM before the kill, and so much time for it
};

std::string to_text(const Plan& plan) {
  const auto ms = [](Duration duration) { return std::to_string(duration.count()) + " ms after "; };
  if (plan.after_start) return ms(*plan.after_start) + "its start";
  auto text = "after " + std::to_string(plan.operations) + " acknowledgements";
  if (!plan.order.empty())
    text = "at " + plan.order + ", or, " + text + ", by SIGTERM";
  else if (plan.goodbye)
    text += ", " + ms(*plan.goodbye) + "SIGTERM";
  return text;
}

constexpr std::array whens{"before", "half", "after"};

Plan plan_of(std::uint64_t seed, unsigned round) {
  std::seed_seq sequence{seed, std::uint64_t{round}};
  std::mt19937_64 random{sequence};
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  const auto kind = below(10);
  Plan plan;
  if (kind == 0) plan.after_start = Duration{below(60)};
  if (kind == 1) plan.goodbye = Duration{below(30)};
  plan.operations = below(std::uint64_t{8} << below(8));  // small numbers often
  if (kind > 4) {
    // What does not come under load may come while it closes.
    plan.operations = below(2'000);
    plan.order = (kind < 8 ? "hub.db-wal:" : "hub.db:") +
                 std::to_string(1 + below(std::uint64_t{8} << below(9))) + ":" + whens.at(below(3));
    plan.goodbye = goodbye_limit;
  }
  return plan;
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options), ledger_(max_delivery_count) {}

  bool good() const { return ledger_.problems().empty(); }
  const Ledger& ledger() const { return ledger_; }
  unsigned kills() const { return kills_; }
  Duration slowest_restart() const { return slowest_restart_; }
  unsigned restarts() const { return restarts_; }

  void prepare() {
    std::filesystem::create_directories(options_.start.work);
    EmulatorProcess emulator{options_.start, {}};
    if (ready(emulator)) durability::prepare(emulator.options(), ledger_);
    finish(emulator, false);
  }

  void round(unsigned number) {
    const auto plan = plan_of(options_.seed, number);
    EmulatorProcess emulator{options_.start, plan.order};
    if (plan.after_start) {
      emulator.wait_end(*plan.after_start);
    } else if (ready(emulator)) {
      look(emulator);
      Load load{emulator.options(), ledger_, options_.seed, number};
      if (!plan.order.empty()) load.expect_kill();
      const bool ended = ended_before(emulator, ledger_.operations() + plan.operations);
      load.expect_kill();
      if (plan.goodbye && !ended) {
        emulator.terminate();
        emulator.wait_end(*plan.goodbye);
      }
      emulator.kill9();
    }
    finish(emulator, plan.goodbye.has_value());
    std::cout << "# round " << number << ": " << to_text(plan)
              << (emulator.was_killed() ? "" : "; it ended in time") << std::endl;
  }

  // Everything comes in the end, and only that.
  void drain() {
    for (int attempt = 0; attempt < 5 && good(); ++attempt) {
      EmulatorProcess emulator{options_.start, {}};
      if (ready(emulator)) durability::drain(emulator.options(), ledger_, ready_limit);
      emulator.terminate();
      emulator.wait_end(ready_limit);
      if (emulator.exit_code() != 0) ledger_.report("SIGTERM: no exit 0:\n" + emulator.log());
      check();
      if (ledger_.settled()) return;
    }
    if (good()) ledger_.report("messages or feedback were left after the drain");
  }

 private:
  bool ready(EmulatorProcess& emulator) {
    if (!emulator.wait_ready(ready_limit)) {
      if (!emulator.was_killed()) ledger_.report("no restart:\n" + emulator.log());
      return false;
    }
    ++restarts_;
    slowest_restart_ = std::max(slowest_restart_, emulator.ready_after());
    return true;
  }

  bool ended_before(EmulatorProcess& emulator, std::uint64_t operations) {
    const iothub::Deadline deadline{ready_limit};
    while (ledger_.operations() < operations) {
      if (emulator.wait_end(look_again)) return true;
      if (!deadline.passed()) continue;
      ledger_.report("too little was acknowledged in a minute");
      break;
    }
    return false;
  }

  // A message that expires may be the chosen write.
  void look(EmulatorProcess& emulator) {
    try {
      check_over_the_wire(emulator.options(), ledger_);
    } catch (const iothub::Error&) {
      if (!emulator.wait_end(goodbye_limit)) throw;
    }
  }

  void finish(EmulatorProcess& emulator, bool may_exit) {
    emulator.kill9();
    if (emulator.was_killed()) {
      ++kills_;
    } else if (!may_exit || emulator.exit_code() != 0) {
      ledger_.report("it ended by itself:\n" + emulator.log());
    }
    check();
  }

  void check() { ledger_.check(read_stored(options_.start.data, options_.start.work / "copy")); }

  const Options& options_;
  Ledger ledger_;
  unsigned kills_ = 0, restarts_ = 0;
  Duration slowest_restart_{};
};

void report(unsigned number, const std::string& name, const std::vector<std::string>& problems) {
  std::cout << (problems.empty() ? "ok " : "not ok ") << number << " - " << name << std::endl;
  if (problems.empty()) return;
  std::string shown;
  for (std::size_t i = 0; i < problems.size() && i < 20; ++i) shown += problems[i] + "; ";
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  std::cout << "# failed: " << shown << std::endl;
}

std::vector<std::string> kill_under_load(const Options& options) {
  Run run{options};
  std::vector<std::string> problems;
  try {
    run.prepare();
    const iothub::Deadline deadline{Duration{static_cast<std::int64_t>(options.minutes * 60'000)}};
    const auto done = [&](unsigned round) {
      return options.minutes > 0 ? deadline.passed() : round > options.rounds;
    };
    for (unsigned round = 1; run.good() && !done(round); ++round) run.round(round);
    if (run.good()) run.drain();
    problems = run.ledger().problems();
  } catch (const std::exception& error) {
    problems = run.ledger().problems();
    problems.emplace_back(error.what());
  }
  std::cout << "# " << run.kills() << " kills, " << run.restarts() << " restarts, the slowest "
            << run.slowest_restart().count() << " ms\n";
  for (const auto& [kind, count] : run.ledger().acknowledged()) {
    std::cout << "# " << count << " " << kind << '\n';
  }
  return problems;
}

// Killed at each write to a data folder that is being made, and started again.
std::vector<std::string> kill_first_start(const Options& options) {
  auto start = options.start;
  start.data = start.work / "first";
  std::vector<std::string> problems;
  unsigned kills = 0;
  for (unsigned write = 1;; write += options.first_start_step) {
    std::filesystem::remove_all(start.data);
    {
      const auto order = "hub.*:" + std::to_string(write) + ":" + whens.at(write % 3);
      EmulatorProcess emulator{start, order};
      emulator.wait_ready(ready_limit);
      if (!emulator.was_killed()) break;  // it has no more writes
    }
    ++kills;
    EmulatorProcess again{start, {}};
    const bool ready = again.wait_ready(ready_limit);
    again.kill9();
    const auto verdict = read_stored(start.data, start.work / "copy").integrity;
    if (!ready || verdict != "ok") {
      problems.push_back("killed at write " + std::to_string(write) + ": " + verdict + "\n" +
                         again.log());
      break;
    }
  }
  std::cout << "# " << kills << " kills\n";
  if (kills == 0) problems.emplace_back("it was not killed once");
  return problems;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  auto& start = options.start;
  options.seed = std::random_device{}();
  CLI::App app{"Kills the emulator with --data under load and compares what is left.",
               "durability"};
  app.add_option("--emulator", start.program, "The program")->required();
  app.add_option("--work", start.work, "A folder to work in, empty or missing")->required();
  app.add_option("--rounds", options.rounds, "Default 10");
  app.add_option("--minutes", options.minutes, "Instead of --rounds");
  app.add_option("--first-start-step", options.first_start_step,
                 "Kill at each N-th write of a first start, default 1");
  app.add_option("--seed", options.seed, "Chooses what happens; printed, default random");
  CLI11_PARSE(app, argc, argv);
  start.data = start.work / "data";
  start.kill_at_write =
      std::filesystem::canonical("/proc/self/exe").replace_filename("libkill_at_write.so");
  start.flags = {"--set", "cloudToDevice.maxDeliveryCount=" + std::to_string(max_delivery_count),
                 "--set", "cloudToDevice.feedback.maxDeliveryCount=100",
                 "--set", "feedback.window=PT0.1S"};
  std::cout << "TAP version 13\n# seed " << options.seed << std::endl;
  const auto under_load = kill_under_load(options);
  report(1, "ST-10 kill -9 under load from all protocols: what was acknowledged is there, once",
         under_load);
  const auto first_start = kill_first_start(options);
  report(2, "ST-11 kill -9 at each write of the first start: the next one works", first_start);
  std::cout << "1..2" << std::endl;
  if (!under_load.empty() || !first_start.empty()) return 1;
  std::filesystem::remove_all(start.work);
  return 0;
}
