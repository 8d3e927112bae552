#include "clients/hub_client/transports/stream.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/transports/name_lookup.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace iothub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;
using TlsStream = ssl::stream<tcp::socket>;
using WsStream = websocket::stream<TlsStream>;

std::string name_of(const Endpoint& endpoint) {
  return endpoint.host + ":" + std::to_string(endpoint.port);
}

ssl::context make_context(const TlsOptions& tls) {
  ssl::context context{ssl::context::tls_client};
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer);
  context.set_default_verify_paths();
  error_code ec;
  if (!tls.ca_file.empty() && context.load_verify_file(tls.ca_file, ec)) {
    throw Error{ErrorKind::invalid_argument,
                "cannot read CA certificates from " + tls.ca_file + " (" + ec.message() + ")"};
  }
  if (!tls.certificate_file.empty() &&
      context.use_certificate_chain_file(tls.certificate_file, ec)) {
    throw Error{ErrorKind::invalid_argument,
                "cannot read the certificate " + tls.certificate_file + " (" + ec.message() + ")"};
  }
  if (!tls.private_key_file.empty() &&
      context.use_private_key_file(tls.private_key_file, ssl::context::pem, ec)) {
    throw Error{ErrorKind::invalid_argument, "cannot use the private key " + tls.private_key_file +
                                                 " with the certificate (" + ec.message() + ")"};
  }
  return context;
}

// The connection ended, whatever was under way on it.
bool is_cut(error_code ec) {
  return ec == asio::error::eof || ec == asio::error::connection_reset ||
         ec == asio::error::broken_pipe || ec == ssl::error::stream_truncated ||
         ec == beast::http::error::end_of_stream || ec == beast::http::error::partial_message ||
         ec == websocket::error::closed;
}

// Sets what the certificate must name, and SNI (which has no IP addresses).
void expect_host(TlsStream& stream, const std::string& host) {
  X509_VERIFY_PARAM* param = SSL_get0_param(stream.native_handle());
  error_code ec;
  asio::ip::make_address(host, ec);
  if (!ec) {
    X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str());
    return;
  }
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size());
  // The macro SSL_set_tlsext_host_name casts in the old style.
  SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(host.c_str()));
}

enum class Ended { done, time_up, cancelled };

// Runs `ioc` until `done`, the deadline or cancellation.
Ended run_until(asio::io_context& ioc, const bool& done, const Deadline& deadline,
                const Cancelled& cancelled) {
  ioc.restart();
  while (!done) {
    const auto left = deadline.remaining();
    if (ioc.run_one_for(cancelled ? std::min(left, kCancelSlice) : left) > 0 || done) continue;
    if (is_cancelled(cancelled)) return Ended::cancelled;
    if (ioc.stopped()) ioc.restart();
    if (deadline.passed()) return Ended::time_up;
  }
  return Ended::done;
}

// The part that TLS and WebSocket have in common; `Stream` is either.
template <class Stream>
class AsioStream : public ByteStream {
 public:
  AsioStream(Endpoint endpoint, const ClientOptions& options)
      : endpoint_(std::move(endpoint)),
        cancelled_(options.cancelled),
        context_(make_context(options.tls)),
        stream_(ioc_, context_) {}

  ~AsioStream() override { abort(); }

  std::size_t read_some(char* data, std::size_t size, Duration timeout) override {
    if (begin_ == end_) {
      if (!reading_) start_read();
      // The read stays pending when time is up, and goes on with the next call.
      const auto ended = run_until(ioc_, read_done_, Deadline{timeout}, cancelled_);
      if (ended == Ended::cancelled) throw_cancelled("wait for");
      if (ended == Ended::time_up) return 0;
      reading_ = false;
      read_done_ = false;
      if (read_error_) lost(read_error_);
      begin_ = 0;
      end_ = read_size_;
    }
    const auto count = std::min(size, end_ - begin_);
    std::memcpy(data, buffer_.data() + begin_, count);
    begin_ += count;
    return count;
  }

