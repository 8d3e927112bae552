#include "protocols/net/websocket_stream.hpp"

#include <boost/asio/compose.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace net {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;

// An operation of Beast's that waits in the place of a stream's owner.
template <class Operation>
class WaitingOperation final : public StreamOwner {
 public:
  explicit WaitingOperation(Operation&& operation) : operation_(std::move(operation)) {}
  void on_readable() override { resume(); }
  void on_writable() override { resume(); }

 private:
  void resume() {
    Operation operation(std::move(operation_));
    operation(error_code{});
  }
  Operation operation_;
};

template <class Operation>
OwnerPtr waiting(Operation&& operation) {
  return std::make_shared<WaitingOperation<Operation>>(std::move(operation));
}

// What Beast needs of a stream: two asynchronous operations over our own two that only try.
class AsyncLower {
 public:
  using executor_type = Executor;

  AsyncLower(IoThread& thread, std::shared_ptr<SocketStream> stream, std::string read_before)
      : thread_(thread), stream_(std::move(stream)), read_before_(std::move(read_before)) {}

  executor_type get_executor() { return thread_.executor(); }
  SocketStream& stream() { return *stream_; }
  const SocketStream& stream() const { return *stream_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        [this, buffers, waited = false](auto& self, error_code error = {}) mutable {
          if (error) return self.complete(error, 0);
          if (!std::exchange(waited, true)) {
            if (!read_before_.empty()) return asio::post(get_executor(), std::move(self));
            return stream_->wait_readable(waiting(std::move(self)));
          }
          std::size_t size = 0;
          const IoStatus status = try_read(buffers, size);
          if (status == IoStatus::want_read)
            return stream_->wait_readable(waiting(std::move(self)));
          if (status == IoStatus::want_write)
            return stream_->wait_writable(waiting(std::move(self)));
          self.complete(error_of(status), size);
        },
        token, get_executor());
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        [this, buffers, written = std::size_t{0}, done = false](auto& self,
                                                                error_code error = {}) mutable {
          if (error || done) return self.complete(error, written);
          // Header and payload leave in one piece: one system call, one TLS record.
          const auto scratch = thread_.scratch();
          const std::size_t size =
              asio::buffer_copy(asio::buffer(scratch.data(), scratch.size()), buffers);
          const WriteResult result = stream_->write({scratch.data(), size});
          if (result.status == IoStatus::want_read) {
            return stream_->wait_readable(waiting(std::move(self)));
          }
          if (result.status == IoStatus::want_write) {
            return stream_->wait_writable(waiting(std::move(self)));
          }
          written = result.size;
          done = true;
          asio::post(get_executor(),
                     [s = std::move(self), e = error_of(result.status)]() mutable { s(e); });
        },
        token, get_executor());
  }

 private:
  template <class Buffers>
  IoStatus try_read(const Buffers& buffers, std::size_t& size) {
    for (const asio::mutable_buffer buffer : beast::buffers_range_ref(buffers)) {
      if (buffer.size() == 0) continue;
      auto* data = static_cast<char*>(buffer.data());
      if (!read_before_.empty()) {
        size = std::min(buffer.size(), read_before_.size());
        std::memcpy(data, read_before_.data(), size);
        read_before_.erase(0, size);
        return IoStatus::ok;
      }
      const ReadResult result = stream_->read({data, buffer.size()});
      size = result.bytes.size();
      return result.status;
    }
    return IoStatus::ok;
  }

  static error_code error_of(IoStatus status) {
    switch (status) {
      case IoStatus::closed:
        return asio::error::eof;
      case IoStatus::failed:
        return asio::error::connection_reset;
      case IoStatus::ok:
      case IoStatus::want_read:
      case IoStatus::want_write:
        break;
    }
    return {};
  }

  IoThread& thread_;
  std::shared_ptr<SocketStream> stream_;
  std::string read_before_;  // came in one read with the upgrade request
};

