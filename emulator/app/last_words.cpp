#include "emulator/app/last_words.hpp"

#include "emulator/core/base/assertion.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <exception>
#include <new>

#include <poll.h>
#include <unistd.h>

namespace app {
namespace {

std::atomic<SpdlogLog*> log_to_flush{nullptr};

void flush_log() noexcept {
  if (auto* log = log_to_flush.exchange(nullptr)) log->flush();
}

[[noreturn]] void end_with(std::string_view what) noexcept {
  flush_log();
  say_on_stderr(what);
  ::_exit(1);
}

[[noreturn]] void on_terminate() noexcept {
  try {
    if (const auto error = std::current_exception()) std::rethrow_exception(error);
    end_with("stopping: the run was ended from within");
  } catch (const std::bad_alloc&) {
    end_with(
        "stopping: out of memory. What was acknowledged is kept if there is --data; "
        "give the process more memory (container limit, ulimit -v), or fewer connections and "
        "messages");
  } catch (const std::exception& error) {
    std::array<char, 512> line{};
    constexpr std::string_view begin = "stopping: nobody expected this error: ";
    const std::string_view what = error.what();
    auto* end = std::copy(begin.begin(), begin.end(), line.begin());
    end = std::copy_n(what.begin(), std::min(what.size(), line.size() - begin.size()), end);
    end_with({line.data(), static_cast<std::size_t>(end - line.data())});
  } catch (...) {
    end_with("stopping: nobody expected this error");
  }
}

}  // namespace

LastWords::LastWords(SpdlogLog& log) {
  log_to_flush = &log;
  std::set_terminate(on_terminate);
  hub::set_assertion_sink([](const char* line) noexcept {
    flush_log();
    say_on_stderr(line);
  });
}

LastWords::~LastWords() { log_to_flush = nullptr; }

void say_on_stderr(std::string_view what) noexcept {
  std::array<char, 4096> line{};  // what a pipe takes at once; nothing is allocated
  constexpr std::string_view begin = "iothub-emulator: ";
  auto* end = std::copy(begin.begin(), begin.end(), line.begin());
  end = std::copy_n(what.begin(), std::min(what.size(), line.size() - begin.size() - 1), end);
  *end++ = '\n';
  pollfd writable{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&writable, 1, 100) != 1) return;
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(end - line.data()));
}

}  // namespace app
