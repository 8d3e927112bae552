// What somebody else has put into the folder for certificates, and --tls-cert.
#include "emulator/app/dev_ca.hpp"

#include <doctest/doctest.h>

#include "emulator/app/config.hpp"
#include "emulator/app/file_io.hpp"
#include "emulator/app/server.hpp"
#include "emulator/app/x509.hpp"
#include "tests/unit/net/tls_client.hpp"

using namespace net_test;
namespace fs = std::filesystem;

namespace {

const hub::TimePoint start = hub::from_unix_seconds(1'800'000'000);
const std::vector<std::string> names{"localhost", "127.0.0.1"};

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) {
    all[entry.path().filename()] = app::read_file(entry.path()).value_or("");
  }
  all.erase(".checked");
  all.erase(".lock");
  return all;
}

std::string failure(const fs::path& folder, const std::vector<std::string>& wanted = names,
                    hub::TimePoint now = start) {
  try {
    app::ensure_dev_certificates(folder, wanted, now);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "it was taken";
}

// A company's CA, and a server's certificate and key by it: neither has our name in it.
struct Company {
  explicit Company(hub::TimePoint now = start) {
    ca = app::make_ca_certificate(ca_key.get(), now);
    rename(ca.get(), "A company's CA");
    X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
    X509_sign(ca.get(), ca_key.get(), EVP_sha256());
    server = app::make_server_certificate(key.get(), ca.get(), ca_key.get(), names, now);
    rename(server.get(), "hub.company.example");
    X509_sign(server.get(), ca_key.get(), EVP_sha256());
  }
  static void rename(X509* certificate, const char* name) {
    X509_NAME* subject = X509_NAME_new();
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_subject_name(certificate, subject);
    X509_NAME_free(subject);
  }
  void put_ca(const fs::path& folder, bool with_key) const {
    app::write_file_atomically(folder / "ca.pem", app::to_pem(ca.get()), 0644);
    fs::remove(folder / "ca-key.pem");
    if (with_key)
      app::write_file_atomically(folder / "ca-key.pem", app::to_pem(ca_key.get()), 0600);
  }
  void put_server(const fs::path& folder, const std::string& name) const {
    app::write_file_atomically(folder / (name + ".pem"), app::to_pem(server.get()), 0644);
    app::write_file_atomically(folder / (name + "-key.pem"), app::to_pem(key.get()), 0600);
  }

  app::KeyPtr ca_key = app::make_ec_key(), key = app::make_ec_key();
  app::CertificatePtr ca, server;
};

}  // namespace

TEST_CASE(
    "APP-32 what can neither be used nor renewed stops the start with the remedy, and stays as it "
    "is") {
  const TemporaryFolder folder, other;
  const fs::path path = folder.path();
  app::ensure_dev_certificates(path, names, start);
  app::ensure_dev_certificates(other.path(), names, start);
  std::vector<std::string> wanted = names;
  std::vector<std::string> says;
  SUBCASE("the CA's key is gone, and a name has to be added") {
    fs::remove(path / "ca-key.pem");
    wanted.push_back("new.example");
    says = {"ca-key.pem is missing", "names have to be added", "put the key back", "--tls-cert"};
  }
  SUBCASE("the CA's key wants a passphrase, or is none, and a certificate is gone") {
    app::write_file_atomically(path / "ca-key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
                               0600);
    fs::remove(path / "server-rsa.pem");
    says = {"without a passphrase", "server-rsa.pem must be signed anew"};
  }
  SUBCASE("the CA's key is another's") {
    fs::copy_file(other.path() / "ca-key.pem", path / "ca-key.pem",
                  fs::copy_options::overwrite_existing);
    says = {"ca-key.pem is not the key of ca.pem", "remove ca.pem and ca-key.pem"};
  }
  SUBCASE("the CA's certificate is gone") {
    fs::remove(path / "ca.pem");
    says = {"ca-key.pem is there, and its ca.pem is not", "remove ca.pem and ca-key.pem"};
  }
  SUBCASE("the CA's certificate is no PEM") {
    app::write_file_atomically(path / "ca.pem", "rubbish", 0644);
    says = {"ca.pem holds no certificate in PEM"};
  }
  SUBCASE("the CA's certificate is no CA's") {
    fs::copy_file(path / "server-rsa.pem", path / "ca.pem", fs::copy_options::overwrite_existing);
    says = {"ca.pem is not the certificate of a CA"};
  }
  SUBCASE("the server's certificate is no PEM") {
    app::write_file_atomically(path / "server-rsa.pem", "rubbish", 0644);
    says = {"server-rsa.pem holds no certificate in PEM", "remove"};
  }
  SUBCASE("the server's key is none") {
    app::write_file_atomically(path / "server-rsa-key.pem", "rubbish", 0600);
    says = {"server-rsa-key.pem holds no private key", "remove"};
  }
  SUBCASE("somebody's own server certificate has another key beside it") {
    app::write_file_atomically(path / "server-rsa.pem", app::to_pem(Company().server.get()), 0644);
    says = {"server-rsa-key.pem is not the key of", "server-rsa.pem"};
  }
  const auto before = contents(path);
  const auto line = failure(path, wanted);
  INFO(line);
  CHECK(line.find(path.string()) != std::string::npos);
  for (const auto& part : says) CHECK(line.find(part) != std::string::npos);
  CHECK(contents(path) == before);
}

