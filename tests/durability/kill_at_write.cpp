// A library to be preloaded (LD_PRELOAD) into the emulator: kill -9 at a chosen write of a chosen
// file.
//
//   KILL_AT_WRITE=hub.db-wal:53:half   at the 53rd write, truncation, sync or removal of a file of
//   this
//                                      name: before it, half of it written, or after it
//   KILL_AT_WRITE=hub.*:1:after        of any file whose name begins so
//
//   HANG_WHILE=FILE                    no fdatasync ends as long as FILE is there: a disk that
//   hangs
//
// Harmless without the variables. What the kernel has taken survives a kill, synced or not: a power
// cut is what unit/storage/crash_test.cpp plays.
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

namespace {

enum class When { before, half, after };

struct Order {
  std::string_view file;
  std::uint64_t number = 0;  // 0: never
  When when = When::before;
};

Order read_order() {
  const char* value = std::getenv("KILL_AT_WRITE");
  if (value == nullptr) return {};
  const std::string_view text{value};
  const auto first = text.find(':');
  const auto last = text.rfind(':');
  if (first == std::string_view::npos || first == last) std::abort();
  Order order{text.substr(0, first), 0, When::before};
  std::from_chars(text.data() + first + 1, text.data() + last, order.number);
  if (text.substr(last + 1) == "half") order.when = When::half;
  if (text.substr(last + 1) == "after") order.when = When::after;
  return order;
}

bool is_due(std::string_view path) {
  static const Order order = read_order();
  static std::atomic<std::uint64_t> count{0};
  if (order.number == 0) return false;
  const auto name = path.substr(path.rfind('/') + 1);
  const bool begins =
      order.file.ends_with('*') && name.starts_with(order.file.substr(0, order.file.size() - 1));
  return (begins || name == order.file) && ++count == order.number;
}

bool is_due(int fd) {
  std::array<char, 4096> path{};
  std::array<char, 64> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  const auto size = ::readlink(link.data(), path.data(), path.size());
  return size > 0 && is_due(std::string_view{path.data(), static_cast<std::size_t>(size)});
}

// What was acknowledged too early has the time to reach its client before the kill.
constexpr int last_breath_ms = 20;

[[noreturn]] void die() {
  ::poll(nullptr, 0, last_breath_ms);
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

When when() {
  static const When chosen = read_order().when;
  return chosen;
}

template <class Function>
Function next(Function, const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// `write` writes so many bytes; syncs and the like have none.
template <class Call>
auto carry_out(bool due, std::size_t size, Call call) {
  if (!due) return call(size);
  if (when() == When::half && size > 1) call(size / 2);
  if (when() == When::after) call(size);
  die();
}

}  // namespace

extern "C" {

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto real = next(&pwrite64, "pwrite64");
  return carry_out(is_due(fd), size, [&](size_t part) { return real(fd, data, part, offset); });
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = next(&write, "write");
  return carry_out(is_due(fd), size, [&](size_t part) { return real(fd, data, part); });
}

int ftruncate64(int fd, off64_t size) noexcept {
  static const auto real = next(&ftruncate64, "ftruncate64");
  return carry_out(is_due(fd), 0, [&](size_t) { return real(fd, size); });
}

int fdatasync(int fd) {
  static const char* const hangs = std::getenv("HANG_WHILE");
  while (hangs != nullptr && ::access(hangs, F_OK) == 0) ::poll(nullptr, 0, 10);
  static const auto real = next(&fdatasync, "fdatasync");
  return carry_out(is_due(fd), 0, [&](size_t) { return real(fd); });
}

int unlink(const char* path) noexcept {
  static const auto real = next(&unlink, "unlink");
  return carry_out(is_due(std::string_view{path}), 0, [&](size_t) { return real(path); });
}

}  // extern "C"
