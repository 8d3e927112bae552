// What SQLite's logs look like after crashes and after damage. The logs are real ones.
#include "storage/log_check.hpp"

#include "storage/sqlite_store.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace storage_test;
using storage::check_log;
using storage::SqliteStore;
using Kind = storage::LogFinding::Kind;

namespace {

constexpr std::size_t header_size = 32;
constexpr std::size_t frame_size = 24 + 4096;

struct Files {
  std::string log;
  std::string index;  // hub.db-shm
  std::size_t frames() const { return (log.size() - header_size) / frame_size; }
  static std::size_t at(std::size_t frame) { return header_size + (frame - 1) * frame_size; }
  bool is_commit(std::size_t frame) const {
    return std::string_view{log}.substr(at(frame) + 4, 4) != std::string_view{"\0\0\0\0", 4};
  }
};

hub::MessageContent body_of(std::size_t size) {
  auto content = full_content();
  content.body.assign(size, 'b');
  return content;
}

// As kill -9 leaves them after `batches` of a few frames each.
Files killed_after(std::uint64_t batches, std::size_t body_size = 5000) {
  TempFolder folder;
  const auto store = SqliteStore::open(folder.path());
  for (std::uint64_t number = 1; number <= batches; ++number) {
    store->apply(std::vector<hub::Change>{enqueued("d", number, body_of(body_size))});
    if (number > 5) {
      store->apply(std::vector<hub::Change>{hub::change::MessageRemoved{{{"d"}}, number - 5}});
    }
  }
  return {bytes_of(folder.path() / "hub.db-wal"), bytes_of(folder.path() / "hub.db-shm")};
}

std::string flipped(std::string bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

Kind kind_of(std::string_view log, std::string_view index = {}) {
  return check_log(log, index).kind;
}

}  // namespace

TEST_CASE("ST-14 the log of a killed process is whole, with and without its index") {
  const Files files = killed_after(4);
  REQUIRE(files.frames() > 8);
  CHECK(kind_of(files.log, files.index) == Kind::whole);
  CHECK(kind_of(files.log) == Kind::whole);
  CHECK(kind_of({}, {}) == Kind::whole);  // moved away with its index by its owner
  CHECK(kind_of({}, files.index) == Kind::damaged);
}

TEST_CASE("ST-14 any one bit of the log that flips is found, the last transaction's as well") {
  const Files files = killed_after(3);
  const std::size_t bits = files.log.size() * 8;
  std::size_t flips = 0;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    const std::size_t byte = bit / 8;
    const bool in_page = byte >= header_size && (byte - header_size) % frame_size >= 24;
    if (in_page && bit % 211 != 0) continue;
    ++flips;
    const auto finding = check_log(flipped(files.log, bit), {});
    if (finding.kind == Kind::damaged) continue;
    CAPTURE(bit);
    CAPTURE(finding.cause);
    CHECK(finding.kind == Kind::damaged);
  }
  CHECK(flips > files.frames() * 300);
}

TEST_CASE("ST-14 the finding names the frame") {
  const Files files = killed_after(4);
  const auto damaged = flipped(files.log, (Files::at(3) + 100) * 8);
  CHECK(check_log(damaged, {}).cause ==
        "frame 3 of " + std::to_string(files.frames()) + " has a flipped bit");
  auto garbage = files.log;
  garbage.replace(Files::at(3), 200, 200, 'x');
  CHECK(contains(check_log(garbage, {}).cause, "frame 3 of "));
  CHECK(contains(check_log(garbage, {}).cause, "whole transactions follow it"));
  CHECK(contains(check_log(flipped(files.log, 8 * 17), {}).cause, "header"));
}

TEST_CASE("ST-14 garbage anywhere before the last transaction is found; within it, by the index") {
  const Files files = killed_after(4);
  std::size_t last_but_one = 0, last = 0;  // ends of transactions
  for (std::size_t frame = 1; frame <= files.frames(); ++frame) {
    if (files.is_commit(frame)) last_but_one = std::exchange(last, frame);
  }
  REQUIRE(last_but_one > 3);
  std::mt19937 random{3};  // NOLINT: the same each time
  for (std::size_t at = header_size; at + 600 < Files::at(last + 1); at += 700) {
    CAPTURE(at);
    auto garbage = files.log;
    for (std::size_t i = 0; i < 600; ++i) garbage[at + i] = static_cast<char>(random());
    CHECK(kind_of(garbage, files.index) == Kind::damaged);
    if (at + 600 < Files::at(last_but_one)) CHECK(kind_of(garbage) == Kind::damaged);
    if (at > Files::at(last_but_one + 1)) CHECK(kind_of(garbage) != Kind::damaged);  // as torn
  }
}

TEST_CASE(
    "ST-14 a tail that is cut, torn or zeros is what a crash leaves; the index knows better") {
  const Files files = killed_after(3);
  for (std::size_t size = 0; size < files.log.size(); size += 1001) {
    CAPTURE(size);
    const auto cut = files.log.substr(0, size);
    CHECK(kind_of(cut) == Kind::whole);
    CHECK(kind_of(cut + std::string(files.log.size() - size, '\0')) != Kind::damaged);
    if (size > 0) CHECK(kind_of(cut, files.index) == Kind::damaged);
  }
  const auto more = files.log + std::string(frame_size * 2 + 100, '\0');
  CHECK(kind_of(more, files.index) == Kind::whole);
  CHECK(kind_of(files.log + files.log.substr(40, 3000), files.index) == Kind::whole);
}

