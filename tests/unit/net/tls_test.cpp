#include <doctest/doctest.h>

#include "emulator/core/base/encoding.hpp"
#include "protocols/net/handshake_hint.hpp"
#include "tests/unit/net/tls_client.hpp"

#include <netinet/tcp.h>
#include <openssl/pem.h>

using namespace net_test;

namespace {

ClientOptions with(int version, const char* ciphers = nullptr, const char* signatures = nullptr) {
  ClientOptions options;
  options.version = version;
  options.ciphers = ciphers;
  options.signatures = signatures;
  return options;
}

}  // namespace

TEST_CASE("M-06 TLS 1.2 and 1.3 both work, older versions do not") {
  TestServer server;
  const auto port = server.listen(true);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(port, with(version));
    CHECK(client.echo("hello") == "hello");
    CHECK(SSL_version(client.native()) == version);
  }
  CHECK_THROWS(TlsClient(port, with(TLS1_1_VERSION, "ALL:@SECLEVEL=0")));
}

TEST_CASE("M-06 the client's offer decides between the RSA and the ECDSA certificate") {
  TestServer server;
  const auto port = server.listen(true);
  SUBCASE("RSA only, TLS 1.2") {
    TlsClient client(port, with(TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"));
    CHECK(client.server_key() == EVP_PKEY_RSA);
    CHECK(client.echo("x") == "x");
  }
  SUBCASE("ECDSA only, TLS 1.2") {
    TlsClient client(port, with(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK(client.server_key() == EVP_PKEY_EC);
    CHECK(client.echo("x") == "x");
  }
  SUBCASE("RSA only, TLS 1.3") {
    // The CA signs with ECDSA, which such a client has to be able to check.
    TlsClient client(port, with(TLS1_3_VERSION, nullptr, "rsa_pss_rsae_sha256:ECDSA+SHA256"));
    CHECK(client.server_key() == EVP_PKEY_RSA);
    CHECK(client.echo("x") == "x");
  }
  SUBCASE("no preference") {
    TlsClient client(port, {});
    CHECK(client.server_key() == EVP_PKEY_EC);
    CHECK(client.echo("x") == "x");
  }
}

TEST_CASE("M-05 the server name is read, and not required") {
  std::mutex mutex;
  std::vector<std::string> names;
  TestServer server([&](HookSession& session) {
    const std::lock_guard lock(mutex);
    names.push_back(session.peer.server_name);
    CHECK(session.peer.encrypted);
  });
  const auto port = server.listen(true);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const char* name : {"localhost", "host.docker.internal", ""}) {
      ClientOptions options = with(version);
      options.name = name;
      CHECK(TlsClient(port, options).echo("x") == "x");
    }
  }
  const std::lock_guard lock(mutex);
  CHECK(names == std::vector<std::string>{"localhost", "host.docker.internal", "", "localhost",
                                          "host.docker.internal", ""});
}

TEST_CASE("M-06 a client certificate is asked for, not required, and its thumbprints arrive") {
  std::promise<protocols::PeerInfo> arrived;
  TestServer server([&](HookSession& session) { arrived.set_value(session.peer); });
  const auto port = server.listen(true);
  ClientOptions options;
  SUBCASE("none") {
    CHECK(TlsClient(port, options).echo("x") == "x");
    CHECK_FALSE(arrived.get_future().get().certificate);
  }
  SUBCASE("one that nobody here has signed, TLS 1.2") { options.version = TLS1_2_VERSION; }
  SUBCASE("one that nobody here has signed, TLS 1.3") { options.version = TLS1_3_VERSION; }
  if (options.version != 0) {
    // Any certificate will do as a device's; another folder's server certificate is one.
    const TemporaryFolder folder;
    app::SystemClock clock;
    const auto other = app::ensure_dev_certificates(folder.path(), {"device-1"}, clock.now());
    options.certificate = other.ecdsa_chain;
    options.key = other.ecdsa_key;
    CHECK(TlsClient(port, options).echo("x") == "x");
    const auto peer = arrived.get_future().get();
    REQUIRE(peer.certificate);
    const auto digest = [&](const EVP_MD* kind) {
      BIO* bio =
          BIO_new_mem_buf(other.ecdsa_chain.data(), static_cast<int>(other.ecdsa_chain.size()));
      X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
      unsigned char bytes[EVP_MAX_MD_SIZE];
      unsigned size = 0;
      X509_digest(certificate, kind, bytes, &size);
      X509_free(certificate);
      BIO_free(bio);
      return hub::hex_encode({reinterpret_cast<char*>(bytes), size});
    };
    CHECK(peer.certificate->sha1_hex == digest(EVP_sha1()));
    CHECK(peer.certificate->sha256_hex == digest(EVP_sha256()));
    CHECK(peer.certificate->common_name == "localhost");
  }
}

TEST_CASE("SEC-15 a client certificate that leads to a registered CA is told from others") {
  const TemporaryFolder folder;
  app::SystemClock clock;
  const auto other = app::ensure_dev_certificates(folder.path(), {"device-1"}, clock.now());
  std::promise<protocols::PeerInfo> arrived;
  TestServer server([&](HookSession& session) { arrived.set_value(session.peer); });
  bool trusted = false;
  SUBCASE("its CA is registered") {
    server.device_cas = test_certificates().ca + other.ca;
    trusted = true;
  }
  SUBCASE("the intermediate that signed it is enough") {
    const auto second = other.ecdsa_chain.find("-----BEGIN", 1);
    REQUIRE(second == std::string::npos);  // signed by the root itself: the leaf stands alone
    server.device_cas = other.ca;
    trusted = true;
  }
  SUBCASE("another CA is registered") { server.device_cas = test_certificates().ca; }
  SUBCASE("no CA is registered") {}
  ClientOptions options;
  options.certificate = other.ecdsa_chain;
  options.key = other.ecdsa_key;
  CHECK(TlsClient(server.listen(true), options).echo("x") == "x");
  CHECK(arrived.get_future().get().certificate->chain_trusted == trusted);
}

TEST_CASE("SEC-15 what is no CA certificate is refused at the start") {
  const auto& c = test_certificates();
  const net::ServerCertificates pem{c.rsa_chain, c.rsa_key, c.ecdsa_chain, c.ecdsa_key, "ca.pem"};
  CHECK_THROWS_WITH(net::TlsContext(pem, "nothing"), doctest::Contains("no CA certificate"));
  CHECK_THROWS_WITH(net::TlsContext(pem, c.ecdsa_key), doctest::Contains("no CA certificate"));
  CHECK_THROWS(net::TlsContext(pem, c.ecdsa_chain.substr(0, c.ecdsa_chain.find("-----BEGIN", 1))));
}

TEST_CASE("N-02 ALPN: http/1.1 when asked, nothing otherwise, never h2 (T1)") {
  TestServer server;
  const auto port = server.listen(true);
  const auto selected = [&](const std::string& offer) {
    ClientOptions options;
    options.alpn = offer;
    TlsClient client(port, options);
    CHECK(client.echo("x") == "x");
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.native(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  };
  CHECK(selected("\x02h2\x08http/1.1") == "http/1.1");
  CHECK(selected("\x02h2").empty());
  CHECK(selected("").empty());
}

TEST_CASE("N-02 large amounts, and many records in one read, pass through TLS") {
  TestServer server;
  const auto port = server.listen(true);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(port, with(version));
    // Below the bound on output, so that one thread may send it all before it reads.
    const std::string text(900'000, 'x');
    CHECK(client.echo(text) == text);
    for (int i = 0; i < 100; ++i)
      boost::asio::write(client.stream(), boost::asio::buffer("0123456789", 10));
    std::string answer(1000, '\0');
    boost::asio::read(client.stream(), boost::asio::buffer(answer));
    CHECK(answer.ends_with("0123456789"));
  }
}

TEST_CASE("N-02 no session tickets are sent and nothing is resumed") {
  TestServer server;
  const auto port = server.listen(true);
  TlsClient first(port, with(TLS1_2_VERSION));
  CHECK(first.echo("x") == "x");
  CHECK_FALSE(SSL_SESSION_has_ticket(SSL_get0_session(first.native())));
  TlsClient second(port, with(TLS1_3_VERSION));
  CHECK(second.echo("x") == "x");
  CHECK_FALSE(SSL_SESSION_has_ticket(SSL_get0_session(second.native())));
}

TEST_CASE(
    "N-34 the end of a handshake is acknowledged at once: a client that leaves Nagle on need not "
    "wait") {
  int version = 0;
  SUBCASE("TLS 1.2") { version = TLS1_2_VERSION; }
  SUBCASE("TLS 1.3") { version = TLS1_3_VERSION; }
  const auto& c = test_certificates();
  const net::TlsContext server_context(
      {c.rsa_chain, c.rsa_key, c.ecdsa_chain, c.ecdsa_key, "ca.pem"});
  boost::asio::io_context io;
  net::Poller poller(io);
  tcp::acceptor acceptor(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  tcp::socket client(io), accepted(io);
  client.connect(acceptor.local_endpoint());
  acceptor.accept(accepted);
  client.non_blocking(true);
  accepted.native_non_blocking(true);
  net::TlsStream server(poller, accepted.release(), client.local_endpoint(), server_context);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, version);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, client.native_handle());
  bool client_done = false, server_done = false;
  for (int i = 0; i < 100'000 && !(client_done && server_done); ++i) {
    if (!client_done) client_done = SSL_connect(ssl) == 1;
    if (!server_done) server_done = server.handshake() == net::IoStatus::ok;
  }
  REQUIRE(server_done);
  REQUIRE(SSL_version(ssl) == version);
  tcp_info info{};
  socklen_t size = sizeof info;
  REQUIRE(::getsockopt(client.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  CHECK(info.tcpi_unacked == 0);
  SSL_free(ssl);
  SSL_CTX_free(context);
}

TEST_CASE("N-04 the end is said with close_notify") {
  TestServer server([](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view) {
      self.out = "bye";
      self.close = true;
    };
  });
  TlsClient client(server.listen(true), {});
  CHECK(client.echo("...") == "bye");
  char byte = 0;
  error_code error;
  client.stream().read_some(boost::asio::buffer(&byte, 1), error);
  CHECK(error == boost::asio::error::eof);  // stream_truncated without close_notify
}

TEST_CASE("N-08 a handshake that does not come to an end is cut") {
  TestServer server;
  server.limits.handshake_timeout = std::chrono::milliseconds{20};
  TcpClient client(server.listen(true));
  CHECK(client.receive_all().empty());
  CHECK(server.log().has("the handshake took too long"));
}

TEST_CASE("N-08 a failed handshake is logged with what usually helps") {
  TestServer server;
  const auto port = server.listen(true);
  SUBCASE("plain HTTP") {
    TcpClient client(port);
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.receive_all();
    CHECK(server.log().has("plain HTTP on a port that speaks TLS"));
  }
  SUBCASE("plain MQTT") {
    TcpClient client(port);
    client.send(std::string("\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0", 14));
    client.receive_all();
    CHECK(server.log().has("not TLS"));
  }
  SUBCASE("a client that leaves when it has seen the certificate") {
    TcpClient client(port);
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* client_ssl = SSL_new(context);
    SSL_set_fd(client_ssl, client.socket().native_handle());
    SSL_set_verify(client_ssl, SSL_VERIFY_PEER, nullptr);
    // "Ask again later": the handshake stops, without an alert.
    SSL_CTX_set_cert_verify_callback(
        context, [](X509_STORE_CTX*, void*) { return -1; }, nullptr);
    SSL_connect(client_ssl);
    client.socket().shutdown(tcp::socket::shutdown_send);
    client.receive_all();
    SSL_free(client_ssl);
    SSL_CTX_free(context);
    CHECK(server.log().has("the client refuses the server certificate, for one of these"));
  }
}

namespace {

// A client that refuses the server's certificate, or has its handshake refused.
void fail_to_connect(std::uint16_t port, const char* address, const char* name, bool trusts_ca,
                     int newest_version = TLS1_3_VERSION) {
  boost::asio::io_context io;
  ssl::context context(ssl::context::tls_client);
  if (trusts_ca) context.add_certificate_authority(boost::asio::buffer(test_certificates().ca));
  context.set_verify_mode(ssl::verify_peer);
  SSL_CTX_set_max_proto_version(context.native_handle(), newest_version);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_VERSION);
  if (newest_version < TLS1_2_VERSION)
    SSL_CTX_set_cipher_list(context.native_handle(), "ALL:@SECLEVEL=0");
  ssl::stream<tcp::socket> stream(io, context);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(stream.native_handle());
  if (name != nullptr) {
    SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name));
    X509_VERIFY_PARAM_set1_host(wanted, name, 0);
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, address);
  }
  stream.lowest_layer().connect({boost::asio::ip::make_address(address), port});
  CHECK_THROWS(stream.handshake(ssl::stream_base::client));
  std::string rest;
  error_code ignored;
  boost::asio::read(stream.next_layer(), boost::asio::dynamic_buffer(rest), ignored);
}

}  // namespace

