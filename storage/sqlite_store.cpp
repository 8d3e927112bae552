#include "storage/sqlite_store.hpp"

#include "storage/change_writer.hpp"
#include "storage/data_folder.hpp"
#include "storage/log_check.hpp"
#include "storage/migrations.hpp"
#include "storage/snapshot_reader.hpp"
#include "storage/sqlite.hpp"

#include <fstream>
#include <iterator>
#include <optional>

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

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// Before SQLite sees it: it would forget what follows a damaged frame, and write over it.
LogFinding inspect_log(const std::filesystem::path& folder) {
  const auto log = folder / "hub.db-wal";
  const auto finding = check_log(bytes_of(log), bytes_of(folder / "hub.db-shm"));
  if (finding.kind != LogFinding::Kind::damaged) return finding;
  throw std::runtime_error(
      log.string() + " is damaged: " + finding.cause +
      "; it was left as it is: restore a copy of it, or move it away with hub.db-shm to go on "
      "without what was stored last");
}

}  // namespace

struct SqliteStore::Impl {
  explicit Impl(const std::filesystem::path& dir) : folder(dir), database(open_database()) {}

  Database open_database() {
    const auto file = folder.path() / "hub.db";
    refuse_lost_database(file);
    log = inspect_log(folder.path());
    return Database{file};
  }

  DataFolder folder;
  LogFinding log;
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
  if (impl_->log.kind == LogFinding::Kind::lost_end) {
    // What is left of it may not be taken for damage one day: a new log begins.
    database.run("PRAGMA wal_checkpoint(TRUNCATE);");
  }
  impl_->writer.emplace(database);
  database.run("SELECT count(*) FROM migration;");  // the first reading makes the log
  impl_->folder.hold("hub.db");
  impl_->folder.hold("hub.db-wal");
}

SqliteStore::~SqliteStore() = default;

std::unique_ptr<SqliteStore> SqliteStore::open(const std::filesystem::path& dir) {
  return std::unique_ptr<SqliteStore>{new SqliteStore{dir}};
}

std::string SqliteStore::remark() const {
  if (impl_->log.kind != LogFinding::Kind::lost_end) return {};
  return (impl_->folder.path() / "hub.db-wal").string() +
         " ends with a transaction that is not whole (" + impl_->log.cause +
         "), which was left out; after a power cut that is right, since nobody was told that it "
         "was "
         "stored; without one the file was damaged: restore a copy, if there is one";
}

hub::Snapshot SqliteStore::load() { return read_snapshot(impl_->database); }

// ST-01: one transaction, on the disk when it returns.
void SqliteStore::apply(std::span<const hub::Change> changes) {
  if (changes.empty()) return;
  Transaction transaction{impl_->database};
  impl_->writer->write(changes);
  transaction.commit();
  check();
}

void SqliteStore::check() { impl_->folder.check_held(); }

}  // namespace storage
