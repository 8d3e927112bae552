#pragma once
// TCP, TLS and WebSocket as one stream of bytes that never blocks: try, and if it says want_read or
// want_write, ask to be told when trying again makes sense. An idle stream owns no buffer.
// One thread; the owner is told at most once for each wait, and never from within the call.
#include "protocols/net/io_thread.hpp"
#include "protocols/session.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace net {

enum class IoStatus : std::uint8_t {
  ok,
  want_read,   // nothing now: wait_readable
  want_write,  // nothing now: wait_writable
  closed,      // nothing more comes; error_text(): why, if the peer broke a rule
  failed,      // the connection is broken: error_text()
};

struct ReadResult {
  IoStatus status;
  std::string_view bytes;  // not empty when ok; valid until the next call or the end of the handler
};
struct WriteResult {
  IoStatus status;
  std::size_t size;
};

class Stream {
 public:
  virtual ~Stream() = default;
  // Call until ok; read and write only afterwards.
  virtual IoStatus handshake() = 0;
  virtual ReadResult read(std::span<char> scratch) = 0;
  virtual WriteResult write(std::string_view bytes) = 0;
  // After a read: false means that waiting is cheaper than trying again.
  virtual bool may_have_more() const = 0;
  virtual void wait_readable(OwnerPtr owner) = 0;
  virtual void wait_writable(OwnerPtr owner) = 0;
  // Says that nothing more will be written; what the peer answers is read until closed.
  virtual void say_goodbye(OwnerPtr owner) = 0;
  virtual void close() = 0;           // at once; waits end without telling the owner of any bytes
  virtual void reset_on_close() = 0;  // close() will make the peer see an error
  virtual protocols::PeerInfo peer() const = 0;
  virtual std::string error_text() const = 0;
  // What helps: against a handshake that has failed, or a peer that has broken a rule, or that has
  // left right after the handshake. Empty: there is nothing to say.
  virtual std::string hint() const { return {}; }
};

// A stream on a descriptor, which a WebSocket can be put upon.
class SocketStream : public Stream {
 public:
  SocketStream(Poller& poller, int descriptor, const asio::ip::tcp::endpoint& peer)
      : socket_(poller, descriptor, peer) {}

  void wait_readable(OwnerPtr owner) override;
  void wait_writable(OwnerPtr owner) override;
  void close() override;
  void reset_on_close() override;
  std::string error_text() const override;

 protected:
  std::string address() const;
  IoStatus broken(int error_number);
  IoStatus broken(const char* why);  // lives as long as the program

  PolledSocket socket_;

 private:
  const char* error_ = nullptr;
  int error_number_ = 0;
};

class TcpStream final : public SocketStream {
 public:
  using SocketStream::SocketStream;
  IoStatus handshake() override { return IoStatus::ok; }
  ReadResult read(std::span<char> scratch) override;
  WriteResult write(std::string_view bytes) override;
  bool may_have_more() const override { return may_have_more_; }
  void say_goodbye(OwnerPtr owner) override;
  protocols::PeerInfo peer() const override;

 private:
  bool may_have_more_ = false;
};

}  // namespace net
