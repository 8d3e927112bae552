#include "storage/migrations.hpp"

#include <string>

namespace storage {
namespace {

std::int64_t single_int(Database& database, std::string_view sql) {
  Statement select{database, sql};
  const auto value = select.next() ? select.take_int() : 0;
  return value;
}

// 0: a new file.
std::int64_t version_of(Database& database) {
  if (single_int(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'") == 1) {
    const auto version = single_int(database, "SELECT max(version) FROM migration");
    if (version < 1) throw database.damaged("it has the schema " + std::to_string(version));
    return version;
  }
  if (single_int(database, "SELECT count(*) FROM sqlite_schema") != 0) {
    throw std::runtime_error(database.path().string() +
                             " is a database of another program; it was left as it is: choose "
                             "another folder with --data");
  }
  return 0;
}

}  // namespace

std::span<const Migration> embedded_migrations() {
  static constexpr Migration all[] = {
#include "embedded_migrations.inc"
  };
  return all;
}

void migrate(Database& database, std::span<const Migration> migrations) {
  auto version = version_of(database);
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest) {
    throw std::runtime_error(database.path().string() +
                             " was written by a newer emulator (schema " + std::to_string(version) +
                             ", this one knows " + std::to_string(newest) +
                             "); it was left as it is: use the newer one, or another folder with "
                             "--data");
  }
  for (; version < newest; ++version) {
    const auto& migration = migrations[static_cast<std::size_t>(version)];
    Transaction transaction{database};
    database.run(std::string{migration.sql});
    Statement record{database, "INSERT INTO migration (version, name) VALUES (?, ?)"};
    record.put(version + 1).put_text(migration.name).run();
    transaction.commit();
  }
}

}  // namespace storage