  void write(std::string_view data, Duration timeout) override {
    bool done = false;
    error_code error;
    const auto handler = [&](error_code ec, std::size_t) { error = ec, done = true; };
    if constexpr (std::is_same_v<Stream, WsStream>) {
      stream_.async_write(asio::buffer(data), handler);
    } else {
      asio::async_write(stream_, asio::buffer(data), handler);
    }
    const auto ended = run_until(ioc_, done, Deadline{timeout}, cancelled_);
    if (ended != Ended::done) abort();
    if (ended == Ended::cancelled) throw_cancelled("write to");
    if (ended == Ended::time_up) {
      throw Error{ErrorKind::timeout, name_of(endpoint_) + " takes no more data"};
    }
    if (error) lost(error);
  }

  void close() noexcept override { abort(); }

  // Resolve, connect, TLS handshake.
  void connect(const Deadline& deadline) {
    const auto addresses = find(deadline);
    const auto ec = run(deadline, "connect to", [&](auto handler) {
      asio::async_connect(socket(), addresses,
                          [handler](error_code error, const auto&) { handler(error); });
    });
    if (ec) {
      throw Error{ErrorKind::unreachable,
                  "cannot connect to " + name_of(endpoint_) + " (" + ec.message() + ")"};
    }
    error_code ignored;
    socket().set_option(tcp::no_delay{true}, ignored);
    expect_host(tls(), endpoint_.host);
    handshake(deadline);
  }

 protected:
  TlsStream& tls() {
    if constexpr (std::is_same_v<Stream, WsStream>) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }
  tcp::socket& socket() { return tls().next_layer(); }
  Stream& stream() { return stream_; }
  const Endpoint& endpoint() const { return endpoint_; }

  // Starts one operation and waits for it; `start` gets a handler that takes the error code.
  template <class Start>
  error_code run(const Deadline& deadline, const std::string& what, Start start) {
    bool done = false;
    error_code error;
    start([&](error_code ec) { error = ec, done = true; });
    const auto ended = run_until(ioc_, done, deadline, cancelled_);
    if (ended != Ended::done) abort();  // its handler runs here, while what it refers to is there
    if (ended == Ended::cancelled) throw_cancelled(what);
    if (ended == Ended::time_up) throw_too_late(what);
    return error;
  }

 private:
  std::vector<tcp::endpoint> find(const Deadline& deadline) {
    error_code ec;
    const auto numeric = asio::ip::make_address(endpoint_.host, ec);
    if (!ec) return {{numeric, endpoint_.port}};
    const auto found = look_up(endpoint_.host, deadline, cancelled_);
    if (!found) throw_too_late("find");
    std::vector<tcp::endpoint> out;
    for (const auto& address : found->numeric) {
      const auto parsed = asio::ip::make_address(address, ec);
      if (!ec) out.emplace_back(parsed, endpoint_.port);
    }
    if (out.empty()) {
      throw Error{ErrorKind::unreachable,
                  "cannot find " + name_of(endpoint_) + " (" + found->error + ")"};
    }
    return out;
  }

  [[noreturn]] void throw_cancelled(const std::string& what) const {
    throw Error{ErrorKind::cancelled, what + " " + name_of(endpoint_) + ": cancelled"};
  }
  [[noreturn]] void throw_too_late(const std::string& what) const {
    throw Error{ErrorKind::timeout, "cannot " + what + " " + name_of(endpoint_) + " in time"};
  }

  void handshake(const Deadline& deadline) {
    const auto ec = run(deadline, "make a TLS connection with", [&](auto handler) {
      tls().async_handshake(ssl::stream_base::client, handler);
    });
    if (!ec) return;
    const long verdict = SSL_get_verify_result(tls().native_handle());
    if (verdict != X509_V_OK) {
      throw Error{ErrorKind::certificate, "the certificate of " + name_of(endpoint_) +
                                              " is not trusted (" +
                                              X509_verify_cert_error_string(verdict) + ")"};
    }
    throw Error{is_cut(ec) ? ErrorKind::connection_lost : ErrorKind::protocol_error,
                "the TLS handshake with " + name_of(endpoint_) + " failed (" + ec.message() + ")"};
  }

