#include "storage/sqlite.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace storage {
namespace {

constexpr int busy_timeout_ms = 5000;  // somebody looks into the file with a tool of their own

// All of the file is about to be read, in SQLite's order and page by page, which a disk that has it
// not cached yet is slow at. The kernel takes at most one read-ahead at a time; 128 KiB is its
// default.
void read_ahead(int fd) {
  constexpr off_t step = 128 * 1024;
  struct stat file {};
  if (::fstat(fd, &file) != 0) return;
  for (off_t at = 0; at < file.st_size; at += step) {
    ::posix_fadvise(fd, at, step, POSIX_FADV_WILLNEED);
  }
}

std::string_view remedy(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "free some space there and start again";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "the emulator must be allowed to write to this file and its folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program holds the database locked: close it and start again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "the file was left as it is: restore a copy of it, or move it away to start empty";
    case SQLITE_IOERR:
      return "check the disk, the space left on it, and the limit on file sizes (ulimit -f)";
    default:
      return {};
  }
}

// SQLite says some things in several lines.
std::runtime_error one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return std::runtime_error{text};
}

}  // namespace

Database::Database(const std::filesystem::path& path) : path_(path) {
  // Made here and not by SQLite, whose mode would depend on the umask: there are keys inside.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    throw std::runtime_error("cannot open " + path_.string() + ": " + std::strerror(errno) + "; " +
                             std::string{remedy(SQLITE_CANTOPEN)});
  }
  read_ahead(fd);
  ::close(fd);
  const int code =
      sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    const auto failure = error("open", code);
    sqlite3_close_v2(handle_);
    throw failure;
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, busy_timeout_ms);
  tidy_on_close(false);
}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::run(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw error("write to", code);
}

void Database::check() {
  Statement quick_check{*this, "PRAGMA quick_check(1)"};
  if (!quick_check.next()) throw damaged("quick_check gave no answer");
  if (const auto verdict = quick_check.take_bytes(); verdict != "ok") throw damaged(verdict);
}

void Database::tidy_on_close(bool enabled) {
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, enabled ? 0 : 1, nullptr);
}

std::runtime_error Database::error(std::string_view doing, int code) const {
  std::string text = "cannot ";
  text.append(doing).append(" ").append(path_.string()).append(": ");
  text += handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  if (const int number = handle_ != nullptr ? sqlite3_system_errno(handle_) : 0; number != 0) {
    const int primary = code & 0xff;
    if (primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN) {
      text.append(" (").append(std::strerror(number)).append(")");
    }
  }
  if (const auto advice = remedy(code); !advice.empty()) text.append("; ").append(advice);
  return one_line(std::move(text));
}

std::runtime_error Database::damaged(std::string_view cause) const {
  std::string text = path_.string();
  text.append(" is damaged: ").append(cause).append("; ").append(remedy(SQLITE_CORRUPT));
  return one_line(std::move(text));
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  const int code = sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (code != SQLITE_OK) throw database.error("use", code);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::put_int(std::int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, ++put_, value); code != SQLITE_OK) fail(code);
  return *this;
}

Statement& Statement::put_int(std::optional<std::int64_t> value) {
  if (value) return put_int(*value);
  if (const int code = sqlite3_bind_null(handle_, ++put_); code != SQLITE_OK) fail(code);
  return *this;
}

// An empty view may have a null pointer, which SQLite would take for NULL.
Statement& Statement::put_text(std::string_view text) {
  const int code = sqlite3_bind_text64(handle_, ++put_, text.empty() ? "" : text.data(),
                                       text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(code);
  return *this;
}

Statement& Statement::put_blob(std::string_view bytes) {
  const int code = sqlite3_bind_blob64(handle_, ++put_, bytes.empty() ? "" : bytes.data(),
                                       bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) fail(code);
  return *this;
}

void Statement::run() {
  while (next()) {
  }
}

bool Statement::next() {
  taken_ = 0;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail(code);
  rewind();
  return false;
}

std::int64_t Statement::take_int() { return sqlite3_column_int64(handle_, taken_++); }

std::optional<std::int64_t> Statement::take_optional_int() {
  if (sqlite3_column_type(handle_, taken_) == SQLITE_NULL) return ++taken_, std::nullopt;
  return take_int();
}

std::string_view Statement::take_bytes() {
  const int column = taken_++;
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

void Statement::rewind() {
  sqlite3_reset(handle_);
  put_ = 0;
}

void Statement::fail(int code) {
  const auto failure = database_.error("use", code);
  rewind();
  throw failure;
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace storage
