#pragma once
// A TLS server on a loopback port that goes so far and then says nothing: what a client must be
// able to walk away from. One connection, in a thread of its own; its certificate, good for
// localhost and 127.0.0.1, and its key are in files of their own.
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>

namespace iothub::test {

class TlsPeer {
 public:
  enum class GoesTo {
    listening,  // takes no connection: further ones hang once the backlog is full
    accepted,   // no handshake
    handshake,
    connack,   // answers an MQTT CONNECT, and a SUBSCRIBE after it
    attached,  // AMQP without SASL: opens what the client opens, gives credit, settles nothing
  };

  explicit TlsPeer(GoesTo goes_to);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string ca_file() const { return ca_file_.string(); }
  std::string key_file() const { return key_file_.string(); }

 private:
  void serve();

  GoesTo goes_to_;
  std::uint16_t port_ = 0;
  int listener_ = -1, stop_read_ = -1, stop_write_ = -1;
  std::filesystem::path ca_file_, key_file_;
  std::thread thread_;
};

}  // namespace iothub::test
