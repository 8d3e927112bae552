// Who is calling: the hub's part of spec/c2d.md 6.2..6.4.
#include "emulator/core/encoding.hpp"
#include "emulator/core/hub_impl.hpp"

namespace hub {

namespace {

HubError unauthorized(std::string detail) {
  return fail(HubErrc::iot_hub_unauthorized_access, std::move(detail));
}

// `sr` behind its host, decoded once. `https://`, `amqps://` and `sb://` are tolerated (amqp.md 2.4).
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

void grant(Principal& principal, const DeviceId& id) {
  principal.kind = id.is_module() ? Principal::Kind::module : Principal::Kind::device;
  principal.name = id.name();
  principal.rights = static_cast<Rights>(Right::device_connect);
}

}  // namespace

Result<Principal> Hub::authenticate_sas(std::string_view token_text, TimePoint now) {
  const auto refuse = [this](std::string why) {
    ++metrics_.authentication_failures;
    return unauthorized(std::move(why));
  };
  auto parsed = parse_sas_token(token_text);
  if (!parsed) return refuse(parsed.error().detail);
  const SasToken& token = *parsed;
  if (now >= token.expires_at + config_.settings.sas_clock_skew) {
    return refuse("the token expired at " + to_iso8601(token.expires_at));
  }
  Principal principal;
  principal.scope = scope_of(token.sr);
  principal.expires_at = token.expires_at;

  if (!token.skn.empty()) {
    for (const SharedAccessPolicy& policy : config_.policies) {
      if (policy.name != token.skn) continue;
      if (!any_key_verifies(token, policy.primary_key, policy.secondary_key)) {
        return refuse("the signature fits no key of policy " + policy.name);
      }
      principal.kind = Principal::Kind::policy;
      principal.name = policy.name;
      principal.rights = policy.rights;
      return principal;
    }
    return refuse("there is no shared access policy " + token.skn);
  }

  // The identity is the one that `sr` names; its own key must have signed.
  const std::vector<std::string>& scope = principal.scope;
  if (scope.size() < 2 || !iequals(scope[0], "devices")) {
    return refuse("a token without skn must name a device: sr={host}/devices/{id}[/modules/{id}]");
  }
  DeviceId id{scope[1]};
  if (scope.size() >= 4 && iequals(scope[2], "modules")) id.module = scope[3];
  if (id.is_module() ? config_.settings.disable_module_sas : config_.settings.disable_device_sas) {
    return refuse(id.is_module() ? "this hub takes no tokens from modules (setting disableModuleSAS)"
                                 : "this hub takes no tokens from devices (setting disableDeviceSAS)");
  }
  Authentication keys;
  {
    Guard guard(*this, now);
    if (guard->registry.find(id) == nullptr) {  // encoded once more? (SEC-09)
      const DeviceId decoded{percent_decode(id.text), percent_decode(id.module)};
      if (guard->registry.find(decoded) != nullptr) id = decoded;
    }
    const auto identity = guard->registry.usable(id);
    if (!identity) return refuse(identity.error().detail);
    keys = (*identity)->authentication;
    if (keys.type != AuthenticationType::sas) {
      return refuse(described(id) + " uses " + std::string(to_text(keys.type)) + ", not keys");
    }
    principal.generation_id = (*identity)->generation_id;
  }
  // Outside the lock: two HMACs must not hold up everybody else.
  if (!any_key_verifies(token, keys.primary_key, keys.secondary_key)) {
    return refuse("the signature fits neither key of " + described(id));
  }
  grant(principal, id);
  return principal;
}

Result<Principal> Hub::authenticate_certificate(const DeviceId& device,
                                                const ClientCertificate& certificate,
                                                TimePoint now) {
  Guard guard(*this, now);
  const auto refuse = [this](std::string why) {
    ++metrics_.authentication_failures;
    return unauthorized(std::move(why));
  };
  const auto identity = guard->registry.usable(device);
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

Result<DeviceIdentity> Hub::authorize_device(const Principal& principal, const DeviceId& device,
                                             TimePoint now) {
  const auto refuse = [this](std::string why) {
    ++metrics_.authentication_failures;
    return unauthorized(std::move(why));
  };
  if (!has(principal.rights, Right::device_connect)) {
    return refuse("policy " + principal.name + " lacks DeviceConnect");
  }
  if (principal.expires_at && now >= *principal.expires_at + config_.settings.sas_clock_skew +
                                         config_.settings.token_expiry_grace) {
    return refuse("the token expired at " + to_iso8601(*principal.expires_at));
  }
  if (!scope_covers(principal.scope, device.resource())) {
    return refuse("the token's scope does not cover " + described(device));
  }
  Guard guard(*this, now);
  const auto identity = guard->registry.usable(device);
  if (!identity) return refuse(identity.error().detail);
  if (principal.kind != Principal::Kind::policy) {
    // The scope was compared leniently; the identity is exact (SEC-08). A device's token is not
    // good for its modules, nor theirs for it (MOD-05): names differ.
    if (principal.name != device.name()) {
      return refuse("the token is of " + principal.name + ", not " + device.name());
    }
    if (principal.generation_id != (*identity)->generation_id) {
      return refuse(described(device) + " was created anew since");
    }
    // A proof by the former method is none, be it from before the change (SEC-12).
    if (principal.by_certificate == ((*identity)->authentication.type == AuthenticationType::sas)) {
      return refuse(described(device) + " uses " +
                    std::string(to_text((*identity)->authentication.type)) + " since");
    }
  }
  return **identity;
}

Result<void> Hub::authorize_service(const Principal& principal, Right right,
                                    const std::vector<std::string>& resource, TimePoint now) {
  const auto refuse = [this](std::string why) {
    ++metrics_.authentication_failures;
    return unauthorized(std::move(why));
  };
  if (principal.kind != Principal::Kind::policy || !has(principal.rights, right)) {
    const char* name = right == Right::registry_read    ? "RegistryRead"
                       : right == Right::registry_write ? "RegistryWrite"
                       : right == Right::service_connect ? "ServiceConnect"
                                                         : "DeviceConnect";
    return refuse(principal.name + " lacks " + name);
  }
  if (principal.expires_at && now >= *principal.expires_at + config_.settings.sas_clock_skew +
                                         config_.settings.token_expiry_grace) {
    return refuse("the token expired at " + to_iso8601(*principal.expires_at));
  }
  if (!scope_covers(principal.scope, resource)) {
    return refuse("the token's scope does not cover this resource");
  }
  return {};
}

}  // namespace hub
