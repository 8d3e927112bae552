#include "emulator/app/dev_ca.hpp"

#include "emulator/app/file_io.hpp"
#include "emulator/app/host_names.hpp"
#include "emulator/core/encoding.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const { Free(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;

constexpr auto ca_life = std::chrono::days{3650};
constexpr auto leaf_life = std::chrono::days{397};  // what the strictest clients accept is 398
constexpr auto renew_before = std::chrono::days{30};
constexpr auto backdated = std::chrono::days{1};  // for clients whose clock is behind

template <class T>
T require(T result, const char* what) {
  if (!result) {
    std::array<char, 256> reason{};
    ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
    throw std::runtime_error(std::string("certificates: ") + what + ": " + reason.data());
  }
  return result;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate), "PEM");
  return text_of(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr), "PEM");
  return text_of(bio.get());
}

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePtr certificate_from(const std::optional<std::string>& pem) {
  if (!pem) return nullptr;
  return CertificatePtr(PEM_read_bio_X509(reader(*pem).get(), nullptr, nullptr, nullptr));
}

KeyPtr key_from(const std::optional<std::string>& pem) {
  if (!pem) return nullptr;
  return KeyPtr(PEM_read_bio_PrivateKey(reader(*pem).get(), nullptr, nullptr, nullptr));
}

void set_validity(X509* certificate, hub::TimePoint now, std::chrono::days life) {
  const auto seconds = [](hub::TimePoint t) { return static_cast<std::time_t>(hub::to_unix_ms(t) / 1000); };
  require(ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(now - backdated)), "validity");
  require(ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(now - backdated + life)), "validity");
}

void set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  require(RAND_bytes(bytes.data(), bytes.size()) == 1, "serial number");
  bytes[0] = (bytes[0] & 0x7f) | 0x40;  // positive, and always of the same length
  BIGNUM* number = require(BN_bin2bn(bytes.data(), bytes.size(), nullptr), "serial number");
  const bool good = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  require(good, "serial number");
}

void set_name(X509_NAME* name, const char* common_name) {
  const auto add = [&](const char* field, const char* value) {
    require(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(value), -1, -1, 0),
            "name");
  };
  add("O", "iothub-emulator");
  add("CN", common_name);
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

void add_subject_alternative_names(X509* certificate, const std::vector<std::string>& names) {
  const NamesPtr list(require(GENERAL_NAMES_new(), "names"));
  for (const auto& name : names) {
    GENERAL_NAME* entry = require(
        a2i_GENERAL_NAME(nullptr, nullptr, nullptr, is_ip_address(name) ? GEN_IPADD : GEN_DNS,
                         name.c_str(), 0),
        name.c_str());
    require(sk_GENERAL_NAME_push(list.get(), entry), "names");
  }
  require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1, "names");
}

std::set<std::string> names_in(X509* certificate) {
  std::set<std::string> names;
  const NamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    int type = 0;
    const auto* value =
        static_cast<ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list.get(), i), &type));
    std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                      static_cast<std::size_t>(ASN1_STRING_length(value)));
    names.insert(type == GEN_DNS ? hub::to_lower(bytes) : bytes);
  }
  return names;
}

bool lasts(X509* certificate, hub::TimePoint now) {
  auto limit = static_cast<std::time_t>(hub::to_unix_ms(now + renew_before) / 1000);
  auto start = static_cast<std::time_t>(hub::to_unix_ms(now) / 1000);
  return X509_cmp_time(X509_get0_notAfter(certificate), &limit) > 0 &&
         X509_cmp_time(X509_get0_notBefore(certificate), &start) < 0;
}