  void start_read() {
    reading_ = true;
    read_done_ = false;
    stream_.async_read_some(asio::buffer(buffer_), [this](error_code ec, std::size_t size) {
      read_error_ = ec;
      read_size_ = size;
      read_done_ = true;
    });
  }

  [[noreturn]] void lost(error_code ec) {
    abort();
    std::string why = ec.message();
    if constexpr (std::is_same_v<Stream, WsStream>) {
      if (!stream_.reason().reason.empty()) why = stream_.reason().reason.c_str();
    }
    throw Error{ErrorKind::connection_lost, name_of(endpoint_) + " closed the connection" +
                                                (is_cut(ec) ? "" : " (" + why + ")")};
  }

  // Closes the socket and lets pending handlers run, so that none refers to us later.
  void abort() noexcept {
    try {
      error_code ignored;
      socket().close(ignored);
      ioc_.restart();
      ioc_.run();    // on a closed socket nothing is left to wait for
    } catch (...) {  // closing is best effort
    }
  }

  Endpoint endpoint_;
  Cancelled cancelled_;
  asio::io_context ioc_;
  ssl::context context_;
  Stream stream_;
  std::array<char, 16 * 1024> buffer_{};
  std::size_t begin_ = 0, end_ = 0;
  bool reading_ = false, read_done_ = false;
  std::size_t read_size_ = 0;
  error_code read_error_;
};

class WebSocketStream : public AsioStream<WsStream> {
 public:
  using AsioStream::AsioStream;

  void upgrade(const std::string& host_header, const std::string& path,
               const std::string& subprotocol, const Deadline& deadline) {
    stream().binary(true);
    stream().set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
      request.set(beast::http::field::sec_websocket_protocol, subprotocol);
      request.set(beast::http::field::user_agent, "iothub-client/0.1");
    }));
    websocket::response_type response;
    const auto ec = run(deadline, "upgrade to WebSocket at", [&](auto handler) {
      stream().async_handshake(response, host_header, path, handler);
    });
    if (is_cut(ec)) {
      throw Error{ErrorKind::connection_lost,
                  name_of(endpoint()) + " closed the connection during the WebSocket upgrade"};
    }
    if (ec) {
      throw Error{ErrorKind::protocol_error,
                  name_of(endpoint()) + " refused the WebSocket upgrade (HTTP " +
                      std::to_string(response.result_int()) + ", " + ec.message() + ")"};
    }
    const auto chosen = response[beast::http::field::sec_websocket_protocol];
    if (!equal_ignoring_case({chosen.data(), chosen.size()}, subprotocol)) {
      throw Error{ErrorKind::protocol_error,
                  name_of(endpoint()) + " did not choose the WebSocket subprotocol " + subprotocol};
    }
  }
};

}  // namespace

std::unique_ptr<ByteStream> connect_tls(const Endpoint& endpoint, const ClientOptions& options,
                                        Duration timeout) {
  const Deadline deadline{timeout};
  auto stream = std::make_unique<AsioStream<TlsStream>>(endpoint, options);
  stream->connect(deadline);
  return stream;
}

std::unique_ptr<ByteStream> connect_websocket(const Endpoint& endpoint,
                                              const ClientOptions& options, const std::string& path,
                                              const std::string& subprotocol, Duration timeout) {
  const Deadline deadline{timeout};
  auto stream = std::make_unique<WebSocketStream>(endpoint, options);
  stream->connect(deadline);
  const auto& host = options.connection.host_name;
  const bool standard = endpoint.port == 443;
  stream->upgrade(standard ? host : host + ":" + std::to_string(endpoint.port), path, subprotocol,
                  deadline);
  return stream;
}

}  // namespace iothub
