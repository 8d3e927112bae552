#pragma once
// The folder of --data: made if missing, and one process at a time (ST-04).
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace storage {

class DataFolder {
 public:
  // Makes `path` (0700) and takes its lock file for life. Throws std::runtime_error with path,
  // cause and remedy; when another process has the folder, with its pid if that is known.
  explicit DataFolder(const std::filesystem::path& path);
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;
  ~DataFolder();

  const std::filesystem::path& path() const { return path_; }

  // The file `name` of the folder is in use from now on.
  void hold(const std::string& name);
  // Throws if a file in use, or the folder, was deleted, moved or replaced: what is written there
  // is lost to the next start, and another emulator may have the folder's name by now (ST-16).
  void check_held() const;

 private:
  struct HeldFile {
    std::filesystem::path path;
    dev_t device;
    ino_t inode;
  };

  void make();
  void lock();

  std::filesystem::path path_;
  std::vector<HeldFile> held_;
  int lock_fd_ = -1;  // the lock is the kernel's: a killed process leaves none behind
};

}  // namespace storage
