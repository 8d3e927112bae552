#pragma once
// A Session as whoever drives it needs it: the order of calls, which of its output may leave, when
// it takes input, and how it ends. net::Connection drives it over a socket; tests, simulation and
// fuzzers in memory. No socket, no clock, no thread.
//
//   on_bytes / on_wake / on_time / on_shutdown, one or several, then end_turn(),
//   then output() .. consume() for as long as something may leave, then next().
#include "protocols/commit_gate.hpp"
#include "protocols/session.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace protocols {

// How a connection ends.
enum class Ending : std::uint8_t {
  polite,  // what was asked for is answered, and the last words are read
  drop,    // closed, whatever is left to say
  reset,   // so that the peer sees an error
};

struct ShellLimits {
  std::size_t output_bytes_max = 1024 * 1024;  // a session with more of it gets no input
  std::uint64_t staged_changes_max = 4096;     // nor does any while so much is not stored (N-40)
};

class SessionShell {
 public:
  // `gate`: nullptr without a store; not owned, outlives the shell.
  SessionShell(std::unique_ptr<Session> session, CommitGate* gate, const ShellLimits& limits)
      : session_(std::move(session)), gate_(gate), limits_(limits) {}

  // ---- what happens -----------------------------------------------------------------------------
  void on_bytes(std::string_view bytes, TimePoint now);
  void on_wake(TimePoint now);
  void on_time(TimePoint now);  // next_deadline() has passed; may be early
  void on_shutdown(TimePoint now);
  void on_input_end() { input_ended_ = true; }  // what was asked for before is answered
  void end_turn(TimePoint now);

  // ---- then -------------------------------------------------------------------------------------
  // What may leave now; empty: there is nothing, or it waits_for() a commit. What was written when
  // the mark was set leaves when that is stored; one mark at a time: were it moved with each new
  // output, a busy hub's commits would never catch up with it.
  std::string_view output();
  std::optional<std::uint64_t> waits_for() const;
  void consume(std::size_t size);
  bool has_output() const { return !session_->output().empty(); }

  enum class Next : std::uint8_t { stay, close, upgrade };  // the latter two: once nothing is left
  Next next() const;
  bool takes_input() const;  // and not store_is_behind()
  bool store_is_behind() const {
    return gate_ != nullptr && gate_->staged() > gate_->committed() + limits_.staged_changes_max;
  }
  std::optional<TimePoint> next_deadline() const { return session_->next_deadline(); }
  // N-47: it was called again and again at the time it has asked for, did nothing, and asks for it
  // again.
  bool is_stuck(TimePoint now);

  // The session hears that nothing can be written any more, and is gone; nothing may be called
  // then.
  void end(TimePoint now);
  Upgrade end_for_upgrade(TimePoint now);

  const Session& session() const { return *session_; }
  const Upgrade* upgrade() const { return upgrade_.get(); }  // that it has accepted; or nullptr

 private:
  struct Look {
    std::size_t output = 0;
    bool wants_input = false, wants_close = false;
    bool operator==(const Look&) const = default;
  };
  Look look() const;

  std::unique_ptr<Session> session_;
  std::unique_ptr<Upgrade> upgrade_;
  CommitGate* gate_;
  const ShellLimits& limits_;
  std::size_t marked_bytes_ = 0;       // of the output: these may leave when ...
  std::uint64_t marked_sequence_ = 0;  // ... this is committed
  Look before_;                        // the latest on_time()
  std::uint8_t vain_calls_ = 0;        // of on_time(), one after the other
  bool input_ended_ = false;
  bool in_turn_ = false;
};

}  // namespace protocols
