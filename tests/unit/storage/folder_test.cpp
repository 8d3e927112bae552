#include "storage/sqlite_store.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <functional>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

using namespace storage_test;
using storage::SqliteStore;

namespace {

unsigned mode_of(const std::filesystem::path& path) {
  return static_cast<unsigned>(std::filesystem::status(path).permissions());
}

std::string refused(const std::filesystem::path& dir) {
  return refusal([&] { SqliteStore::open(dir); });
}

}  // namespace

TEST_CASE("ST-09 the folder is made, for its owner only, whatever the umask") {
  TempFolder parent;
  const auto dir = parent.path() / "not" / "there yet";
  const auto umask_before = ::umask(0);
  {
    const auto store = SqliteStore::open(dir);
    store->apply(std::vector<hub::Change>{device("d")});
    CHECK(mode_of(dir) == 0700);
    for (const auto* file : {"hub.db", "hub.db-wal", "hub.db-shm", "hub.lock"}) {
      CAPTURE(file);
      CHECK(mode_of(dir / file) == 0600);
    }
  }
  ::umask(umask_before);
  CHECK(std::filesystem::exists(dir / "hub.db"));
  CHECK_FALSE(std::filesystem::exists(dir / "hub.db-wal"));
}

TEST_CASE("ST-04 a second store on the same folder is refused, and the first is not disturbed") {
  TempFolder folder;
  auto store = SqliteStore::open(folder.path());
  const auto why = refused(folder.path());
  CHECK(contains(why, "another emulator (pid " + std::to_string(::getpid()) + ") uses"));
  CHECK(contains(why, folder.path().string()));
  CHECK(contains(why, "--data"));
  store->apply(std::vector<hub::Change>{device("d")});
  store.reset();
  CHECK(SqliteStore::open(folder.path())->load().devices.size() == 1);
}

TEST_CASE("ST-04 another process is named by its pid; killed, it leaves no lock") {
  TempFolder folder;
  std::array<int, 2> ready{};
  REQUIRE(::pipe(ready.data()) == 0);
  const auto child = ::fork();
  if (child == 0) {
    const auto store = SqliteStore::open(folder.path());
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(contains(refused(folder.path()), "(pid " + std::to_string(child) + ")"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(refused(folder.path()).empty());
}

TEST_CASE("ST-06 a folder that cannot be: the line names it, the cause and the remedy") {
  TempFolder folder;
  write_bytes(folder.path() / "file", "x");
  const auto why = refused(folder.path() / "file");
  CHECK(contains(why, (folder.path() / "file").string()));
  CHECK(contains(why, "Not a directory"));
  CHECK(contains(why, "--data"));
  CHECK(contains(refused(folder.path() / "file" / "below"), "Not a directory"));
  CHECK(contains(refused("/proc/nowhere"), "/proc/nowhere"));

  std::filesystem::create_directories(folder.path() / "taken" / "hub.db");
  CHECK(contains(refused(folder.path() / "taken"), "hub.db: Is a directory"));
}

TEST_CASE(
    "ST-16 a folder that is deleted, moved or replaced under the hub ends it at the next commit") {
  const auto commit_after = [](const std::function<void(const std::filesystem::path&)>& mischief) {
    TempFolder parent;
    const auto dir = parent.path() / "data";
    const auto store = SqliteStore::open(dir);
    store->apply(std::vector<hub::Change>{device("before")});
    mischief(dir);
    return refusal([&] { store->apply(std::vector<hub::Change>{device("after")}); });
  };
  CHECK(commit_after([](const auto&) {}).empty());
  const auto why = commit_after([](const auto& dir) { std::filesystem::remove_all(dir); });
  CHECK(contains(why, "hub.lock was deleted or moved while the emulator used it"));
  CHECK(contains(why, "start again"));
  CHECK(contains(commit_after([](const auto& dir) {
                   std::filesystem::rename(dir, dir.string() + "-elsewhere");
                 }),
                 "deleted or moved"));
  for (const std::string file : {"hub.lock", "hub.db", "hub.db-wal"}) {
    CAPTURE(file);
    CHECK(contains(commit_after([&](const auto& dir) { std::filesystem::remove(dir / file); }),
                   file + " was deleted or moved"));
    CHECK(contains(commit_after([&](const auto& dir) {
                     std::filesystem::rename(dir / file, dir / "aside");
                     std::filesystem::copy_file(dir / "aside", dir / file);
                   }),
                   file + " was replaced"));
  }
}

TEST_CASE("ST-16 of two hubs on one name of a folder the one whose files are gone ends") {
  TempFolder parent;
  const auto dir = parent.path() / "data";
  const auto first = SqliteStore::open(dir);
  std::filesystem::remove_all(dir);
  const auto second = SqliteStore::open(dir);
  CHECK(
      contains(refusal([&] { first->apply(std::vector<hub::Change>{device("d")}); }), "replaced"));
  second->apply(std::vector<hub::Change>{device("d")});
  CHECK(second->load().devices.size() == 1);
}
