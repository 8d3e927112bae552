// What a TLS client may show as its certificate: DER in, thumbprints and common name out, and a
// device that is known by a thumbprint, to log in with.
#include "emulator/core/base/encoding.hpp"
#include "protocols/net/client_certificate.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <memory>

FUZZ_TARGET(certificate) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
  const std::unique_ptr<X509, decltype(&X509_free)> parsed(
      d2i_X509(nullptr, &bytes, static_cast<long>(input.size())), X509_free);
  ERR_clear_error();
  if (parsed == nullptr) return;
  const auto fields = net::read_client_certificate(parsed.get());
  HUB_ASSERT(fields.sha1_hex.size() == 40);
  HUB_ASSERT(fields.sha256_hex.size() == 64);
  HUB_ASSERT(fields.common_name.empty() || hub::is_valid_utf8(fields.common_name));

  static fuzz::World world;  // no device in it is known by a certificate
  for (const auto device : {fuzz::attacker, fuzz::victim}) {
    HUB_ASSERT(
        !world.hub.access().authenticate_certificate({std::string(device)}, fields, world.now));
  }
  HUB_ASSERT(!world.hub.access().authenticate_certificate({fields.common_name}, fields, world.now));
}
