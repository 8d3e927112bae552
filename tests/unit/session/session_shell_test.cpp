// The order of a session's calls, which of its output may leave, and how it ends.
#include "protocols/session_shell.hpp"
#include "tests/support/hook_session.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

using namespace protocols;
using namespace std::chrono_literals;
using test::HookSession;

namespace {

struct Gate : CommitGate {
  std::uint64_t staged_ = 0, committed_ = 0;
  std::uint64_t staged() const override { return staged_; }
  std::uint64_t committed() const override { return committed_; }
  void notify(std::uint64_t, hub::Waker) override { FAIL("the shell asks, and waits for nothing"); }
};

struct Fixture {
  explicit Fixture(bool durable = false) : shell(made(), durable ? &gate : nullptr, limits) {}
  std::unique_ptr<Session> made() {
    auto session = std::make_unique<HookSession>();
    hooks = session.get();
    return session;
  }
  void turn(std::string_view bytes) {
    shell.on_bytes(bytes, now);
    shell.end_turn(now);
  }
  TimePoint now = hub::from_unix_seconds(1'800'000'000);
  Gate gate;
  ShellLimits limits{100, 10};
  HookSession* hooks = nullptr;  // the session of the shell
  SessionShell shell;
};

}  // namespace

TEST_CASE("N-01 a session with too much output gets no input until it is read") {
  Fixture t;
  CHECK(t.shell.takes_input());
  t.turn(std::string(101, 'x'));
  CHECK_FALSE(t.shell.takes_input());
  CHECK(t.shell.output().size() == 101);
  t.shell.consume(1);
  CHECK(t.shell.takes_input());
}

TEST_CASE("a session that wants no input, is to close or is to be upgraded gets none") {
  Fixture t;
  SUBCASE("wants none") { t.hooks->input_wanted = false; }
  SUBCASE("closes") { t.hooks->close = true; }
  SUBCASE("is upgraded") {
    t.hooks->wanted_upgrade.emplace();
    t.turn("");
  }
  SUBCASE("nothing more comes") { t.shell.on_input_end(); }
  CHECK_FALSE(t.shell.takes_input());
}

TEST_CASE("N-40 nobody is read from while more than so many changes are not stored") {
  Fixture t(true);
  t.gate.staged_ = 10;
  CHECK_FALSE(t.shell.store_is_behind());
  t.gate.staged_ = 11;
  CHECK(t.shell.store_is_behind());
  t.gate.committed_ = 1;
  CHECK_FALSE(t.shell.store_is_behind());
}

TEST_CASE("ST-01 output leaves when what was staged at its mark is committed, one mark at a time") {
  Fixture t(true);
  t.gate.staged_ = 5;
  t.turn("one");
  CHECK(t.shell.output().empty());
  CHECK(t.shell.waits_for() == 5);
  t.gate.staged_ = 7;
  t.turn("two");
  CHECK(t.shell.output().empty());
  CHECK(t.shell.waits_for() == 5);  // not moved by what came later
  t.gate.committed_ = 5;
  CHECK(t.shell.output() == "one");
  t.shell.consume(3);
  CHECK(t.shell.output().empty());
  CHECK(t.shell.waits_for() == 7);
  t.gate.committed_ = 7;
  CHECK(t.shell.output() == "two");
}

TEST_CASE("N-46 output that promises nothing waits for no commit") {
  Fixture t(true);
  t.gate.staged_ = 5;
  t.hooks->promises = false;
  t.turn("pong");
  CHECK(t.shell.output() == "pong");
  CHECK_FALSE(t.shell.waits_for());
}

TEST_CASE("what was asked for is answered before the connection closes or is upgraded") {
  Fixture t;
  SUBCASE("the session closes") { t.hooks->close = true; }
  SUBCASE("the peer has closed its side") { t.shell.on_input_end(); }
  SUBCASE("an upgrade") { t.hooks->wanted_upgrade = Upgrade{"head", "left", "mqtt", "mqtt"}; }
  const bool upgrade = t.hooks->wanted_upgrade.has_value();
  t.turn("answer");
  CHECK(t.shell.next() == SessionShell::Next::stay);
  t.shell.consume(t.shell.output().size());
  CHECK(t.shell.next() == (upgrade ? SessionShell::Next::upgrade : SessionShell::Next::close));
  bool told = false;
  t.hooks->on_end = [&](HookSession&) { told = true; };
  if (upgrade) {
    CHECK(t.shell.upgrade() != nullptr);
    CHECK(t.shell.end_for_upgrade(t.now).leftover == "left");
  } else {
    t.shell.end(t.now);
  }
  CHECK(told);
}

TEST_CASE(
    "N-47 a session that asks again for a time that has passed is stuck, one that does something "
    "is not") {
  Fixture t;
  t.hooks->deadline = t.now;
  const auto call = [&] {
    t.shell.on_time(t.now);
    t.shell.end_turn(t.now);
    return t.shell.is_stuck(t.now);
  };
  SUBCASE("does nothing") {
    for (int i = 1; i < 8; ++i) CHECK_FALSE(call());
    CHECK(call());
  }
  SUBCASE("writes each time") {
    t.hooks->on_due = [](HookSession& self) { self.out += "x"; };
    for (int i = 0; i < 50; ++i) CHECK_FALSE(call());
  }
  SUBCASE("has asked for another time") {
    for (int i = 0; i < 7; ++i) CHECK_FALSE(call());
    t.hooks->deadline = t.now + 1ms;
    CHECK_FALSE(call());
    t.hooks->deadline = t.now;
    for (int i = 0; i < 7; ++i) CHECK_FALSE(call());
  }
}
