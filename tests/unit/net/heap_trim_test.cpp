#include "protocols/net/heap_trim.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace std::chrono_literals;

TEST_CASE(
    "N-32 memory is given back once after many connections have come or gone, not after a few") {
  boost::asio::io_context context;
  net::Deadlines deadlines{context.get_executor()};
  int trimmed = 0;
  auto trim = std::make_unique<net::HeapTrim>(
      deadlines, [&] { ++trimmed; }, 1ms);
  const auto change = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) trim->note();
    context.restart();
    context.run();  // until no deadline is left
  };
  change(net::HeapTrim::worth_it - 1);
  CHECK(trimmed == 0);
  change(1);
  CHECK(trimmed == 1);
  change(net::HeapTrim::worth_it - 1);
  CHECK(trimmed == 1);
  change(5 * net::HeapTrim::worth_it);
  CHECK(trimmed == 2);
  for (std::size_t i = 0; i < net::HeapTrim::worth_it; ++i) trim->note();
  trim.reset();  // going away, it takes its deadline along
  context.restart();
  context.run();
  CHECK(trimmed == 2);
}
