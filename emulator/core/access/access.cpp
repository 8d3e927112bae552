#include "emulator/core/access/access.hpp"

#include "emulator/core/base/encoding.hpp"

namespace hub {

namespace {

HubError unauthorized(std::string detail) {
  return fail(HubErrc::iot_hub_unauthorized_access, std::move(detail));
}

// `sr` behind its host, decoded once. `https://`, `amqps://` and `sb://` are tolerated
// (amqp.md 2.4).
std::vector<std::string> scope_of(std::string_view sr) {
  std::string decoded = percent_decode(sr);
  std::string_view text = decoded;
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    text.remove_prefix(scheme + 3);
  }
  std::vector<std::string> segments;
  bool host = true;
  while (!text.empty()) {
    const auto slash = text.find('/');
    const std::string_view segment = text.substr(0, slash);
    text = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
    if (host) {
      host = false;  // any host text: the hub answers to every name a client uses (M-04)
    } else if (!segment.empty()) {
      segments.emplace_back(segment);
    }
  }
  return segments;
}

bool any_key_verifies(const SasToken& token, std::string_view primary, std::string_view secondary) {
  return verify_sas_signature(token, primary) || verify_sas_signature(token, secondary);
}

HubError sas_disabled(bool modules) {
  return unauthorized(modules ? "this hub takes no tokens from modules (setting disableModuleSAS)"
                              : "this hub takes no tokens from devices (setting disableDeviceSAS)");
}

std::string not_covered(const Principal& principal, const std::string& what) {
  std::string scope;
  for (const std::string& segment : principal.scope) scope += "/" + segment;
  return "the token's scope does not cover " + what + "; its sr says {host}" + scope;
}

// Nothing is wrong with a token that lives for ever, but it is hardly meant.
void warn_of_milliseconds(Log& log, const SasToken& token, const std::string& whose) {
  constexpr std::size_t digits_until_year_9999 = 12;
  if (token.se.size() <= digits_until_year_9999) return;
  log.warn("a token never expires: its se looks like milliseconds",
           {{"of", whose}, {"se", token.se}, {"remedy", "se is Unix time in seconds"}});
}

std::string_view to_text(Right right) {
  switch (right) {
    case Right::registry_read:
      return "RegistryRead";
    case Right::registry_write:
      return "RegistryWrite";
    case Right::service_connect:
      return "ServiceConnect";
    case Right::device_connect:
      return "DeviceConnect";
  }
  assertion_failed("unknown Right", __FILE__, __LINE__);
}

void grant(Principal& principal, const DeviceId& id) {
  principal.kind = id.is_module() ? Principal::Kind::module : Principal::Kind::device;
  principal.name = id.name();
  principal.rights = static_cast<Rights>(Right::device_connect);
}

}  // namespace

HubError Access::refuse(std::string why) {
  ++monitor_.metrics().authentication_failures;
  return unauthorized(std::move(why));
}

Result<Principal> Access::authenticate_sas(std::string_view token_text, TimePoint now) {
  auto parsed = parse_sas_token(token_text);
  if (!parsed) return refuse(parsed.error().detail);
  const SasToken& token = *parsed;
  if (auto valid = check_expiry(token.expires_at, Duration::zero(), now); !valid) {
    return refuse(valid.error().detail);
  }
  Principal principal;
  principal.scope = scope_of(token.sr);
  principal.expires_at = token.expires_at;

  if (!token.skn.empty()) {
    for (const SharedAccessPolicy& policy : policies_) {
      if (policy.name != token.skn) continue;
      if (!any_key_verifies(token, policy.primary_key, policy.secondary_key)) {
        return refuse("the signature fits neither key of policy " + policy.name +
                      "; sign the token with the key that the hub printed as it started");
      }
      warn_of_milliseconds(monitor_.log(), token, "policy " + policy.name);
      principal.kind = Principal::Kind::policy;
      principal.name = policy.name;
      principal.rights = policy.rights;
      return principal;
    }
    std::string known;
    for (const SharedAccessPolicy& policy : policies_) {
      known += (known.empty() ? "" : ", ") + policy.name;
    }
    return refuse("there is no shared access policy " + token.skn + "; this hub has " + known +
                  ", and a device's own token has no skn");
  }

  const std::vector<std::string>& scope = principal.scope;
  if (scope.size() < 2 || !iequals(scope[0], "devices")) {
    return refuse(
        "a token without skn must name a device: sr={host}/devices/{id}[/modules/{id}]; that "
        "of a policy says skn={policy}");
  }
  DeviceId id{scope[1]};
  if (scope.size() >= 4 && iequals(scope[2], "modules")) id.module = scope[3];
  auto verified = verify_own_token(principal, token, id, now);
  // Some SDKs encode an id once more (SEC-09); the key decides which of the two is meant (SEC-21).
  if (DeviceId decoded{percent_decode(id.text), percent_decode(id.module)};
      !verified && decoded != id) {
    if (auto second = verify_own_token(principal, token, decoded, now)) {
      principal.scope[1] = decoded.text;
      if (decoded.is_module()) principal.scope[3] = decoded.module;
      verified = Result<void>{};
    } else if (second.error().code == HubErrc::iot_hub_unauthorized_access) {
      verified = second;  // this one is registered, and that says more
    }
  }
  if (!verified) return refuse(verified.error().detail);
  warn_of_milliseconds(monitor_.log(), token, principal.name);
  return principal;
}

