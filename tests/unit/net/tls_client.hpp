#pragma once
// A blocking TLS client with the restrictions that SDKs have.
#include "tests/unit/net/net_test_support.hpp"

#include <optional>

namespace net_test {

namespace ssl = boost::asio::ssl;

// What an SDK's TLS stack is set to. The server's certificate and name are always checked.
struct ClientOptions {
  int version = 0;                   // 0: any
  const char* ciphers = nullptr;     // TLS 1.2
  const char* signatures = nullptr;  // signature algorithms
  std::string name = "localhost";
  std::string alpn;              // wire form
  std::string certificate, key;  // PEM
  std::string ca;                // PEM; empty: the test certificates'
};

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, const ClientOptions& options = {})
      : context_(ssl::context::tls_client) {
    const std::string& ca = options.ca.empty() ? test_certificates().ca : options.ca;
    context_.add_certificate_authority(boost::asio::buffer(ca));
    context_.set_verify_mode(ssl::verify_peer);
    SSL_CTX* native = context_.native_handle();
    if (options.version != 0) {
      SSL_CTX_set_min_proto_version(native, options.version);
      SSL_CTX_set_max_proto_version(native, options.version);
    }
    if (options.ciphers != nullptr) REQUIRE(SSL_CTX_set_cipher_list(native, options.ciphers) == 1);
    if (options.signatures != nullptr) {
      REQUIRE(SSL_CTX_set1_sigalgs_list(native, options.signatures) == 1);
    }
    if (!options.certificate.empty()) {
      context_.use_certificate_chain(boost::asio::buffer(options.certificate));
      context_.use_private_key(boost::asio::buffer(options.key), ssl::context::pem);
    }
    stream_.emplace(io_, context_);
    if (!options.name.empty()) {
      // The macro SSL_set_tlsext_host_name, without its cast.
      SSL_ctrl(stream_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(options.name.c_str()));
      stream_->set_verify_callback(ssl::host_name_verification(options.name));
    }
    if (!options.alpn.empty()) {
      SSL_set_alpn_protos(stream_->native_handle(),
                          reinterpret_cast<const unsigned char*>(options.alpn.data()),
                          static_cast<unsigned>(options.alpn.size()));
    }
    stream_->lowest_layer().connect({boost::asio::ip::make_address("127.0.0.1"), port});
    stream_->handshake(ssl::stream_base::client);
  }

  std::string echo(const std::string& text) {
    boost::asio::write(*stream_, boost::asio::buffer(text));
    std::string answer(text.size(), '\0');
    boost::asio::read(*stream_, boost::asio::buffer(answer));
    return answer;
  }
  int server_key() {
    X509* certificate = SSL_get0_peer_certificate(stream_->native_handle());
    return EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
  }
  SSL* native() { return stream_->native_handle(); }
  ssl::stream<tcp::socket>& stream() { return *stream_; }

 private:
  boost::asio::io_context io_;
  ssl::context context_;
  std::optional<ssl::stream<tcp::socket>> stream_;
};

}  // namespace net_test
