#pragma once
// Who is calling: SAS tokens, shared access policies, X.509 thumbprints -> Principal.
// Pure. Source: spec/c2d.md 6.2..6.4 (ids SEC-01..). Secrets are compared in constant time and are
// in no error text.
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/registry/device_registry.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

enum class Right : std::uint8_t {
  registry_read = 1,
  registry_write = 2,
  service_connect = 4,
  device_connect = 8,
};
using Rights = std::uint8_t;
inline bool has(Rights rights, Right right) { return (rights & static_cast<Rights>(right)) != 0; }

struct SharedAccessPolicy {
  std::string name;
  std::string primary_key;  // base64
  std::string secondary_key;
  Rights rights = 0;
};
// iothubowner, service, device, registryRead, registryReadWrite, all with the same key.
std::vector<SharedAccessPolicy> default_policies(std::string_view key);

// A token taken apart; `sr` and `se` are kept as they were written, since that is what is signed.
struct SasToken {
  std::string_view sr;  // still encoded
  std::string_view se;
  std::string sig;         // decoded once: base64 text
  std::string skn;         // decoded; empty: a device's own key
  TimePoint expires_at{};  // the year 9999 at most
};
// iot_hub_unauthorized_access with the reason. Views point into `text`.
Result<SasToken> parse_sas_token(std::string_view text);
bool verify_sas_signature(const SasToken& token, std::string_view key_base64);
// The token text for tests, tools and connection checks.
std::string make_sas_token(std::string_view resource, std::string_view key_base64, TimePoint expiry,
                           std::string_view policy = {});

// From a TLS handshake; the client has proven that it holds the key.
struct ClientCertificate {
  std::string sha1_hex;  // lower case
  std::string sha256_hex;
  std::string common_name;
  bool chain_trusted = false;  // it leads to one of the hub's registered CAs, and is valid today
  bool operator==(const ClientCertificate&) const = default;
};

struct Principal {
  enum class Kind : std::uint8_t { policy, device, module };
  Kind kind = Kind::device;
  std::string name;           // of the policy, or DeviceId::name
  std::string generation_id;  // device or module
  Rights rights = 0;
  std::vector<std::string> scope;       // decoded path segments of sr behind the host; empty: all
  std::optional<TimePoint> expires_at;  // nullopt: X.509
  bool by_certificate = false;
  bool by_device_key = false;  // a module whose token was signed with its device's key
};

// What the hub stamps on telemetry as iothub-connection-auth-method: JSON (spec/amqp.md 6.4).
std::string_view auth_method_of(const Principal& principal);

// True if `scope` is a whole-segment prefix of `resource` (`/a/b` covers `/a/b/c`, not `/a/bc`).
// Fixed words compare case-insensitively, ids literally (SEC-21). A deeper scope
// `devices/{id}[/modules/{id}]/api-version=…` is accepted for that identity (M-13).
bool scope_covers(const std::vector<std::string>& scope, const std::vector<std::string>& resource);

}  // namespace hub