Result<void> Access::check_expiry(TimePoint expires_at, Duration grace, TimePoint now) const {
  if (now < expires_at + settings_.sas_clock_skew + grace) return {};
  std::string why = "the token expired at " + to_iso8601(expires_at) +
                    ", and the hub's clock is at " + to_iso8601(now);
  const auto drift = clock_drift_.load(std::memory_order_relaxed);
  if (drift >= Duration::zero()) {  // a hub that is behind gives tokens a longer life
    why += ": make a new one";
  } else {
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(abs(drift)).count();
    why += "; this machine's clock was set back by " + std::to_string(minutes) +
           " minutes since the hub started, which keeps to its own: restart the hub";
  }
  return unauthorized(std::move(why));
}

// The token of an identity is signed with its own key, or for a module with its device's (MOD-23).
Result<void> Access::verify_own_token(Principal& principal, const SasToken& token,
                                      const DeviceId& id, TimePoint now) {
  const Settings& settings = settings_;
  if (id.is_module() ? settings.disable_module_sas : settings.disable_device_sas) {
    return sas_disabled(id.is_module());
  }
  Authentication own, of_device;
  {
    const Turn turn(monitor_, now);
    const auto identity = registry_.identities().usable(id);
    if (!identity) return identity.error();
    own = (*identity)->authentication;
    if (id.is_module() && !settings.disable_device_sas) {
      of_device = registry_.identities().find(DeviceId{id.text})->authentication;
    }
    principal.generation_id = (*identity)->generation_id;
  }
  if (own.type != AuthenticationType::sas) {
    return unauthorized(described(id) + " uses " + std::string(to_text(own.type)) +
                        ", not keys: no token opens it; let it connect in that way, or change its "
                        "authentication type to sas");
  }
  // Outside the lock: HMACs must not hold up everybody else.
  if (!any_key_verifies(token, own.primary_key, own.secondary_key)) {
    principal.by_device_key =
        id.is_module() && any_key_verifies(token, of_device.primary_key, of_device.secondary_key);
    if (!principal.by_device_key) {
      return unauthorized(
          "the signature fits neither key of " + described(id) +
          (id.is_module() ? ", nor one of its device" : "") +
          "; take the key from the registry, which has new ones if it was made anew");
    }
  }
  grant(principal, id);
  return {};
}

