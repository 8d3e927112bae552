#include "protocols/net/tls.hpp"

#include "protocols/net/client_certificate.hpp"
#include "protocols/net/handshake_hint.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace net {
namespace {

std::string openssl_reason(unsigned long code) {
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + openssl_reason(ERR_get_error()));
}

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using CertificatesPtr =
    std::unique_ptr<STACK_OF(X509),
                    Freer<[](STACK_OF(X509) * all) { sk_X509_pop_free(all, X509_free); }>>;
using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using VerificationPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

BioPtr memory_bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Whether this client would be given the ECDSA certificate if it had the choice. TLS 1.2 asks for
// more than this looks at, so there it has.
bool prefers_ecdsa(SSL* ssl) {
  if (SSL_version(ssl) != TLS1_3_VERSION) return false;
  const int count = SSL_get_sigalgs(ssl, 0, nullptr, nullptr, nullptr, nullptr, nullptr);
  for (int i = 0; i < count; ++i) {
    int key = 0, hash = 0;
    SSL_get_sigalgs(ssl, i, &key, &hash, nullptr, nullptr, nullptr);
    if (key != EVP_PKEY_EC) return false;
    if (hash == NID_sha256) return true;
  }
  return false;
}

// An intermediate CA may be registered without its root: that is what partial chains are for.
StorePtr load_device_cas(const std::string& pem) {
  StorePtr store(X509_STORE_new());
  require(store != nullptr, "certificate store");
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  const BioPtr bio = memory_bio(pem);
  bool any = false;
  while (const CertificatePtr ca{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    require(X509_check_ca(ca.get()) > 0, "a certificate that is no CA's");
    require(X509_STORE_add_cert(store.get(), ca.get()) == 1, "device CA");
    any = true;
  }
  const unsigned long end = ERR_peek_last_error();
  const bool all_read = pem.empty() || (any && ERR_GET_REASON(end) == PEM_R_NO_START_LINE);
  require(all_read, "no CA certificate in PEM");
  ERR_clear_error();  // the end of the PEM text is reported as an error
  return store;
}

// M-06: trust is the hub's business. A self-signed certificate is as good as any here; the
// handshake has proven that the client holds its key.
int accept_any_certificate(int, X509_STORE_CTX*) { return 1; }

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size,
                  const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char http11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, http11, sizeof http11 - 1, offered, offered_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct TlsContext::Pair {
  Pair(const std::string& chain_pem, const std::string& key_pem) {
    const BioPtr bio = memory_bio(chain_pem);
    leaf.reset(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    require(leaf != nullptr, "server certificate");
    issuers.reset(sk_X509_new_null());
    while (X509* issuer = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
      sk_X509_push(issuers.get(), issuer);
    }
    ERR_clear_error();  // the end of the PEM text is reported as an error
    key.reset(PEM_read_bio_PrivateKey(memory_bio(key_pem).get(), nullptr, nullptr, nullptr));
    require(key != nullptr, "server key");
  }

  CertificatePtr leaf;
  CertificatesPtr issuers;
  KeyPtr key;
};

// OpenSSL asks this for each handshake, the client's offer known.
int TlsContext::choose_certificate(SSL* ssl, void* self) {
  if (prefers_ecdsa(ssl)) return 1;
  try {
    const Pair& rsa = static_cast<const TlsContext*>(self)->rsa();
    return SSL_use_cert_and_key(ssl, rsa.leaf.get(), rsa.key.get(), rsa.issuers.get(), 1);
  } catch (const std::runtime_error&) {
    return 0;  // the handshake fails and says so
  }
}

const TlsContext::Pair& TlsContext::rsa() const {
  const std::lock_guard lock(rsa_mutex_);
  if (!rsa_) rsa_ = std::make_unique<Pair>(certificates_.rsa_chain, certificates_.rsa_key);
  return *rsa_;
}

TlsContext::TlsContext(const ServerCertificates& certificates, const std::string& device_cas)
    : certificates_(certificates), device_cas_(load_device_cas(device_cas).release()) {}

SSL_CTX* TlsContext::native() const {
  // No std::call_once: what is thrown in one does not get out of a program that has its own
  // unwinder.
  const std::lock_guard lock(mutex_);
  if (context_ == nullptr) make();
  return context_;
}

void TlsContext::make() const {
  std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>> made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made.get();
  require(context != nullptr, "TLS context");
  require(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1, "TLS 1.2");
  const Pair ecdsa(certificates_.ecdsa_chain, certificates_.ecdsa_key);
  require(SSL_CTX_use_cert_and_key(context, ecdsa.leaf.get(), ecdsa.key.get(), ecdsa.issuers.get(),
                                   1) == 1,
          "server key and certificate (RSA keys have 2048 bits at least)");
  SSL_CTX_set_cert_cb(context, choose_certificate, const_cast<TlsContext*>(this));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any_certificate);
  SSL_CTX_set_alpn_select_cb(context, choose_http11, nullptr);
  // N-02: nothing is kept for a later resumption, no buffers while a connection is idle; reading
  // ahead takes a whole record with one system call.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  context_ = made.release();
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
  X509_STORE_free(device_cas_);
}

bool TlsContext::trusts_peer_of(const SSL* ssl) const {
  const VerificationPtr verification(X509_STORE_CTX_new());
  return verification &&
         X509_STORE_CTX_init(verification.get(), device_cas_, SSL_get0_peer_certificate(ssl),
                             SSL_get_peer_cert_chain(ssl)) == 1 &&
         X509_verify_cert(verification.get()) == 1;
}

bool TlsContext::is_for(const std::string& name) const {
  X509* const leaf = rsa().leaf.get();  // the other one has the same names
  return X509_check_host(leaf, name.data(), name.size(), 0, nullptr) == 1 ||
         X509_check_ip_asc(leaf, name.c_str(), 0) == 1;
}

TlsStream::TlsStream(Poller& poller, int descriptor, const asio::ip::tcp::endpoint& peer,
                     const TlsContext& context)
    : SocketStream(poller, descriptor, peer), context_(context), ssl_(SSL_new(context.native())) {
  HUB_ASSERT(ssl_ != nullptr);
  SSL_set_fd(ssl_, socket_.descriptor());
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

IoStatus TlsStream::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    SSL_certs_clear(ssl_);  // its own list of our chain: there is no second handshake to show it in
    may_have_more_ = SSL_has_pending(ssl_) == 1;
    // N-34: in TLS 1.3 the client has the last word. One that leaves Nagle's algorithm on holds its
    // first write back until that word is acknowledged, which the kernel would put off for 40 ms.
    if (!may_have_more_ && SSL_version(ssl_) == TLS1_3_VERSION) {
      const int on = 1;
      ::setsockopt(socket_.descriptor(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    }
    return IoStatus::ok;
  }
  const IoStatus status = status_of(result);
  if (status == IoStatus::closed && SSL_get_state(ssl_) != TLS_ST_BEFORE) {
    return broken("closed by the client without an alert");  // .NET does
  }
  return status;
}

ReadResult TlsStream::read(std::span<char> scratch) {
  ERR_clear_error();
  const int size = SSL_read(ssl_, scratch.data(), static_cast<int>(scratch.size()));
  if (size > 0) {
    may_have_more_ = SSL_has_pending(ssl_) == 1;
    return {IoStatus::ok, {scratch.data(), static_cast<std::size_t>(size)}};
  }
  may_have_more_ = false;  // also with half a record read ahead: the other half shows as readable
  return {status_of(size), {}};
}

WriteResult TlsStream::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &size);
  if (result == 1) return {IoStatus::ok, size};
  return {status_of(result), 0};
}

