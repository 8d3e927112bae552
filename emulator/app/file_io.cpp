#include "emulator/app/file_io.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}

void write_all(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) fail(path);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

struct Closer {
  int fd;
  ~Closer() { ::close(fd); }
};

}  // namespace

void write_file_atomically(const std::filesystem::path& link, std::string_view text, mode_t mode) {
  std::error_code none;
  const auto what = std::filesystem::status(link, none);  // of what a link leads to
  const auto path = std::filesystem::exists(what) ? std::filesystem::canonical(link) : link;
  if (std::filesystem::exists(what) && !std::filesystem::is_regular_file(what)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail(path);
    const Closer closer{fd};
    return write_all(fd, text, path);
  }
  std::string temporary = path.string() + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());  // mode 0600 from the start
  if (fd < 0) fail(path);
  try {
    write_all(fd, text, path);
    if (::fchmod(fd, mode) != 0 || ::fsync(fd) != 0) fail(path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path);
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(fd);
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace app