TEST_CASE("APP-32 without its key the CA serves as long as nothing has to be signed") {
  const TemporaryFolder folder;
  const auto first =
      app::ensure_dev_certificates(folder.path(), {"localhost", "more.example"}, start);
  fs::remove(folder.path() / "ca-key.pem");
  const auto second = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  CHECK(second.ca == first.ca);
  CHECK(second.rsa_chain == first.rsa_chain);
  CHECK(second.warnings.empty());
  const auto near_end =
      app::ensure_dev_certificates(folder.path(), {"localhost"}, start + std::chrono::days{370});
  REQUIRE(near_end.warnings.size() == 2);
  CHECK(near_end.warnings[0].find("ends on") != std::string::npos);
  CHECK(near_end.warnings[0].find("put the key back") != std::string::npos);
}

TEST_CASE("APP-32 somebody's own CA with its key signs the server certificates") {
  const TemporaryFolder folder;
  app::ensure_dev_certificates(folder.path(), names, start);
  const Company company;
  company.put_ca(folder.path(), true);
  const auto made = app::ensure_dev_certificates(folder.path(), names, start);
  CHECK(made.renewed);
  CHECK(made.why == "another CA has signed it");
  CHECK(made.ca == app::to_pem(company.ca.get()));
  for (const auto& chain : {made.rsa_chain, made.ecdsa_chain}) {
    CHECK(app::signed_by(app::read_certificate(chain).get(), company.ca.get()));
  }
}

TEST_CASE(
    "APP-32 somebody's own server certificate is served for each client, and never replaced") {
  const TemporaryFolder folder;
  const Company company;
  SUBCASE("into an empty folder") { company.put_ca(folder.path(), false); }
  SUBCASE("over what was made before, for RSA clients") {
    app::ensure_dev_certificates(folder.path(), names, start);
    company.put_ca(folder.path(), false);
  }
  company.put_server(folder.path(), "server-rsa");
  const auto before = contents(folder.path());
  // Names that it is not for, and a day when its end is near.
  const auto own = app::ensure_dev_certificates(folder.path(), {"new.example"}, start);
  CHECK(own.own);
  CHECK(own.warnings.empty());
  CHECK(own.ca == app::to_pem(company.ca.get()));
  CHECK(own.rsa_chain == app::to_pem(company.server.get()));
  CHECK(own.ecdsa_chain == own.rsa_chain);
  CHECK(own.ecdsa_key == app::to_pem(company.key.get()));
  const auto later =
      app::ensure_dev_certificates(folder.path(), names, start + std::chrono::days{370});
  REQUIRE(later.warnings.size() == 1);
  CHECK(later.warnings[0].find("server-rsa.pem ends on 2028-02-") != std::string::npos);
  CHECK(contents(folder.path()) == before);
}

TEST_CASE("APP-32 an own server certificate beside a CA that has not signed it is told") {
  const TemporaryFolder folder;
  app::ensure_dev_certificates(folder.path(), names, start);
  Company().put_server(folder.path(), "server-ecdsa");
  const auto own = app::ensure_dev_certificates(folder.path(), names, start);
  REQUIRE(own.warnings.size() == 1);
  CHECK(own.warnings[0].find("does not lead to " + (folder.path() / "ca.pem").string()) !=
        std::string::npos);
}

