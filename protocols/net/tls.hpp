#pragma once
// Server side TLS, OpenSSL on the descriptor itself: an idle connection costs about 15 KiB, where
// asio::ssl::stream costs 70 (N-02).
//   M-05 SNI is read, never required.       M-06 TLS 1.2 and 1.3; a client certificate is asked
//   for, never required, and any is accepted: whether it is a device's, the hub decides by its
//   thumbprint, or by whether it leads to a registered CA (SEC-15), which is looked at here. T1
//   http/1.1 is chosen by ALPN if the client offers it; h2 never.
#include "protocols/net/stream.hpp"

#include <memory>
#include <mutex>
#include <string>

struct ssl_st;
struct ssl_ctx_st;
struct x509_store_st;

namespace net {

// PEM texts, found good by whoever gives them: they are taken apart when the first client wants
// them. The client's offer decides between the two (contract.md 6).
struct ServerCertificates {
  std::string rsa_chain, rsa_key;
  std::string ecdsa_chain, ecdsa_key;
  std::string ca_path;  // for people
  bool own = false;     // somebody else's: --san adds no name to them
};

// Shared by all listeners and threads. What TLS needs is made when the first client comes: it was
// half of the instructions of a start.
class TlsContext {
 public:
  // `device_cas`: PEM, one or more; the CAs whose devices may connect by their common name. Throws
  // std::runtime_error if they are none.
  explicit TlsContext(const ServerCertificates& certificates, const std::string& device_cas = {});
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* native() const;  // throws std::runtime_error if OpenSSL makes none
  // Whether the peer's chain leads to one of `device_cas`, and is valid by the system's clock.
  bool trusts_peer_of(const ssl_st* ssl) const;
  // Whether the server certificate is for this DNS name or IP address.
  bool is_for(const std::string& name) const;
  const std::string& ca_path() const { return certificates_.ca_path; }
  bool own() const { return certificates_.own; }

 private:
  struct Pair;
  static int choose_certificate(ssl_st* ssl, void* self);
  void make() const;
  const Pair& rsa() const;

  const ServerCertificates certificates_;
  x509_store_st* device_cas_;
  mutable std::mutex mutex_, rsa_mutex_;
  mutable std::unique_ptr<const Pair> rsa_;
  mutable ssl_ctx_st* context_ = nullptr;
};

class TlsStream final : public SocketStream {
 public:
  // `context` outlives it.
  TlsStream(Poller& poller, int descriptor, const asio::ip::tcp::endpoint& peer,
            const TlsContext& context);
  ~TlsStream() override;

  IoStatus handshake() override;
  ReadResult read(std::span<char> scratch) override;
  WriteResult write(std::string_view bytes) override;
  bool may_have_more() const override { return may_have_more_; }
  void say_goodbye(OwnerPtr owner) override;
  protocols::PeerInfo peer() const override;
  std::string hint() const override;

 private:
  IoStatus status_of(int result);

  bool may_have_more_ = false;  // first: it fits behind what SocketStream ends with
  const TlsContext& context_;
  ssl_st* ssl_;
};

}  // namespace net
