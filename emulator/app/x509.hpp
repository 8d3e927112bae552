#pragma once
// Certificates and private keys: read from PEM, looked at, made, and written as PEM.
// What OpenSSL refuses to make throws std::runtime_error.
#include "emulator/core/base/time.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace app {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
using CertificatePtr = std::unique_ptr<X509, FreeCertificate>;

CertificatePtr read_certificate(const std::string& pem);  // the first one; null: there is none
std::vector<CertificatePtr> read_certificates(const std::string& pem);
KeyPtr read_key(const std::string& pem);  // null: none, or one that wants a passphrase
std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);

KeyPtr make_ec_key();   // P-256
KeyPtr make_rsa_key();  // 2048
// A CA's own certificate, valid for ten years.
CertificatePtr make_ca_certificate(EVP_PKEY* key, hub::TimePoint now);
// A server's for `names`, DNS names and IP addresses, valid for 397 days.
CertificatePtr make_server_certificate(EVP_PKEY* key, X509* ca, EVP_PKEY* ca_key,
                                       const std::vector<std::string>& names, hub::TimePoint now);

bool made_here(X509* certificate);  // by the two above, in this or another process
bool is_ca(X509* certificate);
bool belongs_to(EVP_PKEY* key, X509* certificate);
bool signed_by(X509* certificate, X509* ca);
// Whether `chain`, the server's certificate first, leads to `ca`; dates are not looked at.
bool leads_to(const std::vector<CertificatePtr>& chain, X509* ca);
std::set<std::string> names_in(X509* certificate);  // each as canonical_name() has it
hub::TimePoint begin_of(X509* certificate);
hub::TimePoint end_of(X509* certificate);

}  // namespace app
