#pragma once
// Readiness of many sockets, level-triggered, through one epoll set that Asio watches as a single
// descriptor. Asio arms a descriptor anew for each wait, one epoll_ctl a message; here a socket
// stays armed while its owner comes back to wait (docs/decisions/0008).
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/epoll.h>

namespace net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;

class StreamOwner {
 public:
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

 protected:
  ~StreamOwner() = default;
};
using OwnerPtr = std::shared_ptr<StreamOwner>;

// Something that can wait until a batch of events is dealt with.
class Deferred {
 public:
  virtual void run() = 0;

 protected:
  ~Deferred() = default;
};

class PolledSocket;

// Lives on the thread of its io_context and keeps that one running while any socket is armed.
class Poller {
 public:
  // Throws boost::system::system_error without descriptors.
  explicit Poller(asio::io_context& context);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  Executor executor() { return events_.get_executor(); }

  // From any thread. Runs `task`, if it still is there, on this one and never from within the call:
  // from within a batch of events right after it, in the order of the calls, and else posted.
  void run_soon(std::weak_ptr<Deferred> task);
  bool anything_deferred() const { return !deferred_.empty(); }

 private:
  friend class PolledSocket;
  static constexpr int batch_size = 128;  // then Asio's timers and posts have their turn

  void arm(PolledSocket& socket, std::uint32_t events);
  void forget(PolledSocket& socket);  // the kernel does when the descriptor is closed
  void wait();
  void dispatch();
  void run_deferred();

  asio::posix::basic_stream_descriptor<Executor> events_;
  std::array<epoll_event, batch_size> batch_{};
  int batch_next_ = 0;
  int batch_end_ = 0;
  std::size_t armed_ = 0;
  bool waiting_ = false;
  std::vector<std::weak_ptr<Deferred>> deferred_;
  std::vector<std::weak_ptr<Deferred>> running_;
};

// A connected socket, its peer's address, and at most one wait for each direction.
class PolledSocket {
 public:
  // Takes over `descriptor`, which does not block. `poller` outlives it.
  PolledSocket(Poller& poller, int descriptor, asio::ip::tcp::endpoint peer);
  ~PolledSocket() { close(); }
  PolledSocket(const PolledSocket&) = delete;
  PolledSocket& operator=(const PolledSocket&) = delete;

  int descriptor() const { return descriptor_; }
  const asio::ip::tcp::endpoint& peer() const { return peer_; }
  std::string local_address()
      const;  // IPv4 over an IPv6 socket as IPv4; empty: the kernel does not say
  Executor executor() { return poller_.executor(); }
  // The owner is told once, and never from within the call. A second one that waits is told as
  // well.
  void wait_readable(OwnerPtr owner);
  void wait_writable(OwnerPtr owner);
  void shut_down_sending();
  // Waits end untold; their owners are let go later, never from within the call.
  void close();

 private:
  friend class Poller;
  void on_events(std::uint32_t events);

  Poller& poller_;
  OwnerPtr reader_;
  OwnerPtr writer_;
  int descriptor_;
  std::uint32_t armed_ = 0;
  asio::ip::tcp::endpoint peer_;
};

}  // namespace net
