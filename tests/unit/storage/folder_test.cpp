#include "storage/sqlite_store.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <array>

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
