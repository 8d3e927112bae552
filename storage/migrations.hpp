#pragma once
// The schema's history. Each schema/NNN_name.sql runs once, in the order of NNN, in a transaction
// of its own together with its row in table `migration` (ST-03). A file that shipped never changes.
#include "storage/sqlite.hpp"

#include <span>
#include <string_view>

namespace storage {

struct Migration {
  std::string_view name;  // NNN_name; NNN is its version, counting from 1 without gaps
  std::string_view sql;
};
std::span<const Migration> embedded_migrations();

// Brings the database up to the last of `migrations`. Throws, and changes nothing, if it is of a
// newer version or somebody else's.
void migrate(Database& database, std::span<const Migration> migrations);

}  // namespace storage
