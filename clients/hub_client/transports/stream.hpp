#pragma once
// A verified TLS connection, plain or as WebSocket, with a timeout on every call. Synchronous:
// Asio's operations are started here and run in the caller's thread until they end or time is up.
//
// The server's certificate must chain to OpenSSL's default store (SSL_CERT_FILE included) or to the
// CA file of the options, and must name `endpoint.host`; else Error certificate.
#include "clients/hub_client/options.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace iothub {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Waits for at least one byte; 0 when none came in time. Error connection_lost at the end;
  // cancelled, after which reading may go on.
  virtual std::size_t read_some(char* data, std::size_t size, Duration timeout) = 0;

  // Writes all of it. Error connection_lost, timeout, cancelled: the stream is unusable then.
  virtual void write(std::string_view data, Duration timeout) = 0;

  virtual void close() noexcept = 0;
};

// Errors: unreachable, certificate, timeout, protocol_error, cancelled; invalid_argument for a bad
// PEM file. Of the options: the certificates, and `cancelled`, which the stream keeps asking.
std::unique_ptr<ByteStream> connect_tls(const Endpoint& endpoint, const ClientOptions& options,
                                        Duration timeout);

// The Host header has the connection string's host. `subprotocol` must be chosen by the server.
// Binary messages; their boundaries carry no meaning.
std::unique_ptr<ByteStream> connect_websocket(const Endpoint& endpoint,
                                              const ClientOptions& options, const std::string& path,
                                              const std::string& subprotocol, Duration timeout);

}  // namespace iothub