TEST_CASE(
    "ST-14 frames of an earlier use of the file, behind those of this one, are nobody's loss") {
  const Files files = killed_after(700);  // some 1,000 pages at least, where a new use begins
  const auto salt = files.log.substr(16, 8);
  std::size_t current = 0;
  while (current < files.frames() && files.log.substr(Files::at(current + 1) + 8, 8) == salt) {
    ++current;
  }
  REQUIRE(current > 0);
  REQUIRE(current < files.frames());
  CHECK(kind_of(files.log, files.index) == Kind::whole);
  CHECK(kind_of(files.log) == Kind::whole);
  for (std::size_t bit = Files::at(current + 1) * 8; bit < files.log.size() * 8; bit += 99'991) {
    CHECK(kind_of(flipped(files.log, bit), files.index) == Kind::whole);
  }
  CHECK(kind_of(flipped(files.log, (Files::at(1) + 300) * 8), files.index) == Kind::damaged);
}

TEST_CASE("ST-14 an index of another log, or one that is torn, says nothing") {
  const Files files = killed_after(3);
  const auto cut = files.log.substr(0, Files::at(4));
  CHECK(kind_of(cut, files.index) == Kind::damaged);
  CHECK(kind_of(cut, killed_after(3).index) == Kind::whole);
  auto torn = files.index;
  for (const std::size_t copy : {std::size_t{0}, std::size_t{48}}) torn[copy + 17] ^= 1;
  CHECK(kind_of(cut, torn) == Kind::whole);
  CHECK(kind_of(cut, files.index.substr(0, 47)) == Kind::whole);
  CHECK(kind_of(cut, std::string(32'768, '\0')) == Kind::whole);
}

TEST_CASE(
    "ST-15 the last transaction out of order, as a power cut may leave it, is left out with a "
    "remark") {
  TempFolder alive;
  TempFolder cut;
  {
    const auto store = SqliteStore::open(alive.path());
    for (std::uint64_t number = 1; number <= 3; ++number) {
      store->apply(std::vector<hub::Change>{enqueued("d", number, body_of(9000))});
    }
    std::filesystem::copy_file(alive.path() / "hub.db", cut.path() / "hub.db");
    auto log = bytes_of(alive.path() / "hub.db-wal");
    const std::size_t frames = (log.size() - header_size) / frame_size;
    log.replace(Files::at(frames - 1), frame_size, frame_size, '\0');  // its end is there
    write_bytes(cut.path() / "hub.db-wal", log);
  }
  {
    const auto store = SqliteStore::open(cut.path());
    CHECK(contains(store->remark(),
                   (cut.path() / "hub.db-wal").string() + " ends with a transaction"));
    CHECK(store->load().messages.size() == 2);
    // The next one writes a log of its own: nothing of the lost one is mistaken for damage.
    CHECK(bytes_of(cut.path() / "hub.db-wal").empty());
    store->apply(std::vector<hub::Change>{enqueued("d", 3, body_of(10))});
  }
  const auto store = SqliteStore::open(cut.path());
  CHECK(store->remark().empty());
  CHECK(store->load().messages.size() == 3);
}

TEST_CASE(
    "ST-14 a log with a flipped bit is refused and left as it is; mended, it has everything") {
  TempFolder alive;
  TempFolder dead;
  const auto store = SqliteStore::open(alive.path());
  for (std::uint64_t number = 1; number <= 3; ++number) {
    store->apply(std::vector<hub::Change>{enqueued("d", number)});
  }
  for (const char* file : {"hub.db", "hub.db-wal", "hub.db-shm"}) {
    std::filesystem::copy_file(alive.path() / file, dead.path() / file);
  }
  const auto log = bytes_of(dead.path() / "hub.db-wal");
  const auto database = bytes_of(dead.path() / "hub.db");
  for (const std::size_t byte :
       {std::size_t{18}, Files::at(1) + 900, log.size() / 2, log.size() - 9}) {
    CAPTURE(byte);
    const auto damaged = flipped(log, byte * 8);
    write_bytes(dead.path() / "hub.db-wal", damaged);
    const auto why = refusal([&] { SqliteStore::open(dead.path()); });
    CHECK(contains(why, (dead.path() / "hub.db-wal").string() + " is damaged: "));
    CHECK(contains(why, byte == 18 ? "header" : "frame "));
    CHECK(contains(why, "restore a copy of it, or move it away with hub.db-shm"));
    CHECK_FALSE(contains(why, "\n"));
    CHECK(bytes_of(dead.path() / "hub.db-wal") == damaged);
    CHECK(bytes_of(dead.path() / "hub.db") == database);
  }
  write_bytes(dead.path() / "hub.db-wal", log);
  CHECK(SqliteStore::open(dead.path())->load().messages.size() == 3);
}
