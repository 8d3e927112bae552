#include "emulator/app/x509.hpp"

#include "emulator/app/host_names.hpp"
#include "emulator/core/base/encoding.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <stdexcept>

namespace app {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using VerificationPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;
using StackPtr =
    std::unique_ptr<STACK_OF(X509), Freer<[](STACK_OF(X509) * all) { sk_X509_free(all); }>>;

constexpr auto ca_life = std::chrono::days{3650};
constexpr auto server_life = std::chrono::days{397};  // what the strictest clients accept is 398
constexpr auto backdated = std::chrono::days{1};      // for clients whose clock is behind
constexpr const char* our_organization = "iothub-emulator";

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

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void set_validity(X509* certificate, hub::TimePoint now, std::chrono::days life) {
  const auto seconds = [](hub::TimePoint t) {
    return static_cast<std::time_t>(hub::to_unix_ms(t) / 1000);
  };
  require(ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(now - backdated)), "validity");
  require(ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(now - backdated + life)),
          "validity");
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
  add("O", our_organization);
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
    GENERAL_NAME* entry =
        require(a2i_GENERAL_NAME(nullptr, nullptr, nullptr,
                                 is_ip_address(name) ? GEN_IPADD : GEN_DNS, name.c_str(), 0),
                name.c_str());
    require(sk_GENERAL_NAME_push(list.get(), entry), "names");
  }
  require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1, "names");
}

CertificatePtr sign(EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, const char* common_name,
                    const std::vector<std::string>& names, hub::TimePoint now) {
  CertificatePtr certificate(require(X509_new(), "certificate"));
  X509* const self = certificate.get();
  const bool is_ca = issuer == nullptr;
  X509* const by = is_ca ? self : issuer;
  require(X509_set_version(self, 2), "version");
  set_random_serial(self);
  set_validity(self, now, is_ca ? ca_life : server_life);
  set_name(X509_get_subject_name(self), common_name);
  require(X509_set_issuer_name(self, X509_get_subject_name(by)), "issuer");
  require(X509_set_pubkey(self, key), "public key");
  add_extension(self, by, NID_subject_key_identifier, "hash");
  add_extension(self, by, NID_authority_key_identifier, "keyid:always");
  add_extension(self, by, NID_basic_constraints,
                is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE");
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

hub::TimePoint time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return hub::from_unix_seconds(::timegm(&parts));
}

}  // namespace

CertificatePtr read_certificate(const std::string& pem) {
  auto all = read_certificates(pem);
  return all.empty() ? nullptr : std::move(all.front());
}

std::vector<CertificatePtr> read_certificates(const std::string& pem) {
  std::vector<CertificatePtr> all;
  const BioPtr bio = reader(pem);
  while (CertificatePtr one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    all.push_back(std::move(one));
  }
  ERR_clear_error();  // the end of the text is reported as an error
  return all;
}

KeyPtr read_key(const std::string& pem) {
  const auto no_passphrase = [](char*, int, int, void*) {
    return -1;
  };  // else the terminal is asked
  KeyPtr key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
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

KeyPtr make_ec_key() { return KeyPtr(require(EVP_EC_gen("P-256"), "EC key")); }
KeyPtr make_rsa_key() { return KeyPtr(require(EVP_RSA_gen(2048), "RSA key")); }

CertificatePtr make_ca_certificate(EVP_PKEY* key, hub::TimePoint now) {
  return sign(key, nullptr, nullptr, "iothub-emulator development CA", {}, now);
}

CertificatePtr make_server_certificate(EVP_PKEY* key, X509* ca, EVP_PKEY* ca_key,
                                       const std::vector<std::string>& names, hub::TimePoint now) {
  return sign(key, ca, ca_key, "localhost", names, now);
}

bool made_here(X509* certificate) {
  std::array<char, 64> organization{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_organizationName,
                            organization.data(), static_cast<int>(organization.size()));
  return std::string_view(organization.data()) == our_organization;
}

bool is_ca(X509* certificate) { return X509_check_ca(certificate) > 0; }

bool belongs_to(EVP_PKEY* key, X509* certificate) {
  const bool good = X509_check_private_key(certificate, key) == 1;
  ERR_clear_error();
  return good;
}

bool signed_by(X509* certificate, X509* ca) {
  const bool good = X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
  ERR_clear_error();
  return good;
}

bool leads_to(const std::vector<CertificatePtr>& chain, X509* ca) {
  const StorePtr store(require(X509_STORE_new(), "store"));
  const StackPtr others(require(sk_X509_new_null(), "chain"));
  const VerificationPtr verification(require(X509_STORE_CTX_new(), "verification"));
  require(X509_STORE_add_cert(store.get(), ca) == 1, "CA");
  for (const auto& one : chain) require(sk_X509_push(others.get(), one.get()) > 0, "chain");
  require(
      X509_STORE_CTX_init(verification.get(), store.get(), chain.front().get(), others.get()) == 1,
      "verification");
  X509_STORE_CTX_set_flags(verification.get(),
                           X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  const bool good = X509_verify_cert(verification.get()) == 1;
  ERR_clear_error();
  return good;
}

std::set<std::string> names_in(X509* certificate) {
  std::set<std::string> names;
  const NamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    int type = 0;
    const auto* value = static_cast<ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list.get(), i), &type));
    std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                      static_cast<std::size_t>(ASN1_STRING_length(value)));
    names.insert(type == GEN_DNS ? hub::to_lower(bytes) : bytes);
  }
  return names;
}

hub::TimePoint begin_of(X509* certificate) { return time_of(X509_get0_notBefore(certificate)); }
hub::TimePoint end_of(X509* certificate) { return time_of(X509_get0_notAfter(certificate)); }

}  // namespace app
