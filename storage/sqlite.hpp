#pragma once
// SQLite's C API with owners: Database, Statement, Transaction. Every failure is a
// std::runtime_error that names the file, the cause and, where there is one, the remedy (ST-06).
// Not thread-safe: one thread at a time per Database. A Statement dies before its Database.
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace storage {

class Database {
 public:
  // Opens the file for writing, makes it if it is missing (0600). Changes nothing in it.
  explicit Database(const std::filesystem::path& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  const std::filesystem::path& path() const { return path_; }
  sqlite3* handle() const { return handle_; }
  void run(const std::string& sql);  // one or more statements, without results
  void check();                      // reads the whole structure; throws if it is damaged
  // Closing may move the log into the file from here on; before, it leaves both as they are
  // (ST-05).
  void tidy_on_close(bool enabled = true);

  // What to throw for result `code`: `doing` is what was tried, as in "cannot <doing>".
  std::runtime_error error(std::string_view doing, int code) const;
  std::runtime_error damaged(std::string_view cause) const;

 private:
  std::filesystem::path path_;
  sqlite3* handle_ = nullptr;
};

// A prepared statement, used over and over. Values are put and taken from left to right:
//   insert.put(3).put_text("a").run();      while (select.next()) use(select.take_int());
// What put_text and put_blob see must live until run() or the last next().
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  template <std::integral T>
  Statement& put(T value) {
    return put_int(static_cast<std::int64_t>(value));
  }
  Statement& put_int(std::int64_t value);
  Statement& put_int(std::optional<std::int64_t> value);  // nullopt: NULL
  Statement& put_text(std::string_view text);
  Statement& put_blob(std::string_view bytes);
  void run();  // to its end, no rows wanted; ready for the next puts

  bool next();  // false: no more rows; ready for the next puts
  std::int64_t take_int();
  std::optional<std::int64_t> take_optional_int();
  std::string_view take_bytes();  // TEXT or BLOB; valid until next()
  std::string take_string() { return std::string{take_bytes()}; }

 private:
  [[noreturn]] void fail(int code);
  void rewind();

  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
  int put_ = 0;    // parameters filled
  int taken_ = 0;  // columns read of this row
};

// All or nothing: rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace storage
