#include "protocols/net/io_threads.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <future>
#include <numeric>

namespace net {

IoThreads::IoThreads(std::size_t count, hub::Clock& clock, hub::Log& log, hub::Metrics& metrics,
                     protocols::CommitGate* gate) {
  HUB_ASSERT(count > 0);
  for (std::size_t i = 0; i < count; ++i) {
    threads_.push_back(std::make_unique<IoThread>(clock, log, metrics, gate));
  }
}

IoThread& IoThreads::least_busy() {
  return **std::min_element(threads_.begin(), threads_.end(), [](const auto& a, const auto& b) {
    return a->connection_count() < b->connection_count();
  });
}

std::size_t IoThreads::connection_count() const {
  return std::transform_reduce(threads_.begin(), threads_.end(), std::size_t{0}, std::plus{},
                               [](const auto& thread) { return thread->connection_count(); });
}

template <class Action>
void IoThreads::on_each(Action action) {
  std::vector<std::future<void>> others;  // each waits for its thread when it goes
  const auto run_on = [&](IoThread& thread) {
    try {
      action(thread);
    } catch (...) {
      stop();
      throw;
    }
  };
  try {
    for (auto it = threads_.begin() + 1; it != threads_.end(); ++it) {
      others.push_back(std::async(std::launch::async, run_on, std::ref(**it)));
    }
  } catch (...) {  // the system gives no more threads
    stop();
    throw;
  }
  run_on(first());
  for (auto& other : others) other.get();
}

void IoThreads::run() {
  on_each([](IoThread& thread) {
    const auto work = asio::make_work_guard(thread.context());
    thread.context().run();
  });
  for (const auto& thread : threads_) thread->context().restart();
}

void IoThreads::stop() {
  for (const auto& thread : threads_) thread->context().stop();
}

void IoThreads::say_goodbye(std::chrono::steady_clock::time_point end) {
  on_each([end](IoThread& thread) {
    // Posted, so that a connection on its way to this thread is there before it.
    asio::post(thread.executor(), [&thread] { thread.end_all(protocols::Ending::polite); });
    while (thread.connection_count() > 0 && thread.context().run_one_until(end) > 0) {
    }
  });
}

void IoThreads::close() {
  for (const auto& thread : threads_) thread->close();
}

}  // namespace net
