#pragma once
// The one thread that writes to the store: takes all that the hub has staged, stores it in one
// transaction, then lets the connections write what depended on it. While a transaction runs, more
// is staged: load makes the batches larger by itself (N-11).
#include "emulator/core/hub/hub.hpp"
#include "emulator/core/store/store.hpp"
#include "protocols/commit_gate.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace app {

class Committer : public protocols::CommitGate {
 public:
  // All outlive the committer. `on_failure` is called once, on the committer's thread, when the
  // store refused: nothing is committed from then on, and the process has to end.
  // An idle store is checked now and then (ST-16).
  Committer(hub::Hub& hub, hub::Store& store, std::function<void(std::string)> on_failure,
            std::chrono::milliseconds between_checks = std::chrono::seconds{10});
  ~Committer() override;  // commits what is staged, then ends
  void start();           // once; until then everything waits

  std::uint64_t staged() const override { return hub_.monitor().staged(); }
  std::uint64_t committed() const override { return committed_.load(std::memory_order_acquire); }
  void notify(std::uint64_t sequence, hub::Waker waker) override;

 private:
  void run();
  bool commit_once();
  std::vector<hub::Waker> take_due();

  hub::Hub& hub_;
  hub::Store& store_;
  std::function<void(std::string)> on_failure_;
  const std::chrono::milliseconds between_checks_;
  std::atomic<std::uint64_t> committed_{0};
  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  bool staged_ = true;  // the hub may have staged something before there was a committer
  bool stopping_ = false;
  std::vector<std::pair<std::uint64_t, hub::Waker>> waiters_;  // at most one a connection
  std::thread thread_;
};

}  // namespace app
