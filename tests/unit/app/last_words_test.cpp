#include "emulator/app/last_words.hpp"

#include <doctest/doctest.h>

#include "emulator/core/base/error.hpp"

#include <array>
#include <csignal>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

namespace {

struct End {
  int status = 0;
  std::string said;  // on stderr
};

// What becomes of a process of its own that does `what` with a log.
End end_of(void (*what)(app::SpdlogLog&), bool read = true) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);  // not doctest's
    app::SpdlogLog log(hub::LogLevel::info, app::LogFormat::text);
    const app::LastWords last_words(log);
    [&]() noexcept { what(log); }();
    ::_exit(0);
  }
  ::close(ends[1]);
  End end;
  if (!read) REQUIRE(::waitpid(child, &end.status, 0) == child);
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    end.said.append(buffer.data(), static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  if (read) REQUIRE(::waitpid(child, &end.status, 0) == child);
  return end;
}

bool is_exit(const End& end, int code) {
  return WIFEXITED(end.status) && WEXITSTATUS(end.status) == code;
}

}  // namespace

TEST_CASE(
    "APP-20 an error that nobody catches ends the process with 1 and a line, after the log's own") {
  const auto memory = end_of([](app::SpdlogLog& log) {
    log.info("before the end");
    std::thread([] { throw std::bad_alloc(); }).join();
  });
  CHECK(is_exit(memory, 1));
  CHECK(memory.said.find("before the end\n") != std::string::npos);
  CHECK(memory.said.find("\niothub-emulator: stopping: out of memory.") != std::string::npos);
  CHECK(memory.said.ends_with("\n"));

  const auto other = end_of(
      [](app::SpdlogLog&) { throw std::runtime_error("it broke" + std::string(10'000, '.')); });
  CHECK(is_exit(other, 1));
  CHECK(other.said.find("iothub-emulator: stopping: nobody expected this error: it broke..") !=
        std::string::npos);

  const auto odd = end_of([](app::SpdlogLog&) { throw 1; });
  CHECK(is_exit(odd, 1));
  CHECK(odd.said.find("iothub-emulator: stopping: ") != std::string::npos);
}

TEST_CASE("APP-20 a broken invariant says so after the log's lines, and aborts") {
  const auto broken = end_of([](app::SpdlogLog& log) {
    log.info("before the end");
    HUB_ASSERT(log.enabled(hub::LogLevel::trace));
  });
  CHECK_FALSE(is_exit(broken, 0));
  CHECK(broken.said.find("before the end\n") <
        broken.said.find("iothub-emulator: broken invariant: "));
}

TEST_CASE("APP-20 such an end does not wait for somebody to read it") {
  const auto unread = end_of(
      [](app::SpdlogLog& log) {
        for (int i = 0; i < 10'000; ++i) log.info("nobody reads what stands here, line by line");
        throw std::bad_alloc();
      },
      false);
  CHECK(is_exit(unread, 1));
}
