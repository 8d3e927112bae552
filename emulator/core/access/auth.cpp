#include "emulator/core/access/auth.hpp"

#include <openssl/crypto.h>

#include <charconv>

#include "emulator/core/base/encoding.hpp"

namespace hub {

namespace {

constexpr std::string_view scheme = "SharedAccessSignature";
constexpr std::size_t token_chars_max = 4096;
constexpr std::size_t policy_name_chars_max = 256;  // 6.3 limits
constexpr std::int64_t seconds_at_year_9999 = 253'402'300'799;

HubError unauthorized(std::string detail) {
  return fail(HubErrc::iot_hub_unauthorized_access, std::move(detail));
}

// One path segment of a scope against one of a resource.
bool same_segment(std::string_view scope, std::string_view resource) {
  // Fixed words in any case, ids as they are.
  return scope == resource ||
         (iequals(scope, resource) &&
          (iequals(resource, "devices") || iequals(resource, "modules") ||
           iequals(resource, "messages") || iequals(resource, "events") ||
           iequals(resource, "devicebound") || iequals(resource, "servicebound") ||
           iequals(resource, "feedback")));
}

}  // namespace

std::vector<SharedAccessPolicy> default_policies(std::string_view key) {
  constexpr Rights read = static_cast<Rights>(Right::registry_read);
  constexpr Rights write = static_cast<Rights>(Right::registry_write);
  constexpr Rights service = static_cast<Rights>(Right::service_connect);
  constexpr Rights device = static_cast<Rights>(Right::device_connect);
  const std::string k(key);
  return {{"iothubowner", k, k, static_cast<Rights>(read | write | service | device)},
          {"service", k, k, service},
          {"device", k, k, device},
          {"registryRead", k, k, read},
          {"registryReadWrite", k, k, static_cast<Rights>(read | write)}};
}

namespace {

constexpr std::string_view form = "SharedAccessSignature sr=…&sig=…&se=…";

// What was given in a token's place, as far as it can be told without repeating it.
HubError no_token(std::string_view text) {
  const std::string expected = "; its form is " + std::string(form);
  if (text.empty()) return unauthorized("the token is empty" + expected);
  for (const std::string_view part : {"HostName=", "SharedAccessKey=", "DeviceId="}) {
    if (text.find(part) != std::string_view::npos) {
      return unauthorized("the token is a connection string; sign one with its key" + expected);
    }
  }
  if (iequals(text.substr(0, scheme.size()), scheme)) {
    return unauthorized("the word SharedAccessSignature is written in another case" + expected);
  }
  if (text.find(scheme) != std::string_view::npos) {
    return unauthorized("the token has something in front of SharedAccessSignature" + expected);
  }
  if (text.starts_with("sr=") || text.find("&sig=") != std::string_view::npos) {
    return unauthorized("the token lacks the word SharedAccessSignature" + expected);
  }
  if (const auto key = base64_decode(text); key && key->size() >= 16 && key->size() <= 64) {
    return unauthorized("a key was given in the place of a token; sign one with it" + expected);
  }
  return unauthorized("the token is no SharedAccessSignature" + expected);
}

Result<TimePoint> parse_expiry(std::string_view se) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(se.data(), se.data() + se.size(), seconds);
  if (error != std::errc{} || end != se.data() + se.size() || seconds < 0) {
    return unauthorized(
        "se of the token is no time in Unix seconds; expected are digits only, such "
        "as 1900000000");
  }
  // No maximum lifetime is documented; the far future is as good as any.
  return from_unix_seconds(std::min(seconds, seconds_at_year_9999));
}

}  // namespace

