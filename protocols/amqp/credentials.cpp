#include "protocols/amqp/credentials.hpp"

#include <algorithm>

namespace amqp {

using hub::Principal;

namespace {

hub::HubError no_token() {
  return hub::fail(hub::HubErrc::iot_hub_unauthorized_access,
                   "no token on this connection covers the address");
}

}  // namespace

bool Credentials::add(Principal principal) {
  if (principal.expires_at && (!earliest_ || *principal.expires_at < *earliest_)) {
    earliest_ = principal.expires_at;
  }
  if (principal.kind == Principal::Kind::policy) {
    for (const Shared& known : policies_) {
      if (known->principal.name == principal.name && known->principal.scope == principal.scope) {
        known->principal = std::move(principal);
        return true;
      }
    }
  } else if (const auto known = devices_.find(principal.name); known != devices_.end()) {
    known->second->principal = std::move(principal);
    return true;
  }
  if (devices_.size() + policies_.size() >= credentials_max) return false;
  auto made = std::make_shared<Credential>(Credential{std::move(principal)});
  if (made->principal.kind == Principal::Kind::policy) {
    policies_.push_back(std::move(made));
  } else {
    devices_.emplace(made->principal.name, std::move(made));
  }
  return true;
}

hub::Result<Credentials::DeviceGrant> Credentials::for_device(const hub::DeviceId& device,
                                                              hub::TimePoint now) {
  std::optional<hub::HubError> refusal;
  const auto granted = [&](const Shared& credential) -> std::optional<DeviceGrant> {
    auto identity = hub_.access().authorize_device(credential->principal, device, now);
    if (identity) return DeviceGrant{credential, std::move(*identity)};
    refusal = identity.error();
    return std::nullopt;
  };
  if (const auto own = devices_.find(device.name()); own != devices_.end()) {
    if (auto grant = granted(own->second)) return *std::move(grant);
  }
  if (device.is_module()) {  // its device's token is good for it, too (MOD-23)
    if (const auto its = devices_.find(device.text); its != devices_.end()) {
      if (auto grant = granted(its->second)) return *std::move(grant);
    }
  }
  for (const Shared& policy : policies_) {
    if (!hub::has(policy->principal.rights, hub::Right::device_connect) ||
        !hub::scope_covers(policy->principal.scope, device.resource())) {
      continue;
    }
    if (auto grant = granted(policy)) return *std::move(grant);
  }
  if (!refusal && certificate_) {
    auto principal = hub_.access().authenticate_certificate(device, *certificate_, now);
    if (!principal) return principal.error();
    add(std::move(*principal));
    if (const auto own = devices_.find(device.name()); own != devices_.end()) {
      if (auto grant = granted(own->second)) return *std::move(grant);
    }
  }
  return refusal ? *std::move(refusal) : no_token();
}

hub::Result<CredentialPtr> Credentials::for_service(const std::vector<std::string>& resource,
                                                    hub::TimePoint now) {
  hub::HubError refusal = no_token();
  for (const Shared& policy : policies_) {
    auto allowed = hub_.access().authorize_service(policy->principal, hub::Right::service_connect,
                                                   resource, now);
    if (allowed) return CredentialPtr(policy);
    refusal = allowed.error();
  }
  return refusal;
}

// Contract 6: a live connection is cut at `se` + skew + grace.
std::optional<hub::TimePoint> Credentials::expiry_of(const Credential& credential) const {
  if (!credential.principal.expires_at) return std::nullopt;
  return *credential.principal.expires_at + hub_.settings().sas_clock_skew +
         hub_.settings().token_expiry_grace;
}

std::optional<hub::TimePoint> Credentials::next_expiry() const {
  if (!earliest_) return std::nullopt;
  return *earliest_ + hub_.settings().sas_clock_skew + hub_.settings().token_expiry_grace;
}

std::vector<CredentialPtr> Credentials::take_expired(hub::TimePoint now) {
  std::vector<CredentialPtr> expired;
  const auto next = next_expiry();
  if (!next || now < *next) return expired;
  earliest_.reset();
  const auto goes = [&](const Shared& credential) {
    const auto expiry = expiry_of(*credential);
    if (expiry && now >= *expiry) {
      expired.push_back(credential);
      return true;
    }
    if (const auto at = credential->principal.expires_at; at && (!earliest_ || *at < *earliest_)) {
      earliest_ = at;
    }
    return false;
  };
  std::erase_if(policies_, goes);
  std::erase_if(devices_, [&](const auto& entry) { return goes(entry.second); });
  return expired;
}

}  // namespace amqp
