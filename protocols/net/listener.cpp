#include "protocols/net/listener.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <utility>

namespace net {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using boost::system::system_error;

constexpr auto accept_pause = std::chrono::seconds{1};
constexpr int any_port_attempts = 16;
constexpr int accepts_per_turn = 64;  // then the connections have theirs

}  // namespace

class Listener::Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(IoThreads& threads, std::shared_ptr<const Service> service)
      : threads_(threads),
        log_(threads.first().log()),
        service_(std::move(service)),
        acceptor_(threads.first().executor()),
        pause_(threads.first().executor()) {}

  void bind(const tcp::endpoint& endpoint) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    if (endpoint.address().is_v6()) {
      acceptor_.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()));
    }
    // What is accepted has these from the start.
    acceptor_.set_option(tcp::no_delay(true));
    acceptor_.set_option(asio::socket_base::keep_alive(true));
    acceptor_.non_blocking(true);
    acceptor_.bind(endpoint);
    acceptor_.listen(asio::socket_base::max_listen_connections);
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  bool accepting() const { return accepting_; }

  void start(const TlsContext* tls) {
    tls_ = tls;
    accept();
  }

  void accept() {
    accepting_ = true;
    acceptor_.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](error_code error) {
      if (!self->acceptor_.is_open()) return;
      if (!error) error = self->accept_batch();
      if (error) return self->on_error(error);
      self->accept();
    });
  }

  void stop() {
    accepting_ = false;
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }

 private:
  // One wait for many: in a storm of connections the queue is never empty.
  error_code accept_batch() {
    for (int i = 0; i < accepts_per_turn && acceptor_.is_open(); ++i) {
      tcp::endpoint peer;
      auto size = static_cast<socklen_t>(peer.capacity());
      const int descriptor =
          ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        peer.resize(size);
        welcome(descriptor, peer);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno != ECONNABORTED && errno != EINTR) {  // gone before it was accepted
        return {errno, boost::system::system_category()};
      }
    }
    return {};
  }

  void welcome(int descriptor, const tcp::endpoint& peer) {
    if (threads_.connection_count() >= service_->limits.connections_max) {
      if (!std::exchange(full_, true)) {
        log_.warn("connections are refused: too many are open",
                  {{"listener", service_->protocol},
                   {"limit", std::to_string(service_->limits.connections_max)},
                   {"remedy", "close some, and look whether a client forgets to"}});
      }
      ::close(descriptor);
      return;
    }
    full_ = false;
    IoThread& thread = threads_.least_busy();
    thread.count_open();
    std::shared_ptr<Stream> stream;
    if (tls_ != nullptr) {
      stream = std::make_shared<TlsStream>(thread.poller(), descriptor, peer, *tls_);
    } else {
      stream = std::make_shared<TcpStream>(thread.poller(), descriptor, peer);
    }
    if (&thread == &threads_.first()) return Connection::start(thread, std::move(stream), service_);
    asio::post(thread.executor(),
               [&thread, stream = std::move(stream), service = service_]() mutable {
                 Connection::start(thread, std::move(stream), std::move(service));
               });
  }

  void on_error(error_code error) {
    accepting_ = false;
    log_.warn("accept failed; trying again in a second",
              {{"listener", service_->protocol},
               {"reason", error.message()},
               {"remedy", error == asio::error::no_descriptors
                              ? "raise the limit of open files (ulimit -n)"
                              : "the system's own: see the reason"}});
    pause_.expires_after(accept_pause);
    pause_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled && self->acceptor_.is_open()) self->accept();
    });
  }

  IoThreads& threads_;
  hub::Log& log_;
  const TlsContext* tls_ = nullptr;
  std::shared_ptr<const Service> service_;
  asio::basic_socket_acceptor<tcp, Executor> acceptor_;
  Timer pause_;
  std::atomic<bool> accepting_{false};
  bool full_ = false;
};

Listener::Listener(IoThreads& threads, ListenerOptions options) {
  const auto bind = [&](const asio::ip::address& address, std::uint16_t port) {
    auto acceptor = std::make_shared<Acceptor>(threads, options.service);
    acceptor->bind({address, port});
    acceptors_.push_back(acceptor);
    return acceptor->port();
  };
  const bool local = options.address == "localhost" || options.address == "127.0.0.1";
  const auto address =
      local ? asio::ip::make_address("127.0.0.1") : asio::ip::make_address(options.address);
  // The other family may have just the free port that the first one was given.
  for (int attempt = 1;; ++attempt) {
    port_ = bind(address, options.port);
    if (!local) return;
    try {
      bind(asio::ip::make_address("::1"), port_);
      return;
    } catch (const system_error& error) {
      if (error.code() == asio::error::address_in_use) {
        if (options.port != 0 || attempt == any_port_attempts) throw;
        acceptors_.clear();
      } else {
        threads.first().log().debug("no IPv6 here", {{"listener", options.service->protocol},
                                                     {"reason", error.code().message()}});
        return;
      }
    }
  }
}

Listener::~Listener() { stop(); }

void Listener::start(const TlsContext* tls) {
  for (const auto& acceptor : acceptors_) acceptor->start(tls);
}

void Listener::stop() {
  for (const auto& acceptor : acceptors_) acceptor->stop();
}

bool Listener::accepting() const {
  for (const auto& acceptor : acceptors_) {
    if (!acceptor->accepting()) return false;
  }
  return !acceptors_.empty();
}

}  // namespace net
