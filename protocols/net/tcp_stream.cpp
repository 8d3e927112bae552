#include "protocols/net/stream.hpp"

#include <cerrno>
#include <sys/socket.h>

namespace net {

SocketStream::SocketStream(Socket socket) : socket_(std::move(socket)) {
  boost::system::error_code ignored;  // a peer that is gone already shows at the first read
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

void SocketStream::wait_readable(OwnerPtr owner) {
  async_wait_readable([owner = std::move(owner)](boost::system::error_code) { owner->on_readable(); });
}

void SocketStream::wait_writable(OwnerPtr owner) {
  socket_.async_wait(Socket::wait_write, [owner = std::move(owner)](boost::system::error_code) {
    owner->on_writable();
  });
}

void SocketStream::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

std::string SocketStream::address() const {
  boost::system::error_code error;
  const auto endpoint = socket_.remote_endpoint(error);
  if (error) return "unknown";
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

IoStatus SocketStream::broken(int error_number) {
  error_ = boost::system::error_code(error_number, boost::system::system_category()).message();
  return IoStatus::failed;
}

ReadResult TcpStream::read(std::span<char> scratch) {
  const ssize_t size = ::recv(socket_.native_handle(), scratch.data(), scratch.size(), 0);
  // A short read has emptied the socket: the next try would only hear EAGAIN.
  may_have_more_ = size == static_cast<ssize_t>(scratch.size());
  if (size > 0) return {IoStatus::ok, {scratch.data(), static_cast<std::size_t>(size)}};
  if (size == 0) return {IoStatus::closed, {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::want_read, {}};
  return {broken(errno), {}};
}

WriteResult TcpStream::write(std::string_view bytes) {
  const ssize_t size = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (size >= 0) return {IoStatus::ok, static_cast<std::size_t>(size)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::want_write, 0};
  return {broken(errno), 0};
}

void TcpStream::say_goodbye(OwnerPtr) {
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

protocols::PeerInfo TcpStream::peer() const {
  protocols::PeerInfo peer;
  peer.address = address();
  return peer;
}

}  // namespace net
