#include "storage/sqlite_store.hpp"
#include "tests/model/snapshot_text.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace storage_test;
using storage::SqliteStore;

namespace {

std::vector<hub::Change> some_changes() {
  std::vector<hub::Change> changes{session("d1")};
  for (hub::SequenceNumber i = 1; i <= 40; ++i) {
    changes.push_back(device("d" + std::to_string(i)));
    changes.push_back(enqueued("d1", i));
    changes.push_back(event(0, i));
  }
  return changes;
}

// A folder as kill -9 leaves it: changes in the log, not yet in the database.
void make_killed_folder(const std::filesystem::path& dir) {
  TempFolder alive;
  const auto store = SqliteStore::open(alive.path());
  store->apply(some_changes());
  std::filesystem::create_directory(dir);
  for (const auto* file : {"hub.db", "hub.db-wal"}) {
    std::filesystem::copy_file(alive.path() / file, dir / file);
  }
}

// Opens and loads; if that is refused, the files must be as they were.
std::string refused(const std::filesystem::path& dir) {
  const auto database = bytes_of(dir / "hub.db");
  const auto log = bytes_of(dir / "hub.db-wal");
  const auto why = refusal([&] { SqliteStore::open(dir)->load(); });
  if (!why.empty()) {
    CHECK(contains(why, (dir / "hub.db").string()));
    CHECK_FALSE(contains(why, "\n"));  // the contract's one line
    CHECK(bytes_of(dir / "hub.db") == database);
    CHECK(bytes_of(dir / "hub.db-wal") == log);
  }
  return why;
}

}  // namespace

TEST_CASE("ST-05 a file that is no database is refused and left as it is") {
  TempFolder folder;
  write_bytes(folder.path() / "hub.db", std::string(10'000, 'x'));
  const auto why = refused(folder.path());
  CHECK(contains(why, "not a database"));
  CHECK(contains(why, "restore a copy"));
}

TEST_CASE("ST-05 a truncated database is refused and left as it is") {
  TempFolder folder;
  SqliteStore::open(folder.path())->apply(some_changes());
  const auto whole = bytes_of(folder.path() / "hub.db");
  for (const double part : {0.01, 0.3, 0.5, 0.9}) {
    CAPTURE(part);
    const auto size = static_cast<std::size_t>(static_cast<double>(whole.size()) * part);
    write_bytes(folder.path() / "hub.db", std::string_view{whole}.substr(0, size));
    CHECK(contains(refused(folder.path()), "restore a copy"));
  }
}

TEST_CASE("ST-05 a damaged database beside a whole log is refused, both left as they are") {
  TempFolder folder;
  const auto dir = folder.path() / "killed";
  make_killed_folder(dir);
  const auto whole = bytes_of(dir / "hub.db");
  write_bytes(dir / "hub.db", std::string(whole.size(), 'x'));
  CHECK_FALSE(refused(dir).empty());
  for (const bool missing : {false, true}) {
    write_bytes(dir / "hub.db", "");
    if (missing) std::filesystem::remove(dir / "hub.db");
    CHECK(contains(refused(dir), "its log"));
  }
  write_bytes(dir / "hub.db", whole);
  CHECK(refused(dir).empty());
  CHECK(SqliteStore::open(dir)->load().messages.size() == 40);
}

TEST_CASE("ST-05 what stands in the log's place and is no log is refused, not written over") {
  TempFolder folder;
  const auto dir = folder.path() / "killed";
  make_killed_folder(dir);
  const auto log = bytes_of(dir / "hub.db-wal");
  write_bytes(dir / "hub.db-wal", std::string(log.size(), 'x'));
  const auto why = refused(dir);
  CHECK(contains(why, (dir / "hub.db-wal").string() + " is damaged"));
  CHECK(contains(why, "restore a copy of it, or move it away with hub.db-shm"));
  write_bytes(dir / "hub.db-wal", log);
  CHECK(SqliteStore::open(dir)->load().messages.size() == 40);
}

TEST_CASE("ST-05 another program may have looked into a killed folder, and tidied its log away") {
  TempFolder folder;
  const auto dir = folder.path() / "killed";
  make_killed_folder(dir);
  {
    storage::Database theirs{dir / "hub.db"};
    theirs.tidy_on_close();
    theirs.check();
  }
  CHECK_FALSE(std::filesystem::exists(dir / "hub.db-wal"));
  CHECK(SqliteStore::open(dir)->load().messages.size() == 40);
}

TEST_CASE("ST-05 flipped bytes anywhere: an error or a load, never a crash, nothing written") {
  TempFolder folder;
  SqliteStore::open(folder.path())->apply(some_changes());
  const auto file = folder.path() / "hub.db";
  const auto whole = bytes_of(file);
  std::mt19937 random{7};  // NOLINT: the same flips each time
  int refusals = 0;
  for (int round = 0; round < 100; ++round) {
    auto bytes = whole;
    for (int flips = 0; flips <= round % 20; ++flips) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    }
    write_bytes(file, bytes);
    std::filesystem::remove(folder.path() / "hub.db-wal");
    if (!refused(folder.path()).empty()) ++refusals;
  }
  MESSAGE(refusals << " of 100 damaged files refused");
  CHECK(refusals > 30);
}

TEST_CASE("ST-05 a row that no emulator wrote is refused") {
  for (const auto* sql :
       {"UPDATE device SET status = 2", "UPDATE message SET ack = -1",
        "UPDATE message SET message_id_type = 99", "UPDATE event SET properties = x'01'"}) {
    CAPTURE(sql);
    TempFolder folder;
    SqliteStore::open(folder.path())->apply(some_changes());
    {
      storage::Database database{folder.path() / "hub.db"};
      database.run(sql);
      database.tidy_on_close();
    }
    CHECK(contains(refused(folder.path()), "hub.db is damaged"));
  }
}