Result<SasToken> parse_sas_token(std::string_view text) {
  if (text.size() > token_chars_max) {
    return unauthorized("the token has " + std::to_string(text.size()) +
                        " characters, and 4096 are allowed");
  }
  if (!text.starts_with(scheme)) return no_token(text);
  text.remove_prefix(scheme.size());
  if (text.empty() || (text[0] != ' ' && text[0] != '\t')) {
    return unauthorized(
        text.starts_with('%')
            ? "the token is percent-encoded as a whole; only the values of sr and sig "
              "are to be"
            : "the token has no space behind SharedAccessSignature; its form is " +
                  std::string(form));
  }
  text.remove_prefix(1);
  if (text.starts_with(' ') || text.starts_with('\t')) {
    return unauthorized(
        "the token has more than one space behind SharedAccessSignature; write one");
  }

  SasToken token;
  bool has_sr = false, has_sig = false, has_se = false;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return unauthorized("a field of the token has no '='; its form is " + std::string(form) +
                          ", with & + / = inside a value percent-encoded");
    }
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    if (iequals(name, "sr")) {
      token.sr = value;
      has_sr = true;
    } else if (iequals(name, "sig")) {
      token.sig = percent_decode(value);
      has_sig = true;
    } else if (iequals(name, "se")) {
      token.se = value;
      has_se = true;
    } else if (iequals(name, "skn")) {
      token.skn = percent_decode(value);
    }
  }
  for (const auto& [has, name] : {std::pair{has_sr, "sr"}, {has_sig, "sig"}, {has_se, "se"}}) {
    if (has) continue;
    return unauthorized("the token lacks " + std::string(name) + "; its form is " +
                        std::string(form));
  }
  if (token.skn.size() > policy_name_chars_max) {
    return unauthorized("skn of the token, the name of a policy, is longer than 256 characters");
  }
  const auto expires_at = parse_expiry(token.se);
  if (!expires_at) return expires_at.error();
  token.expires_at = *expires_at;
  return token;
}

bool verify_sas_signature(const SasToken& token, std::string_view key_base64) {
  auto key = base64_decode(key_base64);
  if (!key || key->empty()) return false;
  std::string signed_text;
  signed_text.reserve(token.sr.size() + 1 + token.se.size());
  signed_text.append(token.sr).append(1, '\n').append(token.se);
  const bool same = equal_constant_time(base64_encode(hmac_sha256(*key, signed_text)), token.sig);
  OPENSSL_cleanse(key->data(), key->size());
  return same;
}

std::string make_sas_token(std::string_view resource, std::string_view key_base64, TimePoint expiry,
                           std::string_view policy) {
  const std::string sr = percent_encode(resource);
  const std::string se = std::to_string(to_unix_ms(expiry) / 1000);
  const auto key = base64_decode(key_base64);
  HUB_ASSERT(key.has_value());
  const std::string sig = percent_encode(base64_encode(hmac_sha256(*key, sr + "\n" + se)));
  std::string token = std::string(scheme) + " sr=" + sr + "&sig=" + sig + "&se=" + se;
  if (!policy.empty()) token += "&skn=" + percent_encode(policy);
  return token;
}

std::string_view auth_method_of(const Principal& principal) {
  switch (principal.kind) {
    case Principal::Kind::policy:
      return R"({"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";
    case Principal::Kind::device:
      return principal.by_certificate
                 ? R"({"scope":"device","type":"x509","issuer":"iothub","acceptingIpFilterRule":null})"
                 : R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";
    case Principal::Kind::module:
      return principal.by_certificate
                 ? R"({"scope":"module","type":"x509","issuer":"iothub","acceptingIpFilterRule":null})"
                 : R"({"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";
  }
  assertion_failed("unknown Principal::Kind", __FILE__, __LINE__);
}

bool scope_covers(const std::vector<std::string>& scope, const std::vector<std::string>& resource) {
  std::size_t depth = scope.size();
  // One vendor tool signs `devices/{id}/api-version=…` (M-13).
  if ((depth == 3 || depth == 5) && iequals(scope[0], "devices") &&
      scope[depth - 1].starts_with("api-version=")) {
    --depth;
  }
  if (depth > resource.size()) return false;
  for (std::size_t i = 0; i < depth; ++i) {
    if (!same_segment(scope[i], resource[i])) return false;
  }
  return true;
}

}  // namespace hub
