#pragma once
// Everything a client needs to know before it connects.
#include "clients/hub_client/cancellation.hpp"
#include "clients/hub_client/connection_string.hpp"
#include "clients/hub_client/retry.hpp"
#include "clients/hub_client/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace iothub {

enum class TransportKind { mqtt, mqtt_ws, amqp, amqp_ws, https };
std::string_view to_string(TransportKind kind);
std::optional<TransportKind> parse_transport(std::string_view text);

// Certificates. The server's is always verified, chain and host name; no option changes that.
struct TlsOptions {
  std::string ca_file;           // added to OpenSSL's default store
  std::string certificate_file;  // X.509 devices: PEM, chain included
  std::string private_key_file;
};

struct Ports {
  std::optional<std::uint16_t> mqtts, amqps, https;
};

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};

struct ClientOptions {
  ConnectionString connection;
  TransportKind transport = TransportKind::mqtt;
  Ports ports;
  TlsOptions tls;
  RetryPolicy retry;
  Duration connect_timeout{20'000};
  Duration operation_timeout{30'000};
  Duration token_ttl{3'600'000};
  Duration poll_interval{1'000};  // HTTPS: how often an empty queue is asked
  // ServiceClient: a connection that lay unused for so long is replaced, not trusted; the hub
  // closes those that are silent for four minutes.
  Duration idle_max{100'000};
  // Ends waits from outside, see cancellation.hpp. receive() and wait() then return as if their
  // time were up and keep the connection; every other call throws Error cancelled and drops it.
  Cancelled cancelled{};

  bool uses_certificate() const { return !tls.certificate_file.empty(); }
  // Where `kind` connects: the option, else (HTTPS and WebSocket) the connection string's port,
  // else the hub's fixed one.
  Endpoint endpoint(TransportKind kind) const;
};

}  // namespace iothub
