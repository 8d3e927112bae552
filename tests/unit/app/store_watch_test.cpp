#include "emulator/app/store_watch.hpp"

#include <doctest/doctest.h>

#include "tests/support/test_hub.hpp"
#include "tests/unit/net/net_test_support.hpp"

TEST_CASE(
    "N-41 a store that stands still while something waits is told once, and when it goes on") {
  test::TestHub t;
  net_test::ManualGate gate;
  app::SystemClock clock;
  net::IoThreads threads(1, clock, t.log, t.hub.metrics(), nullptr);
  app::StoreWatch watch(gate, t.log, threads.first());
  watch.look();
  watch.look();  // idle
  gate.stage(3);
  watch.look();  // may have come just now
  gate.commit(1);
  watch.look();  // slow, but it goes on
  CHECK(t.log.lines.empty());
  watch.look();
  watch.look();
  REQUIRE(t.log.lines.size() == 1);
  CHECK(t.log.lines[0].find("stored nothing for 5 seconds") != std::string::npos);
  CHECK(t.log.lines[0].find("changes=2 remedy=") != std::string::npos);
  gate.commit(3);
  watch.look();
  CHECK(t.log.lines.size() == 2);
}