TEST_CASE(
    "N-35 a handshake that fails is told with its culprit: CA, name, address, or the TLS version") {
  TestServer server;
  SUBCASE("the CA is not trusted") {
    fail_to_connect(server.listen(true), "127.0.0.1", "localhost", false);
    CHECK(server.log().has("the client does not trust the CA: give it " +
                           test_certificates().ca_path.string()));
    CHECK_FALSE(server.log().has("--san"));
  }
  SUBCASE("a name that is not in the certificate") {
    fail_to_connect(server.listen(true), "127.0.0.1", "other.example", true);
    CHECK(server.log().has("start the hub with --san other.example"));
    CHECK_FALSE(server.log().has("trust"));
  }
  SUBCASE("an address that is not in the certificate") {
    fail_to_connect(server.listen(true, "127.0.0.2"), "127.0.0.2", nullptr, true);
    CHECK(server.log().has("start the hub with --san 127.0.0.2"));
  }
  SUBCASE("TLS 1.0") {
    fail_to_connect(server.listen(true), "127.0.0.1", "localhost", true, TLS1_VERSION);
    CHECK(server.log().has("the client offers at most TLS 1.0, the hub needs TLS 1.2"));
  }
  SUBCASE("TLS 1.1") {
    fail_to_connect(server.listen(true), "127.0.0.1", "localhost", true, TLS1_1_VERSION);
    CHECK(server.log().has("the client offers at most TLS 1.1, the hub needs TLS 1.2"));
  }
  CHECK(server.log().has("handshake failed listener=test peer=127.0.0."));
}

