#pragma once
// The development CA and the server certificate it signs, as PEM files in one folder:
//   ca.pem ca-key.pem                        ECDSA P-256, ten years, made once: clients trust it
//   server-rsa.pem, -key  server-ecdsa.pem, -key   RSA 2048 and ECDSA P-256, both valid 397 days
// Made on first start; the certificates, not the keys, are renewed when the set of names changes or
// their end comes near (N-10). Keys have mode 0600. `.lock` keeps two starting processes apart, `.checked`
// spares the second start of a day what the first one has verified.
#include "emulator/core/time.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace app {

struct DevCertificates {
  std::string ca;  // PEM
  std::string rsa_chain, rsa_key;
  std::string ecdsa_chain, ecdsa_key;
  std::filesystem::path ca_path;
  bool renewed = false;  // something was written
};

// `names`: DNS names and IP addresses, in any order. Throws std::runtime_error that says what to do.
DevCertificates ensure_dev_certificates(const std::filesystem::path& folder,
                                        const std::vector<std::string>& names, hub::TimePoint now);

}  // namespace app
