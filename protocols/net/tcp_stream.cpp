#include "protocols/net/stream.hpp"

#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <cerrno>

namespace net {

void SocketStream::wait_readable(OwnerPtr owner) {
  if (!may_have_more()) return socket_.wait_readable(std::move(owner));
  asio::post(socket_.executor(), [owner = std::move(owner)] { owner->on_readable(); });
}

void SocketStream::wait_writable(OwnerPtr owner) { socket_.wait_writable(std::move(owner)); }

void SocketStream::close() { socket_.close(); }

void SocketStream::reset_on_close() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::string SocketStream::address() const {
  const auto& peer = socket_.peer();
  const std::string host = peer.address().to_string();
  const std::string port = std::to_string(peer.port());
  return peer.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

IoStatus SocketStream::broken(int error_number) {
  error_number_ = error_number;
  return IoStatus::failed;
}

IoStatus SocketStream::broken(const char* why) {
  error_ = why;
  return IoStatus::failed;
}

std::string SocketStream::error_text() const {
  if (error_ != nullptr) return error_;
  if (error_number_ == 0) return {};
  return boost::system::error_code(error_number_, boost::system::system_category()).message();
}

ReadResult TcpStream::read(std::span<char> scratch) {
  const ssize_t size = ::recv(socket_.descriptor(), scratch.data(), scratch.size(), 0);
  // A short read has emptied the socket: the next try would only hear EAGAIN.
  may_have_more_ = size == static_cast<ssize_t>(scratch.size());
  if (size > 0) return {IoStatus::ok, {scratch.data(), static_cast<std::size_t>(size)}};
  if (size == 0) return {IoStatus::closed, {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::want_read, {}};
  return {broken(errno), {}};
}

WriteResult TcpStream::write(std::string_view bytes) {
  const ssize_t size = ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (size >= 0) return {IoStatus::ok, static_cast<std::size_t>(size)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::want_write, 0};
  return {broken(errno), 0};
}

void TcpStream::say_goodbye(OwnerPtr) { socket_.shut_down_sending(); }

protocols::PeerInfo TcpStream::peer() const {
  protocols::PeerInfo peer;
  peer.address = address();
  return peer;
}

}  // namespace net
