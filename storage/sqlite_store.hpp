#pragma once
// The durable hub: DIR/hub.db, SQLite in WAL mode, synced at every commit (ST-01). What apply()
// returned from is there after kill -9 and after a power cut; what it threw from is not, wholly.
// One process per folder, one thread at a time. Source: contract.md 2, spec/c2d.md row 17.
#include "emulator/core/store/store.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace storage {

class SqliteStore : public hub::Store {
 public:
  // Makes folder and database if missing, brings the schema up to date. Throws std::runtime_error
  // that says what to do: folder in use, not writable, file damaged, of a newer version, not ours.
  static std::unique_ptr<SqliteStore> open(const std::filesystem::path& dir);
  ~SqliteStore() override;

  // What its owner should know of how it was found; empty: nothing.
  std::string remark() const;
  hub::Snapshot load() override;
  void apply(std::span<const hub::Change> changes) override;
  void check() override;

 private:
  explicit SqliteStore(const std::filesystem::path& dir);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace storage