Result<Principal> Access::authenticate_certificate(const DeviceId& device,
                                                   const ClientCertificate& certificate,
                                                   TimePoint now) {
  const Turn turn(monitor_, now);
  const auto identity = registry_.identities().usable(device);
  if (!identity) return refuse(identity.error().detail);
  const Authentication& authentication = (*identity)->authentication;
  const auto granted = [&] {
    Principal principal;
    principal.generation_id = (*identity)->generation_id;
    principal.by_certificate = true;
    grant(principal, device);
    return principal;
  };
  if (authentication.type == AuthenticationType::certificate_authority) {  // SEC-15
    if (certificate.common_name != device.name()) {
      return refuse("the certificate's common name is " + certificate.common_name + ", not " +
                    device.name());
    }
    if (!certificate.chain_trusted) {
      return refuse("the certificate of " + described(device) +
                    " leads to none of the CAs given by --device-ca, or is not valid today");
    }
    return granted();
  }
  if (authentication.type != AuthenticationType::self_signed) {
    return refuse(described(device) + " uses " + std::string(to_text(authentication.type)) +
                  ", not a certificate");
  }
  const auto matches = [&](std::string_view thumbprint) {
    return !thumbprint.empty() && (iequals(thumbprint, certificate.sha1_hex) ||
                                   iequals(thumbprint, certificate.sha256_hex));
  };
  if (!matches(authentication.primary_thumbprint) &&
      !matches(authentication.secondary_thumbprint)) {
    return refuse("the certificate's thumbprint (SHA-256 " + certificate.sha256_hex +
                  ") is not one of " + described(device));
  }
  return granted();
}

Result<DeviceIdentity> Access::authorize_device(const Principal& principal, const DeviceId& device,
                                                TimePoint now) {
  if (!has(principal.rights, Right::device_connect)) {
    return refuse("policy " + principal.name +
                  " lacks DeviceConnect; take the device's own key, or a policy such as device");
  }
  if (principal.expires_at) {
    const auto valid = check_expiry(*principal.expires_at, settings_.token_expiry_grace, now);
    if (!valid) return refuse(valid.error().detail);
  }
  if (!scope_covers(principal.scope, device.resource())) {
    return refuse(not_covered(principal, described(device)));
  }
  const Turn turn(monitor_, now);
  const auto identity = registry_.identities().usable(device);
  if (!identity) return refuse(identity.error().detail);
  if (principal.kind != Principal::Kind::policy) {
    if (auto proven = check_own(principal, device); !proven) {
      return refuse(proven.error().detail);
    }
  }
  return **identity;
}

// `whom` is usable. The scope is checked; the identity is exact (SEC-08): a module's proof is good
// for that module only, a device's token for its modules as well (MOD-05, MOD-23).
Result<void> Access::check_own(const Principal& principal, const DeviceId& whom) const {
  const DeviceId device{whom.text};
  const bool as_device = whom.is_module() && principal.kind == Principal::Kind::device &&
                         !principal.by_certificate && principal.name == device.text;
  if (!as_device && principal.name != whom.name()) {
    return unauthorized("the token is of " + principal.name + ", not " + whom.name() +
                        "; each needs one of its own");
  }
  if (as_device && settings_.disable_module_sas) {
    return sas_disabled(true);
  }
  const DeviceIdentity& proven = *registry_.identities().find(as_device ? device : whom);
  if (principal.generation_id != proven.generation_id) {
    return unauthorized(described(proven.id) + " was created anew since, with new keys");
  }
  // A proof by the former method is none, be it from before the change (SEC-12).
  const auto type_of = [&](const DeviceId& id) HUB_REQUIRES(in_turn) {
    return registry_.identities().find(id)->authentication.type;
  };
  const auto changed = [&](const DeviceId& id) HUB_REQUIRES(in_turn) {
    return unauthorized(described(id) + " uses " + std::string(to_text(type_of(id))) + " since");
  };
  if (principal.by_certificate == (type_of(whom) == AuthenticationType::sas)) return changed(whom);
  if ((as_device || principal.by_device_key) && type_of(device) != AuthenticationType::sas) {
    return changed(device);
  }
  return {};
}

Result<void> Access::authorize_service(const Principal& principal, Right right,
                                       const std::vector<std::string>& resource, TimePoint now) {
  if (principal.kind != Principal::Kind::policy || !has(principal.rights, right)) {
    const bool is_policy = principal.kind == Principal::Kind::policy;
    return refuse((is_policy ? "policy " : "") + principal.name + " lacks " +
                  std::string(to_text(right)) +
                  "; take the token of a policy that has it, such as "
                  "iothubowner");
  }
  if (principal.expires_at) {
    const auto valid = check_expiry(*principal.expires_at, settings_.token_expiry_grace, now);
    if (!valid) return refuse(valid.error().detail);
  }
  if (!scope_covers(principal.scope, resource)) {
    return refuse(not_covered(principal, "this resource"));
  }
  return {};
}

}  // namespace hub