TEST_CASE(
    "N-35 a client that looks at the name only after the handshake is told of, one without "
    "reproach is not") {
  TestServer server;
  const auto port = server.listen(true);
  const char* name = nullptr;
  SUBCASE("a name that is not in the certificate") { name = "other.example"; }
  SUBCASE("a good one") { name = "localhost"; }
  {
    boost::asio::io_context io;
    ssl::context context(ssl::context::tls_client);
    ssl::stream<tcp::socket> stream(io, context);
    SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name));
    stream.lowest_layer().connect({boost::asio::ip::make_address("127.0.0.1"), port});
    stream.handshake(ssl::stream_base::client);
    stream.next_layer().shutdown(tcp::socket::shutdown_send);
    std::string rest;
    error_code ignored;
    boost::asio::read(stream.next_layer(), boost::asio::dynamic_buffer(rest), ignored);
  }
  const bool bad = std::string_view(name) != "localhost";
  CHECK(server.log().has("the client left right after the TLS handshake") == bad);
  CHECK(server.log().has("start the hub with --san other.example") == bad);
}

TEST_CASE("N-35 each hint says what is wrong in the user's terms and what to do") {
  struct Row {
    const char *reason, *version, *name, *address;
    bool in_certificate, sent;
    std::vector<const char*> says;
  };
  const Row rows[] = {
      {"tlsv1 alert unknown ca",
       "",
       "localhost",
       "127.0.0.1",
       true,
       true,
       {"does not trust", "/tls/ca.pem"}},
      {"tlsv1 alert unknown ca",
       "",
       "x.example",
       "127.0.0.1",
       false,
       true,
       {"/tls/ca.pem", "--san x.example"}},
      {"sslv3 alert bad certificate",
       "",
       "x.example",
       "10.0.0.1",
       false,
       true,
       {"--san x.example"}},
      {"sslv3 alert bad certificate", "", "", "10.77.0.5", false, true, {"--san 10.77.0.5"}},
      {"sslv3 alert bad certificate",
       "",
       "localhost",
       "",
       true,
       true,
       {"/tls/ca.pem", "--san", "1970"}},
      {"sslv3 alert certificate unknown",
       "",
       "localhost",
       "",
       true,
       true,
       {"/tls/ca.pem", "--san", "1970"}},
      {"closed by the client without an alert",
       "",
       "",
       "127.0.0.1",
       true,
       true,
       {"/tls/ca.pem", "--san", "1970"}},
      {"Connection reset by peer", "", "", "10.77.0.5", false, true, {"--san 10.77.0.5"}},
      {"Connection reset by peer",
       "",
       "",
       "10.77.0.5",
       false,
       false,
       {"a reason of its own", "its log"}},
      {"sslv3 alert certificate expired", "", "localhost", "", true, true, {"set its clock"}},
      {"unsupported protocol",
       "TLS 1.0",
       "",
       "",
       true,
       false,
       {"TLS 1.0", "needs TLS 1.2", "update"}},
      {"unsupported protocol", "", "", "", true, false, {"at most TLS 1.1", "needs TLS 1.2"}},
      {"tlsv1 alert protocol version", "", "", "", true, false, {"refuses TLS 1.2", "let it use"}},
      {"no shared cipher", "", "", "", true, false, {"no cipher, curve or signature", "update"}},
      {"http request", "", "", "", true, false, {"plain HTTP", "https", "--http-port"}},
      {"wrong version number", "", "", "", true, false, {"not TLS", "--mqtt-port"}},
      {"sslv3 alert handshake failure",
       "",
       "localhost",
       "",
       true,
       true,
       {"a reason of its own", "its log"}},
  };
  for (const Row& row : rows) {
    const std::string hint = net::handshake_hint({row.reason, row.version, row.sent, row.name,
                                                  row.address, row.in_certificate, "/tls/ca.pem"});
    INFO(row.reason, ": ", hint);
    for (const char* part : row.says) CHECK(hint.find(part) != std::string::npos);
  }
  // --san changes nothing about a certificate that was not made here.
  for (const bool in_certificate : {true, false}) {
    const std::string hint =
        net::handshake_hint({"sslv3 alert bad certificate", "", true, "x.example", "",
                             in_certificate, "/tls/own.pem", true});
    CHECK(hint.find("--san") == std::string::npos);
    CHECK(hint.find("certificate") != std::string::npos);
  }
}
