#pragma once
// The folder of --data: made if missing, and one process at a time (ST-04).
#include <filesystem>

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

 private:
  void make();
  void lock();

  std::filesystem::path path_;
  int lock_fd_ = -1;  // the lock is the kernel's: a killed process leaves none behind
};

}  // namespace storage
