#pragma once
// What the connections of one thread share: the io_context, one read buffer, the list of them all.
// A connection lives on one IoThread from accept to end; nothing of it is touched from another
// thread, except through the wakers it gives out, which only put it in line here.
#include "emulator/core/base/log.hpp"
#include "emulator/core/base/metrics.hpp"
#include "emulator/core/base/time.hpp"
#include "protocols/net/deadlines.hpp"
#include "protocols/net/heap_trim.hpp"
#include "protocols/net/poller.hpp"
#include "protocols/session_shell.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace net {

// N-01: bounds and timeouts of a connection, all ours.
struct ConnectionLimits : protocols::ShellLimits {
  std::size_t connections_max = 100'000;
  std::size_t read_bytes_per_turn = 16 * 1024;  // then the others have their turn
  std::size_t write_bytes_per_turn = 1024 * 1024;
  std::size_t websocket_message_bytes_max = 4 * 1024 * 1024;
  hub::Duration handshake_timeout = std::chrono::seconds{10};  // TLS, and the 101 of a WebSocket
  hub::Duration stall_timeout = std::chrono::seconds{60};      // a peer that does not read
  hub::Duration linger_timeout = std::chrono::seconds{2};      // goodbye said, the peer's awaited
  hub::Duration shutdown_linger_timeout = std::chrono::milliseconds{250};  // the same as we end
};

// The list that a Connection is in; kept apart so that the list needs no Connection header.
struct ConnectionHook
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  virtual void end(protocols::Ending how) = 0;  // polite: the session says goodbye first

 protected:
  ~ConnectionHook() = default;
};

class IoThread {
 public:
  // All outlive the IoThread. `gate`: nullptr in memory mode.
  IoThread(hub::Clock& clock, hub::Log& log, hub::Metrics& metrics,
           protocols::CommitGate* gate = nullptr);
  ~IoThread() { close(); }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }
  Poller& poller() { return poller_; }
  Deadlines& deadlines() { return deadlines_; }
  hub::Clock& clock() { return clock_; }
  hub::Log& log() { return log_; }
  hub::Metrics& metrics() { return metrics_; }
  protocols::CommitGate* gate() { return gate_; }
  // For one read or one write, until the handler returns.
  std::span<char> scratch() { return {scratch_.get(), scratch_size}; }

  void add(ConnectionHook& connection);
  // Counted from when it is accepted, on whichever thread, to its end.
  std::size_t connection_count() const { return open_.load(std::memory_order_relaxed); }
  void count_open() { open_.fetch_add(1, std::memory_order_relaxed); }
  void remove(ConnectionHook& connection);
  void end_all(protocols::Ending how);  // on its own thread
  // Ends what is left of its connections. Not while context().run() is.
  void close();

  static constexpr std::size_t scratch_size = 64 * 1024;

 private:
  template <class Action>
  void for_each(Action action);

  asio::io_context context_{1};
  Poller poller_{context_};
  Deadlines deadlines_{executor()};
  HeapTrim heap_trim_{deadlines_};
  hub::Clock& clock_;
  hub::Log& log_;
  hub::Metrics& metrics_;
  protocols::CommitGate* gate_;
  std::unique_ptr<char[]> scratch_;
  std::atomic<std::size_t> open_{0};
  boost::intrusive::list<ConnectionHook, boost::intrusive::constant_time_size<false>> connections_;
};

}  // namespace net
