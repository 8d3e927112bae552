#include "storage/data_folder.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace storage {
namespace {

std::runtime_error cannot(const std::string& what, const std::filesystem::path& path, int number) {
  return std::runtime_error("cannot " + what + " " + path.string() + ": " + std::strerror(number) +
                            "; choose a folder that the emulator may write to with --data");
}

// Empty unless the lock file says it, in digits.
std::string owner_of(int fd) {
  std::string text(24, '\0');
  const auto size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text.substr(0, text.find_first_not_of("0123456789"));
}

}  // namespace

DataFolder::DataFolder(const std::filesystem::path& path) : path_(path) {
  make();
  lock();
  hold("hub.lock");
}

void DataFolder::hold(const std::string& name) {
  const auto file = path_ / name;
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) throw cannot("look at", file, errno);
  held_.push_back({file, status.st_dev, status.st_ino});
}

void DataFolder::check_held() const {
  for (const HeldFile& file : held_) {
    struct stat status {};
    const bool there = ::stat(file.path.c_str(), &status) == 0;
    if (there && status.st_dev == file.device && status.st_ino == file.inode) continue;
    throw std::runtime_error(
        file.path.string() + " was " + (there ? "replaced" : "deleted or moved") +
        " while the emulator used it; what it wrote since cannot be found there: "
        "leave the folder of --data alone while it runs, and start again");
  }
}

DataFolder::~DataFolder() { ::close(lock_fd_); }

void DataFolder::make() {
  std::error_code ignored;  // mkdir below tells better what is wrong
  std::filesystem::create_directories(std::filesystem::absolute(path_).parent_path(), ignored);
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw cannot("make the data folder", path_, errno);
  }
  if (!std::filesystem::is_directory(path_, ignored)) {
    throw cannot("use the data folder", path_, ENOTDIR);
  }
}

void DataFolder::lock() {
  const auto file = path_ / "hub.lock";
  lock_fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) throw cannot("open", file, errno);
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    const auto owner = owner_of(lock_fd_);
    ::close(lock_fd_);
    if (number != EWOULDBLOCK) throw cannot("lock", file, number);
    throw std::runtime_error("another emulator" +
                             (owner.empty() ? std::string{} : " (pid " + owner + ")") +
                             " uses the data folder " + path_.string() +
                             "; stop it, or choose another folder with --data");
  }
  // For people and for the message above only: what counts is the lock.
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_fd_, 0) != 0 ||
      ::pwrite(lock_fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int number = errno;
    ::close(lock_fd_);
    throw cannot("write to", file, number);
  }
}

}  // namespace storage
