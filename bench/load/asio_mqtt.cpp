// What Asio itself adds over the floor server: the same MQTT answers (CONNACK, PUBACK) in the usual
// Asio shapes.
//   asio_mqtt PLAINPORT TLSPORT CERT KEY SHAPE
//   buffer  async_read_some into a 4 KiB buffer per connection, asio::ssl::stream for TLS
//   wait    async_wait(wait_read), then non-blocking recv into one shared buffer;
//           TLS with OpenSSL on the descriptor (no asio::ssl::stream)
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <string>

#include "bench/load/lb.hpp"
namespace net = boost::asio;
using tcp = net::ip::tcp;
using ec_t = boost::system::error_code;

static size_t answer(const char* p, size_t n, std::string& out) {
  size_t u = 0, head = 0;
  for (size_t k; (k = lb::mqtt_packet(p + u, n - u, head)); u += k) {
    const char* q = p + u;
    int type = uint8_t(*q) >> 4;
    if (type == 1) out.append("\x20\x02\x00\x00", 4);
    if (type == 3) {
      size_t t = lb::be16(q + head);
      const char a[4] = {0x40, 2, q[head + 2 + t], q[head + 3 + t]};
      out.append(a, 4);
    }
  }
  return u;
}

template <class S>
struct Buffered : std::enable_shared_from_this<Buffered<S>> {
  S s;
  char buf[4096];
  size_t have = 0;
  std::string out;
  template <class... A>
  explicit Buffered(A&&... a) : s(std::forward<A>(a)...) {}
  void read() {
    s.async_read_some(net::buffer(buf + have, sizeof buf - have),
                      [me = this->shared_from_this()](ec_t e, size_t n) {
                        if (e) return;
                        me->have += n;
                        size_t u = answer(me->buf, me->have, me->out);
                        memmove(me->buf, me->buf + u, me->have - u);
                        me->have -= u;
                        if (me->out.empty()) return me->read();
                        net::async_write(me->s, net::buffer(me->out), [me](ec_t e2, size_t) {
                          if (e2) return;
                          me->out.clear();
                          me->read();
                        });
                      });
  }
};

static char shared_buf[65536];
struct Waiting : std::enable_shared_from_this<Waiting> {
  tcp::socket s;
  SSL* ssl = nullptr;
  bool shaken = false;
  std::string rest;
  Waiting(tcp::socket k, SSL_CTX* c) : s(std::move(k)) {
    s.native_non_blocking(true);
    if (c) {
      ssl = SSL_new(c);
      SSL_set_fd(ssl, s.native_handle());
      SSL_set_accept_state(ssl);
    }
  }
  ~Waiting() { SSL_free(ssl); }
  void wait() {
    s.async_wait(tcp::socket::wait_read, [me = shared_from_this()](ec_t e) {
      if (!e && me->ready()) me->wait();
    });
  }
  bool ready() {
    std::string out;
    if (ssl && !shaken) {
      int r = SSL_do_handshake(ssl);
      if (r != 1) return SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ;
      shaken = true;
    }
    for (;;) {
      ssize_t n = ssl ? SSL_read(ssl, shared_buf, sizeof shared_buf)
                      : ::recv(s.native_handle(), shared_buf, sizeof shared_buf, 0);
      if (n <= 0) {
        if (ssl ? SSL_get_error(ssl, int(n)) == SSL_ERROR_WANT_READ : n < 0 && errno == EAGAIN)
          break;
        return false;
      }
      if (rest.empty()) {
        size_t u = answer(shared_buf, size_t(n), out);
        rest.assign(shared_buf + u, size_t(n) - u);
      } else {
        rest.append(shared_buf, size_t(n));
        rest.erase(0, answer(rest.data(), rest.size(), out));
      }
      if (rest.empty()) std::string().swap(rest);
      if (!ssl) break;  // one recv a wake-up: level by Asio's next wait
    }
    if (!out.empty())
      ssl ? void(SSL_write(ssl, out.data(), int(out.size())))
          : void(::send(s.native_handle(), out.data(), out.size(), MSG_NOSIGNAL));
    return true;
  }
};

int main(int, char** v) {
  net::io_context io(1);
  net::ssl::context ctx(net::ssl::context::tls_server);
  ctx.use_certificate_chain_file(v[3]);
  ctx.use_private_key_file(v[4], net::ssl::context::pem);
  SSL_CTX_set_num_tickets(ctx.native_handle(), 0);
  SSL_CTX_set_session_cache_mode(ctx.native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  const bool waiting = std::string(v[5]) == "wait";
  auto at = [&](const char* p) {
    return tcp::endpoint(net::ip::make_address("127.0.0.1"), static_cast<unsigned short>(atoi(p)));
  };
  tcp::acceptor a(io, at(v[1])), b(io, at(v[2]));
  std::function<void(tcp::acceptor&, bool)> accept = [&](tcp::acceptor& l, bool tls) {
    l.async_accept([&, tls](ec_t e, tcp::socket k) {
      accept(l, tls);
      if (e) return;
      k.set_option(tcp::no_delay(true));
      if (waiting)
        return std::make_shared<Waiting>(std::move(k), tls ? ctx.native_handle() : nullptr)->wait();
      if (!tls) return std::make_shared<Buffered<tcp::socket>>(std::move(k))->read();
      auto c = std::make_shared<Buffered<net::ssl::stream<tcp::socket>>>(std::move(k), ctx);
      c->s.async_handshake(net::ssl::stream_base::server, [c](ec_t e2) {
        if (!e2) c->read();
      });
    });
  };
  accept(a, false);
  accept(b, true);
  io.run();
}