CertificatePtr sign(EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, const char* common_name,
                    const std::vector<std::string>& names, hub::TimePoint now) {
  CertificatePtr certificate(require(X509_new(), "certificate"));
  X509* const self = certificate.get();
  const bool is_ca = issuer == nullptr;
  X509* const by = is_ca ? self : issuer;
  require(X509_set_version(self, 2), "version");
  set_random_serial(self);
  set_validity(self, now, is_ca ? ca_life : leaf_life);
  set_name(X509_get_subject_name(self), common_name);
  require(X509_set_issuer_name(self, X509_get_subject_name(by)), "issuer");
  require(X509_set_pubkey(self, key), "public key");
  add_extension(self, by, NID_subject_key_identifier, "hash");
  add_extension(self, by, NID_authority_key_identifier, "keyid:always");
  add_extension(self, by, NID_basic_constraints, is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE");
  const bool is_rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  add_extension(self, by, NID_key_usage,
                is_ca    ? "critical,keyCertSign,cRLSign"
                : is_rsa ? "critical,digitalSignature,keyEncipherment"
                         : "critical,digitalSignature");
  if (!is_ca) {
    add_extension(self, by, NID_ext_key_usage, "serverAuth");
    add_subject_alternative_names(self, names);
  }
  require(X509_sign(self, is_ca ? key : issuer_key, EVP_sha256()), "signature");
  return certificate;
}

// Held while the folder is looked at and written: tests start several emulators at once. A folder
// that is read-only needs none: what is missing in it cannot be written anyway.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : fd_(::open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ >= 0) ::flock(fd_, LOCK_EX);
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

struct Pair {
  CertificatePtr certificate;
  KeyPtr key;
  bool written = false;
};

Pair load(const std::filesystem::path& folder, const std::string& name) {
  Pair pair;
  pair.certificate = certificate_from(read_file(folder / (name + ".pem")));
  pair.key = key_from(read_file(folder / (name + "-key.pem")));
  ERR_clear_error();
  return pair;
}

void save(const std::filesystem::path& folder, const std::string& name, Pair& pair) {
  write_file_atomically(folder / (name + "-key.pem"), to_pem(pair.key.get()), 0600);
  write_file_atomically(folder / (name + ".pem"), to_pem(pair.certificate.get()), 0644);
  pair.written = true;
}

Pair ensure_ca(const std::filesystem::path& folder, hub::TimePoint now) {
  Pair ca = load(folder, "ca");
  if (ca.certificate && ca.key && X509_check_private_key(ca.certificate.get(), ca.key.get()) == 1 &&
      lasts(ca.certificate.get(), now)) {
    return ca;
  }
  ca.key.reset(require(EVP_EC_gen("P-256"), "key of the CA"));
  ca.certificate = sign(ca.key.get(), nullptr, nullptr, "iothub-emulator development CA", {}, now);
  save(folder, "ca", ca);
  return ca;
}

Pair ensure_leaf(const std::filesystem::path& folder, const std::string& name, const Pair& ca,
                 const std::vector<std::string>& names, hub::TimePoint now) {
  Pair leaf = load(folder, name);
  std::set<std::string> wanted;
  for (const auto& one : names) wanted.insert(canonical_name(one));
  if (leaf.certificate && leaf.key && !ca.written && lasts(leaf.certificate.get(), now) &&
      X509_check_private_key(leaf.certificate.get(), leaf.key.get()) == 1 &&
      X509_verify(leaf.certificate.get(), ca.key.get()) == 1 &&
      names_in(leaf.certificate.get()) == wanted) {
    return leaf;
  }
  ERR_clear_error();
  if (!leaf.key) {
    leaf.key.reset(require(name == "server-rsa" ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"),
                           "key of the server"));
  }
  leaf.certificate = sign(leaf.key.get(), ca.certificate.get(), ca.key.get(), "localhost", names, now);
  save(folder, name, leaf);
  return leaf;
}

DevCertificates read_all(const std::filesystem::path& folder) {
  const auto text = [&](const char* name) { return read_file(folder / name).value_or(""); };
  DevCertificates all;
  all.ca = text("ca.pem");
  all.rsa_chain = text("server-rsa.pem");
  all.rsa_key = text("server-rsa-key.pem");
  all.ecdsa_chain = text("server-ecdsa.pem");
  all.ecdsa_key = text("server-ecdsa-key.pem");
  all.ca_path = std::filesystem::absolute(folder / "ca.pem");
  return all;
}

// To take certificates and keys apart and to check them against each other is half of a start's work.
// So what was found good is noted, as a digest over all of it and the day it was looked at: the same
// files, for the same names, on the same day, need no second look.
constexpr const char* checked_file = ".checked";

std::string checked_line(const std::filesystem::path& folder, const DevCertificates& all,
                         const std::vector<std::string>& names, hub::TimePoint now) {
  std::string text;
  for (const auto& part : {all.ca, read_file(folder / "ca-key.pem").value_or(""), all.rsa_chain,
                           all.rsa_key, all.ecdsa_chain, all.ecdsa_key}) {
    text += std::to_string(part.size()) + " " + part;
  }
  for (const auto& name : names) text += canonical_name(name) + "\n";
  text += std::to_string(std::chrono::floor<std::chrono::days>(now).time_since_epoch().count());
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  require(EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(),
                       reinterpret_cast<unsigned char*>(digest.data()), &size) == 1,
          "digest");
  digest.resize(size);
  return hub::hex_encode(digest) + "\n";
}

std::optional<DevCertificates> read_checked(const std::filesystem::path& folder,
                                            const std::vector<std::string>& names, hub::TimePoint now) {
  const auto noted = read_file(folder / checked_file);
  if (!noted) return std::nullopt;
  DevCertificates all = read_all(folder);
  if (*noted != checked_line(folder, all, names, now)) return std::nullopt;
  return all;
}

void note_checked(const std::filesystem::path& folder, const DevCertificates& all,
                  const std::vector<std::string>& names, hub::TimePoint now) {
  try {
    write_file_atomically(folder / checked_file, checked_line(folder, all, names, now), 0600);
  } catch (const std::system_error&) {  // a read-only folder: it is looked at each time
  }
}

}  // namespace

DevCertificates ensure_dev_certificates(const std::filesystem::path& folder,
                                        const std::vector<std::string>& names, hub::TimePoint now) {
  try {
    if (!std::filesystem::exists(folder)) {
      std::filesystem::create_directories(folder);
      std::filesystem::permissions(folder, std::filesystem::perms{0755});
    }
    const FolderLock lock(folder);
    if (auto checked = read_checked(folder, names, now)) return *checked;
    const Pair ca = ensure_ca(folder, now);
    const Pair rsa = ensure_leaf(folder, "server-rsa", ca, names, now);
    const Pair ecdsa = ensure_leaf(folder, "server-ecdsa", ca, names, now);
    DevCertificates out = read_all(folder);
    out.renewed = ca.written || rsa.written || ecdsa.written;
    note_checked(folder, out, names, now);
    return out;
  } catch (const std::system_error& error) {
    throw std::runtime_error(std::string(error.what()) +
                             ": the folder for certificates cannot be used; give another with --tls-dir");
  }
}

}  // namespace app
