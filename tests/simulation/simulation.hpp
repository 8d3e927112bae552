#pragma once
// One run: a hub, its store and committer, sessions of all protocols and their clients, in memory,
// in one thread, in virtual time. Everything random comes from the seed, so a seed is a run and
// replays exactly (INV-32). Every step is audited.
//
// The shell around a session is that of protocols/net (docs/decisions/0001): what a session has
// written leaves only when the committer has stored everything that was staged by then. A restart
// is a kill -9: connections, locks and whatever was not stored are gone.
#include "emulator/core/store/store.hpp"
#include "protocols/session_shell.hpp"
#include "tests/simulation/peer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

// What a test may break to see the auditor notice. Empty in real runs.
struct Sabotage {
  // What the hub shows. `what`: the line of the trace.
  std::function<void(View&, const std::string& what)> view;
  std::function<void(std::string&)> output;                // what a session wrote, before it leaves
  std::function<void(std::vector<hub::Change>&)> changes;  // what is stored
  // Calls that no client made, after each step.
  std::function<void(hub::Hub&, TimePoint, const std::string& what)> rogue;
  // What the hub is told to do, and the auditor is not.
  std::function<void(hub::Settings&)> settings;
  bool no_gate = false;  // output does not wait for the commit
  bool deaf = false;     // wakes are lost
  bool sleepy = false;   // who is due does nothing
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, Sabotage sabotage = {});
  ~Simulation();

  void run(std::uint64_t steps);                    // throws Violation
  std::string trace() const;                        // the last steps, a line each
  std::uint64_t digest() const { return digest_; }  // of everything that was written and shown
  std::uint64_t steps() const { return steps_; }
  std::uint64_t checks() const { return auditor_.checks(); }
  const std::string& profile() const { return profile_; }
  // How often each kind of thing has happened, so that a test can see that it did.
  struct Tally {
    std::uint64_t sends = 0, settlements = 0, connections = 0, cuts = 0, restarts = 0;
  };
  const Tally& tally() const { return tally_; }
  const Auditor::Refusals& refusals() const { return auditor_.refusals(); }

 private:
  struct Wire;
  struct Gate;
  class AnyStore;

  hub::Settings choose_settings();
  hub::Limits choose_limits();
  void start_hub();
  void step();

  // ---- things that happen
  void move_bytes();
  void call_due(Wire& wire);
  void feed(Wire& wire);
  void flush(Wire& wire);
  void deliver(Wire& wire);
  void open_connection();
  std::unique_ptr<protocols::SessionShell> shell_of(std::unique_ptr<protocols::Session> session);
  void cut(Wire& wire);
  void commit();
  void advance();
  void administer();
  void send_in_process();
  void restart();

  // One audited call of a session. `acts`: not only its output is taken.
  void audited(Wire& wire, const std::string& what, const std::function<void()>& call,
               const std::vector<OpPtr>& ops = {}, bool acts = true);
  void audited(const std::string& what, const std::function<void()>& call);
  // The same with the end of the turn, as net::Connection has it.
  void turn(Wire& wire, const std::string& what, const std::function<void()>& call,
            const std::vector<OpPtr>& ops = {});
  void finish_step(Line* line);
  void check_progress();
  void note(const std::string& line);
  void mix(std::string_view bytes);

  // So few changes that are not stored that the store is behind now and then (N-40).
  static constexpr protocols::ShellLimits shell_limits{1024 * 1024, 40};
  const std::unique_ptr<Gate> gate_;
  Random random_;
  Sabotage sabotage_;
  std::string profile_;
  hub::Limits limits_;
  hub::Settings settings_;
  bool durable_ = true;
  TimePoint now_ = hub::from_unix_seconds(1'800'000'000);
  std::uint64_t next_body_ = 1;
  Auditor auditor_;
  Surroundings world_;
  hub::SeededIdSource ids_;
  hub::NullLog log_;
  std::unique_ptr<AnyStore> store_;
  std::unique_ptr<hub::Hub> hub_;
  std::uint64_t committed_ = 0;
  std::vector<std::unique_ptr<Wire>> wires_;  // after hub_: gone before it
  int connections_ = 0;
  std::uint64_t steps_ = 0, digest_ = 14695981039346656037ull;
  Tally tally_;
  std::vector<std::string> trace_;
};

}  // namespace simulation