// The two that Beast looks up for every stream type. The Connection closes the descriptor itself.
[[maybe_unused]] static void beast_close_socket(AsyncLower& lower) { lower.stream().close(); }
[[maybe_unused]] static void teardown(beast::role_type, AsyncLower& lower, error_code&) {
  lower.stream().say_goodbye(nullptr);
}
template <class Handler>
static void async_teardown(beast::role_type, AsyncLower& lower, Handler&& handler) {
  lower.stream().say_goodbye(nullptr);
  asio::post(lower.get_executor(),
             [h = std::forward<Handler>(handler)]() mutable { h(error_code{}); });
}

namespace {

class WebSocketStream final : public Stream, public std::enable_shared_from_this<WebSocketStream> {
 public:
  WebSocketStream(IoThread& thread, std::shared_ptr<SocketStream> lower, protocols::Upgrade upgrade,
                  std::size_t message_bytes_max)
      : upgrade_(std::make_unique<protocols::Upgrade>(std::move(upgrade))),
        socket_(thread, std::move(lower), std::move(upgrade_->leftover)) {
    socket_.binary(true);
    socket_.auto_fragment(false);
    socket_.read_message_max(message_bytes_max);
    socket_.set_option(
        websocket::stream_base::decorator([this](websocket::response_type& response) {
          if (!upgrade_) return;  // there is one 101
          response.set(http::field::connection, "Upgrade");
          response.set(http::field::sec_websocket_protocol, upgrade_->echoed_subprotocol);
        }));
  }

  IoStatus handshake() override {
    if (state_ == State::open) return IoStatus::ok;
    return state_ == State::failed ? IoStatus::failed : IoStatus::want_read;
  }

  void wait_readable(OwnerPtr owner) override {
    if (state_ == State::upgrading) return accept(std::move(owner));
    if (state_ == State::closing) return;  // the end of say_goodbye tells
    if (state_ == State::draining) return lower().wait_readable(std::move(owner));
    if (state_ != State::open || may_have_more()) {  // a read has something to say at once
      return asio::post(socket_.get_executor(), [o = std::move(owner)] { o->on_readable(); });
    }
    socket_.async_read_some(
        asio::buffer(received_),
        [self = shared_from_this(), o = std::move(owner)](error_code error, std::size_t size) {
          self->end_of_read(error, size);
          o->on_readable();
        });
  }

  void wait_writable(OwnerPtr owner) override {
    if (writing_) {
      writer_ = std::move(owner);
    } else {
      asio::post(socket_.get_executor(), [o = std::move(owner)] { o->on_writable(); });
    }
  }

  ReadResult read(std::span<char> scratch) override {
    if (received_size_ > 0) {
      return {IoStatus::ok, {received_.data(), std::exchange(received_size_, 0)}};
    }
    switch (state_) {
      case State::upgrading:
      case State::open:
      case State::closing:
        return {IoStatus::want_read, {}};
      case State::refused:
      case State::ended:
        return {IoStatus::closed, {}};
      case State::draining:
        return lower().read(scratch);
      case State::failed:
        break;
    }
    return {IoStatus::failed, {}};
  }

  // Each call takes a piece into one message; there is room for the next when this one is sent.
  WriteResult write(std::string_view bytes) override {
    if (state_ == State::failed) return {IoStatus::failed, 0};
    if (state_ != State::open) return {IoStatus::ok, bytes.size()};  // nobody takes it any more
    if (writing_) return {IoStatus::want_write, 0};
    writing_ = true;
    outgoing_.assign(bytes.substr(0, IoThread::scratch_size / 2));
    socket_.async_write(
        asio::buffer(outgoing_),
        [self = shared_from_this()](error_code error, std::size_t) { self->end_of_write(error); });
    return {IoStatus::ok, outgoing_.size()};
  }

  bool may_have_more() const override { return received_size_ > 0; }

  void say_goodbye(OwnerPtr owner) override {
    if (state_ != State::open && state_ != State::refused) return start_draining();
    const auto code = state_ == State::refused ? websocket::close_code::unknown_data
                                               : websocket::close_code::normal;
    state_ = State::closing;
    socket_.async_close(code, [self = shared_from_this(), o = std::move(owner)](error_code) {
      self->start_draining();
      o->on_readable();
    });
  }

