#include "emulator/app/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace app {
namespace {

// Blocks until all is written. Returns what is not: the descriptor refused it.
std::string_view write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(descriptor, text.data(), text.size());
    if (size >= 0) {
      text.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {  // somebody else made it non-blocking
      pollfd writable{descriptor, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  return text;
}

}  // namespace

struct LineWriter::State {
  bool has_work() const { return !pending.empty() || (dropped > 0 && !refused); }
  bool is_idle() const { return !has_work() && !writing; }

  void run() {
    std::string batch;
    bool torn = false;  // a line was refused in its middle
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return has_work() || stopping; });
      if (!has_work()) return;
      batch.swap(pending);
      const std::size_t lost = std::exchange(dropped, 0);
      writing = true;
      lock.unlock();
      if (lost > 0) batch += dropped_line(lost);
      std::string_view left = batch;
      if (!torn || write_all(descriptor, "\n").empty()) {
        left = write_all(descriptor, batch);
        const std::size_t written = batch.size() - left.size();
        torn = !left.empty() && written > 0 && batch[written - 1] != '\n';
      }
      const auto unwritten = static_cast<std::size_t>(std::count(left.begin(), left.end(), '\n'));
      batch = {};  // what a burst took is given back
      lock.lock();
      writing = false;
      refused = unwritten > 0;
      if (refused)
        dropped += unwritten + (lost > 0 ? lost - 1 : 0);  // the line about the lost is one
      if (is_idle()) idle.notify_all();
    }
  }

  int descriptor = -1;
  std::function<std::string(std::size_t)> dropped_line;
  std::mutex mutex;  // of what follows
  std::condition_variable wake, idle;
  std::string pending;
  std::size_t dropped = 0;
  bool refused = false;  // by the descriptor; the next line tries it again
  bool writing = false;
  bool stopping = false;
};

LineWriter::LineWriter(int descriptor, std::function<std::string(std::size_t)> dropped)
    : state_(std::make_shared<State>()) {
  state_->descriptor = descriptor;
  state_->dropped_line = std::move(dropped);
  std::thread([state = state_] { state->run(); }).detach();
}

LineWriter::~LineWriter() {
  drain();
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_one();
}

void LineWriter::write(std::string_view lines) noexcept {
  const std::lock_guard lock(state_->mutex);
  try {
    if (lines.size() <= bytes_max - state_->pending.size()) {
      state_->pending += lines;
      if (!state_->writing) state_->wake.notify_one();
      return;
    }
  } catch (const std::bad_alloc&) {
  }
  state_->dropped += static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void LineWriter::drain() {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait_for(lock, patience, [this] { return state_->is_idle(); });
}

}  // namespace app