TEST_CASE("APP-33 a CA is told of 30 days before its end, and not used or replaced after it") {
  const TemporaryFolder folder;
  const auto first = app::ensure_dev_certificates(folder.path(), names, start);
  CHECK(first.warnings.empty());
  const auto end = app::end_of(app::read_certificate(first.ca).get());
  CHECK(app::ensure_dev_certificates(folder.path(), names, end - std::chrono::days{31})
            .warnings.empty());
  const auto near_end =
      app::ensure_dev_certificates(folder.path(), names, end - std::chrono::days{29});
  CHECK(near_end.ca == first.ca);
  REQUIRE(near_end.warnings.size() == 1);
  CHECK(near_end.warnings[0].find("ca.pem ends on 2037-") != std::string::npos);
  CHECK(near_end.warnings[0].find("remove ca.pem and ca-key.pem") != std::string::npos);
  const auto before = contents(folder.path());
  CHECK(failure(folder.path(), names, end).find("ca.pem has ended on 2037-") != std::string::npos);
  CHECK(contents(folder.path()) == before);
}

TEST_CASE("APP-33 a clock before the certificates' first day is told, nothing is signed by it") {
  const TemporaryFolder folder;
  const auto first = app::ensure_dev_certificates(folder.path(), names, start);
  const auto early =
      app::ensure_dev_certificates(folder.path(), names, hub::from_unix_seconds(1000));
  CHECK(early.rsa_chain == first.rsa_chain);
  REQUIRE(early.warnings.size() == 1);
  CHECK(early.warnings[0].find("clock says 1970-01-01: set the clock") != std::string::npos);
}

TEST_CASE("APP-34 a private key that others can read is told, each time") {
  const TemporaryFolder folder;
  app::ensure_dev_certificates(folder.path(), names, start);
  const fs::path key = folder.path() / "ca-key.pem";
  fs::permissions(key, fs::perms{0644});
  for (int i = 0; i < 2; ++i) {
    const auto warned = app::ensure_dev_certificates(folder.path(), names, start).warnings;
    REQUIRE(warned.size() == 1);
    CHECK(warned[0].find("chmod 600 " + key.string()) != std::string::npos);
  }
  fs::permissions(key, fs::perms{0600});
  CHECK(app::ensure_dev_certificates(folder.path(), names, start).warnings.empty());
}

TEST_CASE(
    "APP-35 --tls-cert and --tls-key: the server shows this certificate, whatever TLS the client "
    "speaks") {
  const TemporaryFolder folder;
  app::SystemClock clock;
  CollectingLog log;
  const Company company(clock.now());
  company.put_server(folder.path(), "own");
  app::Config config;
  config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
  config.tls_dir = folder.path() / "tls";
  config.tls_cert = folder.path() / "own.pem";
  config.tls_key = folder.path() / "own-key.pem";
  app::Server server(config, log, clock);
  std::thread runner([&] { server.run(); });
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientOptions options;
    options.version = version;
    options.ca = app::to_pem(company.ca.get());
    TlsClient client(server.report().port("mqtts"), options);
    CHECK(X509_cmp(SSL_get0_peer_certificate(client.native()), company.server.get()) == 0);
  }
  server.request_stop();
  runner.join();
  CHECK(server.report().ca_path == config.tls_cert);
  CHECK_FALSE(fs::exists(folder.path() / "tls"));
}

TEST_CASE("APP-35 --tls-cert that cannot be served stops the start with exit 2") {
  const TemporaryFolder folder;
  const Company company;
  company.put_server(folder.path(), "own");
  app::write_file_atomically(folder.path() / "other.pem", app::to_pem(company.ca_key.get()), 0600);
  app::SystemClock clock;
  CollectingLog log;
  app::Config config;
  config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
  std::string says;
  SUBCASE("no file") {
    config.tls_cert = folder.path() / "none.pem";
    config.tls_key = folder.path() / "own-key.pem";
    says = "none.pem is not there";
  }
  SUBCASE("another's key") {
    config.tls_cert = folder.path() / "own.pem";
    config.tls_key = folder.path() / "other.pem";
    says = "other.pem is not the key of ";
  }
  try {
    app::Server server(config, log, clock);
    FAIL("it started");
  } catch (const app::StartError& error) {
    const std::string line = error.what();
    INFO(line);
    CHECK(error.exit_code == 2);
    CHECK(line.starts_with("--tls-cert: "));
    CHECK(line.find(says) != std::string::npos);
  }
}

TEST_CASE("APP-35 a certificate without its key, or a key alone, is refused") {
  for (const char* flag : {"--tls-cert", "--tls-key"}) {
    const auto parsed = app::parse_invocation({flag, "file.pem"}, {});
    const auto* error = std::get_if<app::ConfigError>(&parsed);
    REQUIRE(error != nullptr);
    CHECK(error->line.starts_with(std::string(flag) + ": needs --tls-"));
  }
}
