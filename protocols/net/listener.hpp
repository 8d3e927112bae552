#pragma once
// Accepts connections on one port, on the first thread, and starts each on the least busy one.
// `localhost` and 127.0.0.1 are answered over IPv6 too, since that is where many a client's
// resolver goes first (N-05).
#include "protocols/net/connection.hpp"
#include "protocols/net/io_threads.hpp"
#include "protocols/net/tls.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace net {

struct ListenerOptions {
  std::string address = "127.0.0.1";  // an IP address, or localhost
  std::uint16_t port = 0;             // 0: any that is free
  std::shared_ptr<const Service> service;
};

class Listener {
 public:
  // Binds and listens; connections queue up in the kernel until start(), so that nobody is refused
  // while what they need is made.
  // Throws boost::system::system_error if the port is taken, not permitted, or no address of ours.
  Listener(IoThreads& threads, ListenerOptions options);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // `tls` outlives every connection; nullptr: plain.
  void start(const TlsContext* tls);
  void stop();  // closes the port; what was accepted lives on
  std::uint16_t port() const { return port_; }
  // False while stopped, or while paused for want of descriptors. Any thread.
  bool accepting() const;

 private:
  class Acceptor;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  std::uint16_t port_ = 0;
};

}  // namespace net
