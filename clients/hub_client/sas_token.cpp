#include "clients/hub_client/sas_token.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

#include <charconv>
#include <cstdint>

namespace iothub {
namespace {

// Expiry of a token made elsewhere; one that does not say is taken to last, the hub will judge.
TimePoint expiry_of(std::string_view token) {
  const auto at = token.find("se=");
  if (at != std::string_view::npos && (at == 0 || token[at - 1] == '&' || token[at - 1] == ' ')) {
    std::uint64_t seconds = 0;
    const auto rest = token.substr(at + 3);
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
    if (read.ec == std::errc{} && seconds < 100'000'000'000) {
      return TimePoint{std::chrono::seconds{static_cast<std::int64_t>(seconds)}};
    }
  }
  return TimePoint::max();
}

}  // namespace

SasToken sign_sas_token(std::string_view resource, std::string_view key, std::string_view policy,
                        TimePoint expires_at) {
  const auto raw_key = base64_decode(key);
  if (!raw_key) throw Error{ErrorKind::invalid_argument, "SharedAccessKey is not base64"};
  // Whole seconds, and never a shorter life than was asked for.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(expires_at);
  const std::string se = std::to_string(seconds.time_since_epoch().count());
  const std::string sr = percent_encode(resource);
  const std::string signature = base64_encode(hmac_sha256(*raw_key, sr + "\n" + se));
  std::string text =
      "SharedAccessSignature sr=" + sr + "&sig=" + percent_encode(signature) + "&se=" + se;
  if (!policy.empty()) text += "&skn=" + percent_encode(policy);
  return {text, seconds};
}

SasToken make_sas_token(const ConnectionString& cs, TimePoint at, Duration ttl) {
  if (!cs.shared_access_signature.empty()) {
    return {cs.shared_access_signature, expiry_of(cs.shared_access_signature)};
  }
  if (cs.shared_access_key.empty()) {
    throw Error{ErrorKind::invalid_argument,
                "connection string: SharedAccessKey is missing, and no --cert and --key are given"};
  }
  std::string resource = cs.host_name;
  if (!cs.device_id.empty()) resource += "/devices/" + cs.device_id;
  return sign_sas_token(resource, cs.shared_access_key, cs.shared_access_key_name, at + ttl);
}

TimePoint renewal_time(const SasToken& token, TimePoint made_at) {
  if (token.expires_at == TimePoint::max()) return TimePoint::max();
  if (token.expires_at <= made_at) return token.expires_at;
  return made_at + (token.expires_at - made_at) * 85 / 100;
}

}  // namespace iothub
