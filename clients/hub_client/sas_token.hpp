#pragma once
// Shared access signatures: the password of every transport.
//   SharedAccessSignature sr={encoded resource}&sig={encoded signature}&se={expiry}[&skn={policy}]
//   signature = base64(HMAC-SHA256(base64-decoded key, sr as written + "\n" + se as written))
#include "clients/hub_client/connection_string.hpp"
#include "clients/hub_client/time.hpp"

#include <string>
#include <string_view>

namespace iothub {

struct SasToken {
  std::string text;  // a secret: never print it
  TimePoint expires_at;
};

// Error invalid_argument when `key` is not base64. An empty `policy` leaves skn out.
SasToken sign_sas_token(std::string_view resource, std::string_view key, std::string_view policy,
                        TimePoint expires_at);

// The token that `cs` calls for: its ready-made one, or a new one valid for `ttl`. Scope is the
// device when the string names one, else the hub.
SasToken make_sas_token(const ConnectionString& cs, TimePoint at, Duration ttl);

// When to take a new token: after 85 % of its life, as the SDKs do.
TimePoint renewal_time(const SasToken& token, TimePoint made_at);

}  // namespace iothub
