#include "emulator/app/dev_ca.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "tests/unit/net/net_test_support.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

using namespace net_test;
namespace fs = std::filesystem;

namespace {

const hub::TimePoint start = hub::from_unix_seconds(1'800'000'000);

struct Certificate {
  explicit Certificate(const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    x509 = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    REQUIRE(x509 != nullptr);
  }
  ~Certificate() { X509_free(x509); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  bool is_for(const char* name) const { return X509_check_host(x509, name, 0, 0, nullptr) == 1; }
  bool is_for_ip(const char* name) const { return X509_check_ip_asc(x509, name, 0) == 1; }
  std::string names() const {
    BIO* bio = BIO_new(BIO_s_mem());
    X509V3_EXT_print(bio, X509_get_ext(x509, X509_get_ext_by_NID(x509, NID_subject_alt_name, -1)),
                     0, 0);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    const std::string out(text, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  }
  X509* x509 = nullptr;
};

// As a strict client verifies: chain, purpose, dates.
int verify(const std::string& ca, const std::string& leaf, hub::TimePoint now) {
  const Certificate root(ca), server(leaf);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.x509);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, server.x509, nullptr);
  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
  X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
  X509_STORE_CTX_set_time(context, 0, static_cast<time_t>(hub::to_unix_ms(now) / 1000));
  X509_verify_cert(context);
  const int error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return error;
}

fs::perms mode(const fs::path& path) { return fs::status(path).permissions() & fs::perms::all; }

}  // namespace

TEST_CASE("N-10 first start: a CA and two server certificates that a strict client accepts") {
  const TemporaryFolder folder;
  const auto names = app::certificate_names({"my-hub.example", "10.1.2.3"});
  const auto made = app::ensure_dev_certificates(folder.path() / "tls", names, start);
  CHECK(made.renewed);
  for (const auto& chain : {made.rsa_chain, made.ecdsa_chain}) {
    CHECK(verify(made.ca, chain, start) == X509_V_OK);
    const Certificate leaf(chain);
    for (const char* name : {"localhost", "host.docker.internal", "my-hub.example"}) {
      INFO(name);
      CHECK(leaf.is_for(name));
    }
    CHECK(leaf.is_for("t1.iothub.localhost"));
    // OpenSSL and Node take no wildcard right below the root; for those who do, it is there.
    CHECK(leaf.names().find("*.localhost") != std::string::npos);
    for (const char* address : {"127.0.0.1", "::1", "10.1.2.3"}) {
      INFO(address);
      CHECK(leaf.is_for_ip(address));
    }
    CHECK_FALSE(leaf.is_for("example.com"));
    char machine[256] = {};
    REQUIRE(::gethostname(machine, sizeof machine - 1) == 0);
    CHECK(leaf.is_for(machine));
  }
  CHECK(EVP_PKEY_get_bits(X509_get0_pubkey(Certificate(made.rsa_chain).x509)) == 2048);
}

TEST_CASE("N-10 private keys have mode 0600, certificates 0644, and nothing else lies about") {
  const TemporaryFolder folder;
  const auto made = app::ensure_dev_certificates(folder.path() / "tls", {"localhost"}, start);
  CHECK(made.ca_path == folder.path() / "tls/ca.pem");
  for (const char* name : {"ca-key.pem", "server-rsa-key.pem", "server-ecdsa-key.pem"}) {
    CHECK(mode(folder.path() / "tls" / name) == (fs::perms::owner_read | fs::perms::owner_write));
  }
  for (const char* name : {"ca.pem", "server-rsa.pem", "server-ecdsa.pem"}) {
    CHECK(mode(folder.path() / "tls" / name) == fs::perms{0644});
  }
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path() / "tls")) ++count;
  CHECK(count == 8);  // the six, .lock and .checked
  CHECK(mode(folder.path() / "tls/.checked") == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("N-10 a second start writes nothing; a changed set of names renews, CA and keys stay") {
  const TemporaryFolder folder;
  const auto first = app::ensure_dev_certificates(folder.path(), {"localhost", "127.0.0.1"}, start);
  const auto second =
      app::ensure_dev_certificates(folder.path(), {"127.0.0.1", "LOCALHOST"}, start);
  CHECK_FALSE(second.renewed);
  CHECK(second.rsa_chain == first.rsa_chain);
  const auto third = app::ensure_dev_certificates(folder.path(), {"localhost", "other"}, start);
  CHECK(third.renewed);
  CHECK(third.ca == first.ca);
  CHECK(third.rsa_key == first.rsa_key);
  CHECK(third.ecdsa_key == first.ecdsa_key);
  CHECK(third.rsa_chain != first.rsa_chain);
  CHECK(Certificate(third.rsa_chain).is_for("other"));
  CHECK(verify(third.ca, third.ecdsa_chain, start) == X509_V_OK);
}

TEST_CASE("N-10 a certificate near its end is renewed, the CA kept") {
  const TemporaryFolder folder;
  const auto first = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  const auto later = start + std::chrono::days{360};
  CHECK_FALSE(app::ensure_dev_certificates(folder.path(), {"localhost"}, later).renewed);
  const auto near_end = start + std::chrono::days{370};
  const auto renewed = app::ensure_dev_certificates(folder.path(), {"localhost"}, near_end);
  CHECK(renewed.renewed);
  CHECK(renewed.ca == first.ca);
  CHECK(verify(renewed.ca, renewed.rsa_chain, start + std::chrono::days{700}) == X509_V_OK);
}

TEST_CASE("N-10 what is missing and can be made again is, the CA stays") {
  const TemporaryFolder folder;
  const auto first = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  fs::remove(folder.path() / "server-rsa.pem");
  fs::remove(folder.path() / "server-ecdsa-key.pem");
  const auto second = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  CHECK(second.ca == first.ca);
  CHECK(second.rsa_key == first.rsa_key);
  CHECK(verify(second.ca, second.rsa_chain, start) == X509_V_OK);
  CHECK(second.ecdsa_key != first.ecdsa_key);
  CHECK(verify(second.ca, second.ecdsa_chain, start) == X509_V_OK);
}

TEST_CASE("N-10 what was found good once is not taken for something else that lies there later") {
  const TemporaryFolder folder, stranger;
  const auto first = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  (void)app::ensure_dev_certificates(stranger.path(), {"localhost"}, start);
  // Good in itself, but signed by another CA: the note of the first look must not cover it.
  for (const char* name : {"server-rsa.pem", "server-rsa-key.pem"}) {
    fs::copy(stranger.path() / name, folder.path() / name, fs::copy_options::overwrite_existing);
  }
  const auto second = app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
  CHECK(second.renewed);
  CHECK(second.ca == first.ca);
  CHECK(verify(second.ca, second.rsa_chain, start) == X509_V_OK);
}

TEST_CASE("N-10 several that start at once agree") {
  const TemporaryFolder folder;
  std::vector<std::future<app::DevCertificates>> starts;
  for (int i = 0; i < 4; ++i) {
    starts.push_back(std::async(std::launch::async, [&] {
      return app::ensure_dev_certificates(folder.path(), {"localhost"}, start);
    }));
  }
  const auto first = starts[0].get();
  for (std::size_t i = 1; i < starts.size(); ++i) {
    const auto other = starts[i].get();
    CHECK(other.ca == first.ca);
    CHECK(other.rsa_chain == first.rsa_chain);
  }
}

TEST_CASE("N-10 a folder that cannot be used is an error that names it and the flag") {
  const TemporaryFolder folder;
  app::write_file_atomically(folder.path() / "file", "", 0600);
  try {
    app::ensure_dev_certificates(folder.path() / "file/tls", {"localhost"}, start);
    FAIL("it was used");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()).find("--tls-dir") != std::string::npos);
    CHECK(std::string(error.what()).find((folder.path() / "file").string()) != std::string::npos);
  }
}
