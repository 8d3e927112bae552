#pragma once
// How the process ends when something goes wrong that nobody catches: with one line that says why.
#include "emulator/app/log_spdlog.hpp"

#include <string_view>

namespace app {

// While it lives, an exception that nobody catches, on whichever thread, and a broken invariant
// write what the log still holds and say a line. The exception ends the process with exit code 1:
// no stack is unwound and nothing more is stored; what was acknowledged is in the store by then, if
// there is one.
class LastWords {
 public:
  explicit LastWords(SpdlogLog& log);  // one at a time, before other threads are there
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
};

// `iothub-emulator: WHAT` on stderr; waits for a reader for a moment only.
void say_on_stderr(std::string_view what) noexcept;

}  // namespace app
