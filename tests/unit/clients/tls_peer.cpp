#include "tests/unit/clients/tls_peer.hpp"

#include "clients/hub_client/encoding.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <proton/connection_options.hpp>
#include <proton/io/connection_driver.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver.hpp>
#include <proton/receiver_options.hpp>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace iothub::test {
namespace {

struct Free {
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
  void operator()(SSL* it) const { SSL_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error{what};
}

struct Identity {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
};

Identity make_identity() {
  Owned<EVP_PKEY> key{EVP_EC_gen("P-256")};
  Owned<X509> certificate{X509_new()};
  require(key && certificate, "no key");
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::array<unsigned char, 9> text{'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't'};
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text.data(), text.size(), -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "not signed");
  return {std::move(key), std::move(certificate)};
}

const Identity& identity() {
  static const Identity made = make_identity();
  return made;
}

struct Mute : proton::messaging_handler {
  void on_receiver_open(proton::receiver& receiver) override {
    receiver.open(proton::receiver_options{}.auto_accept(false));
  }
};

// Until the client goes or `more` says that it is over. Proton opens by itself what the client
// opens.
template <class More>
void serve_amqp(SSL& tls, More more) {
  Mute opens_everything;
  proton::io::connection_driver driver{"peer"};
  driver.accept(proton::connection_options{}.handler(opens_everything).sasl_enabled(false));
  while (driver.dispatch()) {
    for (auto out = driver.write_buffer(); out.size > 0; out = driver.write_buffer()) {
      const int count = SSL_write(&tls, out.data, static_cast<int>(out.size));
      if (count <= 0) return;
      driver.write_done(static_cast<std::size_t>(count));
      driver.dispatch();
    }
    const auto in = driver.read_buffer();
    if (in.size == 0 || !more()) return;
    const int count = SSL_read(&tls, in.data, static_cast<int>(in.size));
    if (count <= 0) return;
    driver.read_done(static_cast<std::size_t>(count));
  }
}

}  // namespace

TlsPeer::TlsPeer(GoesTo goes_to) : goes_to_(goes_to) {
  const auto name = std::filesystem::temp_directory_path() / ("iothub-peer-" + make_uuid());
  ca_file_ = name.string() + ".pem";
  key_file_ = name.string() + ".key";
  std::FILE* file = std::fopen(ca_file_.c_str(), "w");
  require(file != nullptr && PEM_write_X509(file, identity().certificate.get()) == 1, "no CA file");
  std::fclose(file);
  file = std::fopen(key_file_.c_str(), "w");
  require(file != nullptr && PEM_write_PrivateKey(file, identity().key.get(), nullptr, nullptr, 0,
                                                  nullptr, nullptr) == 1,
          "no key file");
  std::fclose(file);

  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  require(bind(listener_, any, size) == 0 && listen(listener_, 0) == 0 &&
              getsockname(listener_, any, &size) == 0,
          "no listener");
  port_ = ntohs(address.sin_port);
  std::array<int, 2> ends{};
  require(pipe(ends.data()) == 0, "no pipe");
  stop_read_ = ends[0];
  stop_write_ = ends[1];
  if (goes_to_ != GoesTo::listening) thread_ = std::thread{[this] { serve(); }};
}

TlsPeer::~TlsPeer() {
  close(stop_write_);
  if (thread_.joinable()) thread_.join();
  close(listener_);
  close(stop_read_);
  std::filesystem::remove(ca_file_);
  std::filesystem::remove(key_file_);
}

void TlsPeer::serve() {
  const auto until_stopped = [&](int other) {
    std::array<pollfd, 2> wanted{pollfd{stop_read_, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    poll(wanted.data(), other < 0 ? 1 : 2, -1);
    return wanted[0].revents != 0;
  };
  if (until_stopped(listener_)) return;
  const int connection = accept(listener_, nullptr, nullptr);
  {
    const Owned<SSL_CTX> context{SSL_CTX_new(TLS_server_method())};
    SSL_CTX_use_certificate(context.get(), identity().certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity().key.get());
    const Owned<SSL> tls{SSL_new(context.get())};
    SSL_set_fd(tls.get(), connection);
    bool going = goes_to_ != GoesTo::accepted && SSL_accept(tls.get()) == 1;
    if (goes_to_ == GoesTo::connack && going) {
      std::array<unsigned char, 4096> in{};
      const std::array<unsigned char, 4> connack{0x20, 2, 0, 0};
      const std::array<unsigned char, 5> suback{0x90, 3, 0, 1, 1};
      going = SSL_read(tls.get(), in.data(), in.size()) > 0 &&
              SSL_write(tls.get(), connack.data(), connack.size()) > 0;
      // The client subscribes before anything else, with its first packet id.
      if (going && SSL_read(tls.get(), in.data(), in.size()) > 0) {
        SSL_write(tls.get(), suback.data(), suback.size());
      }
    }
    if (goes_to_ == GoesTo::attached && going) {
      serve_amqp(*tls, [&] { return SSL_pending(tls.get()) > 0 || !until_stopped(connection); });
    }
    until_stopped(-1);
  }
  close(connection);
}

}  // namespace iothub::test
