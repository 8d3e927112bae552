#include "emulator/app/committer.hpp"

#include <doctest/doctest.h>

#include "tests/support/print_result.hpp"

#include <future>

namespace {

const hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);

// Stores nothing, but stops at will, and fails at will.
class SlowStore : public hub::Store {
 public:
  hub::Snapshot load() override { return {}; }
  void apply(std::span<const hub::Change> changes) override {
    std::unique_lock lock(mutex);
    ++entered;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    if (fail) throw std::runtime_error("disk full");
    batches.push_back(changes.size());
  }
  void wait_entered(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered >= count; });
  }
  void set_open() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  int entered = 0;
  bool open = false, fail = false;
  std::vector<std::size_t> batches;
};

struct DurableHub {
  hub::SeededIdSource ids{1};
  hub::NullLog log;
  hub::Hub hub{{}, ids, log, now, true};
  void change() {
    hub::DeviceSpec spec;
    spec.id.text = "d" + std::to_string(++count);
    REQUIRE(hub.registry().create(spec, now));
  }
  int count = 0;
};

}  // namespace

TEST_CASE("ST-16 a store that is gone is noticed, though nothing is stored") {
  struct LostStore : hub::Store {
    hub::Snapshot load() override { return {}; }
    void apply(std::span<const hub::Change>) override {}
    void check() override { throw std::runtime_error("the folder was moved"); }
  } store;
  DurableHub durable;
  std::promise<std::string> failure;
  app::Committer committer(
      durable.hub, store, [&](std::string why) { failure.set_value(std::move(why)); },
      std::chrono::milliseconds{1});
  committer.start();
  CHECK(failure.get_future().get() == "the folder was moved");
}

TEST_CASE("N-11 what is staged during a commit becomes one batch, and waiters wake in order") {
  DurableHub durable;
  SlowStore store;
  app::Committer committer(durable.hub, store, [](std::string) { FAIL("no failure"); });
  committer.start();
  durable.change();
  store.wait_entered(1);
  for (int i = 0; i < 10; ++i) durable.change();
  CHECK(committer.committed() == 0);
  std::promise<void> first, last;
  std::atomic<bool> first_woken{false};
  committer.notify(1, [&] {
    first_woken = true;
    first.set_value();
  });
  committer.notify(11, [&] {
    CHECK(first_woken);
    last.set_value();
  });
  CHECK_FALSE(first_woken);
  store.set_open();
  first.get_future().wait();
  last.get_future().wait();
  CHECK(committer.committed() == 11);
  CHECK(store.batches == std::vector<std::size_t>{1, 10});
  bool at_once = false;
  committer.notify(11, [&] { at_once = true; });
  CHECK(at_once);
}

TEST_CASE("N-11 what was staged before there was a committer is stored too") {
  DurableHub durable;
  durable.change();
  SlowStore store;
  store.open = true;
  {
    app::Committer committer(durable.hub, store, [](std::string) { FAIL("no failure"); });
    committer.start();
  }
  CHECK(store.batches == std::vector<std::size_t>{1});
}

TEST_CASE("N-11 the end commits what is staged") {
  DurableHub durable;
  SlowStore store;
  store.open = true;
  {
    app::Committer committer(durable.hub, store, [](std::string) { FAIL("no failure"); });
    committer.start();
    for (int i = 0; i < 100; ++i) durable.change();
  }
  std::size_t sum = 0;
  for (const auto size : store.batches) sum += size;
  CHECK(sum == 100);
}

TEST_CASE("N-12 after a failed commit nothing counts as committed, and the owner is told once") {
  DurableHub durable;
  SlowStore store;
  store.open = store.fail = true;
  std::promise<std::string> told;
  {
    app::Committer committer(durable.hub, store,
                             [&](std::string reason) { told.set_value(reason); });
    committer.start();
    durable.change();
    CHECK(told.get_future().get() == "disk full");
    bool woken = false;
    committer.notify(1, [&] { woken = true; });
    durable.change();
    CHECK(committer.committed() == 0);
    CHECK_FALSE(woken);
  }
  CHECK(store.entered == 1);
}
