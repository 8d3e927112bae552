#include "storage/sqlite_store.hpp"

#include "storage/change_writer.hpp"
#include "storage/data_folder.hpp"
#include "storage/migrations.hpp"
#include "storage/snapshot_reader.hpp"
#include "storage/sqlite.hpp"

#include <array>
#include <fstream>
#include <optional>
#include <string_view>

namespace storage {
namespace {

// A hub.db cut to nothing would pass for a new one, and SQLite would throw its log away.
void refuse_lost_database(const std::filesystem::path& file) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(file, missing);
  if (!missing && size != 0) return;
  auto log = file;
  log += "-wal";
  const auto log_size = std::filesystem::file_size(log, missing);
  if (missing || log_size == 0) return;
  throw std::runtime_error(file.string() + " is damaged: it is missing or empty but its log " +
                           log.string() +
                           " is not; restore a copy of both, or move both away to "
                           "start empty");
}

// SQLite would take what is no log for an empty one, and write over it. Zeros are what a power cut
// may leave of a new one.
void refuse_damaged_log(const std::filesystem::path& log) {
  std::array<char, 3> start{};  // of 0x377f0682 or 0x377f0683
  std::ifstream{log, std::ios::binary}.read(start.data(), start.size());
  const std::string_view found{start.data(), start.size()};
  if (found == "\x37\x7f\x06" || found == std::string_view{"\0\0\0", 3}) return;
  throw std::runtime_error(
      log.string() +
      " is damaged: it is no log of a database; restore a copy of it, or move it "
      "away to go on without what was stored last");
}

}  // namespace

struct SqliteStore::Impl {
  explicit Impl(const std::filesystem::path& dir) : folder(dir), database(open_database()) {}

  Database open_database() {
    const auto file = folder.path() / "hub.db";
    refuse_lost_database(file);
    refuse_damaged_log(folder.path() / "hub.db-wal");
    return Database{file};
  }

  DataFolder folder;
  Database database;
  std::optional<ChangeWriter> writer;  // once the tables are there
};

SqliteStore::SqliteStore(const std::filesystem::path& dir) : impl_(std::make_unique<Impl>(dir)) {
  auto& database = impl_->database;
  database.check();
  migrate(database, embedded_migrations());
  database.tidy_on_close();
  database.run(
      "PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL;"
      // The log is written over from its start after a checkpoint (each 1000 pages by default);
      // one large burst does not keep its size for ever (ST-07).
      "PRAGMA journal_size_limit = 16777216;");
  impl_->writer.emplace(database);
}

SqliteStore::~SqliteStore() = default;

std::unique_ptr<SqliteStore> SqliteStore::open(const std::filesystem::path& dir) {
  return std::unique_ptr<SqliteStore>{new SqliteStore{dir}};
}

hub::Snapshot SqliteStore::load() { return read_snapshot(impl_->database); }

// ST-01: one transaction, on the disk when it returns.
void SqliteStore::apply(std::span<const hub::Change> changes) {
  if (changes.empty()) return;
  Transaction transaction{impl_->database};
  impl_->writer->write(changes);
  transaction.commit();
}

}  // namespace storage
