#include "emulator/app/committer.hpp"

#include <stdexcept>

namespace app {

Committer::Committer(hub::Hub& hub, hub::Store& store, std::function<void(std::string)> on_failure,
                     std::chrono::milliseconds between_checks)
    : hub_(hub),
      store_(store),
      on_failure_(std::move(on_failure)),
      between_checks_(between_checks) {
  hub_.monitor().set_staged_waker([this] {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(staged_, true)) wake_.notify_one();
  });
}

void Committer::start() {
  thread_ = std::thread([this] { run(); });
}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  hub_.monitor().set_staged_waker([] {});
}

void Committer::notify(std::uint64_t sequence, hub::Waker waker) {
  {
    const std::lock_guard lock(mutex_);
    if (committed() < sequence) {
      waiters_.emplace_back(sequence, std::move(waker));
      return;
    }
  }
  waker();
}

void Committer::run() {
  for (bool last = false; !last;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, between_checks_, [this] { return staged_ || stopping_; });
      staged_ = false;
      last = stopping_;
    }
    if (!commit_once()) return;
    for (const auto& waker : take_due()) waker();
  }
}

bool Committer::commit_once() {
  const auto [changes, sequence] = hub_.monitor().take_changes();
  try {
    changes.empty() ? store_.check() : store_.apply(changes);
  } catch (const std::exception& error) {
    on_failure_(error.what());
    return false;
  }
  const std::lock_guard lock(mutex_);  // so that notify() sees either the number or a waiter's turn
  committed_.store(sequence, std::memory_order_release);
  return true;
}

std::vector<hub::Waker> Committer::take_due() {
  std::vector<hub::Waker> due;
  const std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [&](auto& waiter) {
    if (waiter.first > committed()) return false;
    due.push_back(std::move(waiter.second));
    return true;
  });
  return due;
}

}  // namespace app
