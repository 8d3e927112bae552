#pragma once
// SQLite's file access with faults, while it lives: the system's own functions for everything but
// writing and syncing. One at a time; it acts on every database of this program.
#include <filesystem>
#include <functional>

namespace storage_test {

class FaultyDisk {
 public:
  struct Plan {
    int fail_from_write = -1;  // this write and all later ones say that the disk is full
    // Before this write the power goes: what the disk then holds of the files written is left in
    // folder `survivors`. What was synced is there; each later write with this chance. The program
    // itself goes on and is told by is_cut().
    int cut_at_write = -1;
    double unsynced_survives = 0;
    std::filesystem::path survivors{};
    std::function<void()> at_cut{};
  };
  explicit FaultyDisk(Plan plan);
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  ~FaultyDisk();
  bool is_cut() const;
  int writes() const;
};

}  // namespace storage_test
