#include "protocols/net/deadlines.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>

namespace {

using namespace std::chrono_literals;

struct Owner final : net::Deadlines::Owner {
  explicit Owner(std::string given) : name(std::move(given)) {}
  void on_deadline() override {
    heard() += name;
    if (then) std::exchange(then, nullptr)();
  }
  static std::string& heard() {
    static std::string all;
    return all;
  }
  const std::string name;
  std::function<void()> then;
};

struct Fixture {
  Fixture() { Owner::heard().clear(); }
  // Returns when no deadline is left.
  std::string run() {
    context.run();
    return Owner::heard();
  }
  boost::asio::io_context context;
  net::Deadlines deadlines{context.get_executor()};
};

}  // namespace

TEST_CASE_FIXTURE(
    Fixture, "N-06 deadlines come in their order, each once, whatever the order they were set in") {
  Owner a("a"), b("b"), c("c");
  deadlines.set(c, 3ms);
  deadlines.set(a, 1ms);
  deadlines.set(b, 2ms);
  CHECK(run() == "abc");
}

TEST_CASE_FIXTURE(Fixture, "N-06 setting a deadline again replaces the earlier one") {
  Owner a("a"), b("b");
  deadlines.set(a, 1ms);
  deadlines.set(b, 2ms);
  deadlines.set(a, 3ms);
  CHECK(run() == "ba");
}

TEST_CASE_FIXTURE(
    Fixture, "N-06 who is told may set another deadline, forget one, and end itself or another") {
  auto a = std::make_unique<Owner>("a");
  Owner b("b"), c("c");
  auto d = std::make_unique<Owner>("d");
  deadlines.set(*a, 1ms);
  deadlines.set(b, 2ms);
  deadlines.set(c, 2ms);
  deadlines.set(*d, 1h);
  a->then = [&] {
    b.forget_deadline();
    d.reset();
    a.reset();
  };
  c.then = [&] { deadlines.set(c, 0ms); };
  CHECK(run() == "acc");
}