IoStatus TlsStream::status_of(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return IoStatus::want_read;
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::closed;
    case SSL_ERROR_SYSCALL:
      return errno == 0 ? IoStatus::closed : broken(errno);
    default:
      break;
  }
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return broken(reason != nullptr ? reason : "TLS failed without saying why");
}

void TlsStream::say_goodbye(OwnerPtr) {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);  // close_notify; the peer's is not waited for
  ERR_clear_error();
  socket_.shut_down_sending();
}

protocols::PeerInfo TlsStream::peer() const {
  protocols::PeerInfo peer;
  peer.address = address();
  peer.encrypted = true;
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    peer.server_name = name;
  if (X509* certificate = SSL_get0_peer_certificate(ssl_)) {
    peer.certificate = read_client_certificate(certificate);
    peer.certificate->chain_trusted = context_.trusts_peer_of(ssl_);
    ERR_clear_error();
  }
  return peer;
}

std::string TlsStream::hint() const {
  HandshakeFacts facts;
  facts.reason = error_text();
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    facts.server_name = name;
  facts.address = socket_.local_address();
  const std::string& name = facts.server_name.empty() ? facts.address : facts.server_name;
  facts.name_in_certificate = name.empty() || context_.is_for(name);
  facts.ca_path = context_.ca_path();
  facts.own_certificate = context_.own();
  if (SSL_is_init_finished(ssl_)) return missing_name_hint(facts);
  // In the client's first flight nothing of ours is out yet.
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl_);
  facts.certificate_sent = state != TLS_ST_BEFORE && state != TLS_ST_SR_CLNT_HELLO;
  switch (SSL_client_version(ssl_)) {
    case SSL3_VERSION:
      facts.client_version = "SSL 3.0";
      break;
    case TLS1_VERSION:
      facts.client_version = "TLS 1.0";
      break;
    default:
      break;
  }
  return handshake_hint(facts);
}

}  // namespace net
