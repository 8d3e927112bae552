// kill -9 at any moment, a disk that fails at any write, a power cut at any write: what apply()
// returned from is there, what it did not is there wholly or not at all.
#include "storage/sqlite_store.hpp"
#include "tests/model/snapshot_text.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/unit/storage/faulty_disk.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>

#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

using namespace storage_test;
using hub::Change;
using model_test::to_text;
using storage::SqliteStore;
using test::MemoryStore;

namespace {

// The `number`-th batch of a run, counted from 1: messages come, those of the batch before go.
std::vector<Change> batch(std::uint64_t number, std::size_t body_size) {
  auto content = full_content();
  content.body.assign(body_size, static_cast<char>('a' + number % 26));
  std::vector<Change> changes;
  const auto first = (number - 1) * 3 + 1;
  for (auto sequence = first; sequence < first + 3; ++sequence) {
    changes.push_back(enqueued("d", sequence, content));
    if (sequence > 5) changes.push_back(hub::change::MessageRemoved{{{"d"}}, sequence - 5});
  }
  changes.push_back(record(number, "d"));
  return changes;
}

// Texts of the hub after 0, 1, 2 … batches.
std::vector<std::string> states(std::uint64_t batches, std::size_t body_size) {
  MemoryStore model;
  std::vector<std::string> texts{to_text(model.load())};
  for (std::uint64_t number = 1; number <= batches; ++number) {
    model.apply(batch(number, body_size));
    texts.push_back(to_text(model.load()));
  }
  return texts;
}

std::uint64_t batches_in(const hub::Snapshot& snapshot) {
  return snapshot.counters.empty() ? 0 : snapshot.counters[0].last / 3;
}

// Applies batch after batch, tells each one that is stored. Never returns.
[[noreturn]] void apply_until_killed(const std::filesystem::path& dir, int told) {
  try {
    const auto store = SqliteStore::open(dir);
    for (auto number = batches_in(store->load()) + 1;; ++number) {
      store->apply(batch(number, 200));
      if (::write(told, &number, sizeof number) != sizeof number) ::_exit(1);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ::_exit(1);
  }
}

}  // namespace

TEST_CASE("ST-01 after kill -9 everything that apply returned from is there, nothing by halves") {
  TempFolder folder;
  MemoryStore model;
  std::uint64_t modelled = 0;
  std::mt19937 random{1};  // NOLINT: the same kills each time, as far as the kernel allows
  for (int kills = 0; kills < 30; ++kills) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const auto child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      apply_until_killed(folder.path(), pipe[1]);
    }
    ::close(pipe[1]);
    std::uint64_t last = 0;
    for (auto left = random() % 12; left > 0; --left) {
      if (::read(pipe[0], &last, sizeof last) != sizeof last) break;
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    while (::read(pipe[0], &last, sizeof last) == sizeof last) {
    }
    ::close(pipe[0]);

    const auto snapshot = SqliteStore::open(folder.path())->load();
    const auto stored = batches_in(snapshot);
    CHECK(stored >= last);  // `last` is 0 when the child had no time for any
    if (last != 0) CHECK(stored <= last + 1);
    while (modelled < stored) model.apply(batch(++modelled, 200));
    REQUIRE(to_text(snapshot) == to_text(model.load()));
    REQUIRE(integrity(folder.path() / "hub.db") == "ok");
  }
  CHECK(modelled > 30);
}

TEST_CASE("ST-06 a disk that fails at any write: apply says so, and what was stored stays") {
  constexpr std::size_t body_size = 3000;
  constexpr std::uint64_t batches = 6;
  const auto expected = states(batches, body_size);
  bool survived = false;
  for (int write = 0; !survived; ++write) {
    CAPTURE(write);
    REQUIRE(write < 500);
    TempFolder folder;
    std::uint64_t applied = 0;
    {
      const auto store = SqliteStore::open(folder.path());
      const FaultyDisk disk{{.fail_from_write = write}};
      const auto why = refusal([&] {
        for (; applied < batches; ++applied) store->apply(batch(applied + 1, body_size));
      });
      survived = why.empty();
      if (!survived) {
        CHECK(contains(why, (folder.path() / "hub.db").string()));
        CHECK(contains(why, "database or disk is full"));
        CHECK(contains(why, "free some space"));
      }
    }
    const auto snapshot = SqliteStore::open(folder.path())->load();
    CHECK(batches_in(snapshot) == applied);
    CHECK(to_text(snapshot) == expected.at(applied));
  }
}

TEST_CASE("ST-01 after a power cut at any write everything that apply returned from is there") {
  constexpr std::size_t body_size = 60'000;  // enough for checkpoints
  constexpr std::uint64_t batches = 50;
  const auto expected = states(batches, body_size);
  std::uint64_t applied = 0;
  const auto run = [&](const std::filesystem::path& dir, const FaultyDisk& disk) {
    applied = 0;
    const auto store = SqliteStore::open(dir);
    for (; applied < batches && !disk.is_cut(); ++applied) {
      store->apply(batch(applied + 1, body_size));
    }
  };
  int writes = 0;
  {
    TempFolder folder;
    const FaultyDisk disk{{}};
    run(folder.path(), disk);
    writes = disk.writes();
  }
  REQUIRE(writes > 5000);
  std::mt19937 random{2};  // NOLINT: the same cuts each time
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    TempFolder folder;
    TempFolder after_cut;
    std::uint64_t applied_at_cut = 0;
    {
      const int early = round < 10 ? 60 : writes;  // the making of the database has few writes
      const FaultyDisk disk{
          {.cut_at_write = static_cast<int>(random() % static_cast<unsigned>(early)),
           .unsynced_survives = (round % 3) / 2.0,
           .survivors = after_cut.path(),
           .at_cut = [&] { applied_at_cut = applied; }}};
      run(folder.path(), disk);
      REQUIRE(disk.is_cut());
    }
    const auto snapshot = SqliteStore::open(after_cut.path())->load();
    const auto stored = batches_in(snapshot);
    CHECK(stored >= applied_at_cut);
    CHECK(stored <= applied_at_cut + 1);
    CHECK(to_text(snapshot) == expected.at(stored));
    CHECK(integrity(after_cut.path() / "hub.db") == "ok");
  }
}

TEST_CASE("ST-07 the log stays bounded") {
  TempFolder folder;
  const auto store = SqliteStore::open(folder.path());
  std::uintmax_t largest = 0;
  for (std::uint64_t number = 1; number <= 150; ++number) {
    store->apply(batch(number, 60'000));
    largest = std::max(largest, std::filesystem::file_size(folder.path() / "hub.db-wal"));
  }
  CHECK(largest < 6u << 20);  // 1000 pages of 4 KiB and a last batch
}

TEST_CASE("ST-07 a burst does not keep its size in the log") {
  TempFolder folder;
  const auto store = SqliteStore::open(folder.path());
  std::vector<Change> burst;
  for (std::uint64_t number = 1; number <= 150; ++number) {
    for (auto& change : batch(number, 60'000)) {
      if (!std::holds_alternative<hub::change::MessageRemoved>(change)) burst.push_back(change);
    }
  }
  store->apply(burst);
  CHECK(std::filesystem::file_size(folder.path() / "hub.db-wal") > 20u << 20);
  for (std::uint64_t number = 151; number <= 153; ++number) store->apply(batch(number, 100));
  CHECK(std::filesystem::file_size(folder.path() / "hub.db-wal") <= 16u << 20);
}
