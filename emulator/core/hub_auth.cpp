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

  if (config_.settings.disable_device_sas) {
    return refuse("this hub takes no tokens from devices (setting disableDeviceSAS)");
  }
  if (principal.scope.size() < 2 || !iequals(principal.scope[0], "devices")) {
    return refuse("a token without skn must name a device: sr={host}/devices/{id}");
  }
  Authentication keys;
  {
    Guard guard(*this, now);
    const DeviceIdentity* identity = guard->registry.find(principal.scope[1]);
    if (identity == nullptr) identity = guard->registry.find(percent_decode(principal.scope[1]));
    if (identity == nullptr) {
      return refuse("device " + principal.scope[1] + " is not registered");
    }
    if (identity->status == DeviceStatus::disabled) {
      return refuse("device " + identity->id.text + " is disabled");
    }
    if (identity->authentication.type != AuthenticationType::sas) {
      return refuse("device " + identity->id.text + " uses " +
                    std::string(to_text(identity->authentication.type)) + ", not keys");
    }
    principal.name = identity->id.text;
    principal.generation_id = identity->generation_id;
    keys = identity->authentication;
  }
  // Outside the lock: two HMACs must not hold up everybody else.
  if (!any_key_verifies(token, keys.primary_key, keys.secondary_key)) {
    return refuse("the signature fits neither key of device " + principal.name);
  }
  principal.kind = Principal::Kind::device;
  principal.rights = static_cast<Rights>(Right::device_connect);
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
  const DeviceIdentity* identity = guard->registry.find(device.text);
  if (identity == nullptr) return refuse("device " + device.text + " is not registered");
  if (identity->status == DeviceStatus::disabled) {
    return refuse("device " + device.text + " is disabled");
  }
  const Authentication& authentication = identity->authentication;
  const auto granted = [&] {
    Principal principal;
    principal.kind = Principal::Kind::device;
    principal.name = device.text;
    principal.generation_id = identity->generation_id;
    principal.rights = static_cast<Rights>(Right::device_connect);
    principal.by_certificate = true;
    return principal;
  };
  if (authentication.type == AuthenticationType::certificate_authority) {  // SEC-15
    if (certificate.common_name != device.text) {
      return refuse("the certificate's common name is " + certificate.common_name + ", not " +
                    device.text);
    }
    if (!certificate.chain_trusted) {
      return refuse("the certificate of device " + device.text +
                    " leads to none of the CAs given by --device-ca, or is not valid today");
    }
    return granted();
  }
  if (authentication.type != AuthenticationType::self_signed) {
    return refuse("device " + device.text + " uses " + std::string(to_text(authentication.type)) +
                  ", not a certificate");
  }
  const auto matches = [&](std::string_view thumbprint) {
    return !thumbprint.empty() && (iequals(thumbprint, certificate.sha1_hex) ||
                                   iequals(thumbprint, certificate.sha256_hex));
  };
  if (!matches(authentication.primary_thumbprint) &&
      !matches(authentication.secondary_thumbprint)) {
    return refuse("the certificate's thumbprint (SHA-256 " + certificate.sha256_hex +
                  ") is not one of device " + device.text);
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
  if (!scope_covers(principal.scope, {"devices", device.text})) {
    return refuse("the token's scope does not cover device " + device.text);
  }
  Guard guard(*this, now);
  const DeviceIdentity* identity = guard->registry.find(device.text);
  if (identity == nullptr) return refuse("device " + device.text + " is not registered");
  if (identity->status == DeviceStatus::disabled) {
    return refuse("device " + device.text + " is disabled");
  }
  if (principal.kind == Principal::Kind::device) {
    // The scope was compared leniently; the identity is exact (SEC-08).
    if (principal.name != device.text) {
      return refuse("the token is of device " + principal.name + ", not " + device.text);
    }
    if (principal.generation_id != identity->generation_id) {
      return refuse("device " + device.text + " was created anew since");
    }
    // A proof by the former method is none, be it from before the change (SEC-12).
    if (principal.by_certificate == (identity->authentication.type == AuthenticationType::sas)) {
      return refuse("device " + device.text + " uses " +
                    std::string(to_text(identity->authentication.type)) + " since");
    }
  }
  return *identity;
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
