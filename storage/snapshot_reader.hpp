#pragma once
// Rows -> Snapshot, in the order that change.hpp promises.
#include "emulator/core/store/change.hpp"
#include "storage/sqlite.hpp"

namespace storage {

// Throws std::runtime_error, also for a row that no ChangeWriter wrote.
hub::Snapshot read_snapshot(Database& database);

}  // namespace storage
