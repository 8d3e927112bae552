#pragma once
// The I/O threads of a server (N-31). The first has the listeners. A connection is given, as it is
// accepted, to the thread with the fewest, and stays there: docs/decisions/0010.
#include "protocols/net/io_thread.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

namespace net {

class IoThreads {
 public:
  // All outlive it. `count`: at least one.
  IoThreads(std::size_t count, hub::Clock& clock, hub::Log& log, hub::Metrics& metrics,
            protocols::CommitGate* gate = nullptr);
  ~IoThreads() { close(); }
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  IoThread& first() { return *threads_.front(); }
  IoThread& least_busy();
  std::size_t connection_count() const;  // of all; any thread

  // Serves, the first on the calling thread, until stop().
  void run();
  void stop();  // any thread, also before run()
  // After run(): every session says goodbye, and is served until no connection is left, `end`, or
  // stop().
  void say_goodbye(std::chrono::steady_clock::time_point end);
  // Ends what is left of the connections. Not while run() or say_goodbye() is.
  void close();

 private:
  // On all threads at once; returns when it has ended on each.
  template <class Action>
  void on_each(Action action);

  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace net