  void close() override { lower().close(); }
  void reset_on_close() override { lower().reset_on_close(); }

  protocols::PeerInfo peer() const override {
    protocols::PeerInfo peer = lower().peer();
    peer.websocket = true;
    return peer;
  }

  std::string error_text() const override { return error_; }
  std::string hint() const override { return hint_; }

 private:
  enum class State {
    upgrading,
    open,
    refused,   // the peer broke a rule of ours, and is to hear so in our close
    ended,     // both closes are exchanged, or Beast has sent one that no answer is awaited for
    closing,   // our close is sent, the peer's is awaited
    draining,  // what still comes is dropped, until the peer closes the connection too
    failed,
  };

  SocketStream& lower() { return socket_.next_layer().stream(); }
  const SocketStream& lower() const { return socket_.next_layer().stream(); }

  void start_draining() {
    state_ = State::draining;
    lower().say_goodbye(nullptr);
  }

  void accept(OwnerPtr owner) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(upgrade_->request_head.size() + 1));
    error_code error;
    parser.put(asio::buffer(upgrade_->request_head), error);
    if (error || !parser.is_header_done()) {
      hint_ = "look at the headers of the client's upgrade request";
      fail("the upgrade request is not readable: " + error.message());
      return asio::post(socket_.get_executor(), [o = std::move(owner)] { o->on_readable(); });
    }
    socket_.async_accept(parser.get(), [self = shared_from_this(),
                                        o = std::move(owner)](error_code accept_error) {
      self->upgrade_.reset();
      self->state_ = State::open;
      if (accept_error) {
        self->hint_ = "the upgrade request needs Sec-WebSocket-Key and Sec-WebSocket-Version: 13";
        self->fail("WebSocket handshake: " + accept_error.message());
      }
      o->on_readable();
    });
  }

  void end_of_read(error_code error, std::size_t size) {
    static const auto& websocket_errors = error_code(websocket::error::closed).category();
    if (state_ != State::open) return;  // our own close has ended this read
    if (!error && !socket_.got_binary()) {
      error_ = "a text frame, where only binary ones have a meaning";
      hint_ = "let the client's WebSocket library send binary frames";
      state_ = State::refused;
    } else if (error == websocket::error::closed || error == asio::error::eof) {
      state_ = State::ended;
    } else if (error == websocket::error::message_too_big) {
      error_ = "a message of more than " + std::to_string(socket_.read_message_max()) + " bytes";
      hint_ = "let the client send what it has in smaller WebSocket messages";
      state_ = State::ended;
    } else if (error.category() == websocket_errors) {
      error_ = error.message();  // the peer breaks the protocol, and Beast has told it so
      hint_ =
          "the client's frames are not as RFC 6455 has them: look at its WebSocket library, or a "
          "proxy between";
      state_ = State::ended;
    } else if (error) {
      fail(error.message());
    } else {
      received_size_ = size;
    }
  }

  void end_of_write(error_code error) {
    writing_ = false;
    if (error && state_ == State::open) fail(error.message());
    if (outgoing_.capacity() > received_.size()) std::string().swap(outgoing_);
    if (const OwnerPtr writer = std::exchange(writer_, nullptr)) writer->on_writable();
  }

  void fail(std::string text) {
    state_ = State::failed;
    error_ = std::move(text);
  }

  std::unique_ptr<protocols::Upgrade> upgrade_;  // until the 101 is out
  websocket::stream<AsyncLower, false> socket_;
  State state_ = State::upgrading;
  std::array<char, 4096> received_;
  std::size_t received_size_ = 0;
  std::string outgoing_;
  bool writing_ = false;
  OwnerPtr writer_;
  std::string error_;
  const char* hint_ = "";
};

}  // namespace

std::shared_ptr<Stream> make_websocket_stream(IoThread& thread, std::shared_ptr<SocketStream> lower,
                                              protocols::Upgrade upgrade,
                                              std::size_t message_bytes_max) {
  return std::make_shared<WebSocketStream>(thread, std::move(lower), std::move(upgrade),
                                           message_bytes_max);
}

}  // namespace net
