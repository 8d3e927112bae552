#pragma once
// The development CA and the server certificate it signs, as PEM files in one folder:
//   ca.pem ca-key.pem                        ECDSA P-256, ten years, made once: clients trust it
//   server-rsa.pem, -key  server-ecdsa.pem, -key   RSA 2048 and ECDSA P-256, both valid 397 days
// Made on first start; the server certificates, not the keys, are renewed when the set of names
// changes or their end comes near (N-10). Keys have mode 0600. `.lock` keeps two starting processes
// apart, `.checked` spares the second start of a day what the first one has verified.
//
// What somebody else has put there is used and never replaced (APP-32): a CA with its key signs the
// server certificates; a server certificate that was not made here is served as it is, the CA's key
// is not needed then. What can neither be used nor renewed stops the start.
#include "emulator/core/base/time.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace app {

struct DevCertificates {
  std::string ca;  // PEM: what clients are given
  std::string rsa_chain, rsa_key;
  std::string ecdsa_chain, ecdsa_key;
  std::filesystem::path ca_path;
  bool own = false;                   // somebody else's server certificate
  bool renewed = false;               // something was written,
  std::string why;                    // for this reason
  std::vector<std::string> warnings;  // each with its remedy
};

// `names`: DNS names and IP addresses, in any order. Throws std::runtime_error that says what to
// do.
DevCertificates ensure_dev_certificates(const std::filesystem::path& folder,
                                        const std::vector<std::string>& names, hub::TimePoint now);

// --tls-cert, --tls-key: a server certificate of one's own, its issuers behind it. Nothing is
// written. Throws std::runtime_error.
DevCertificates own_certificates(const std::filesystem::path& certificate,
                                 const std::filesystem::path& key, hub::TimePoint now);

}  // namespace app
