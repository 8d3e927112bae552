#include "protocols/net/client_certificate.hpp"

#include "emulator/core/base/encoding.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>

namespace net {
namespace {

std::string digest_hex(X509* certificate, const EVP_MD* digest) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  if (X509_digest(certificate, digest, bytes.data(), &size) != 1) return {};
  return hub::hex_encode({reinterpret_cast<const char*>(bytes.data()), size});
}

std::string common_name(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name;
}

}  // namespace

hub::ClientCertificate read_client_certificate(X509* certificate) {
  return {digest_hex(certificate, EVP_sha1()), digest_hex(certificate, EVP_sha256()),
          common_name(certificate)};
}

}  // namespace net
