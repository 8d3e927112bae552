#pragma once
// Who has authenticated on one connection: SASL PLAIN, put-token, the TLS certificate. Many devices
// and modules share a connection, each with its own token; a renewed token takes the place of the
// old one, and the links that live on it go on (spec/amqp.md 2.4).
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/core/hub/hub.hpp"

namespace amqp {

struct Credential {
  hub::Principal principal;
};
using CredentialPtr = std::shared_ptr<const Credential>;

class Credentials {
 public:
  static constexpr std::size_t credentials_max = 16'384;

  Credentials(hub::Hub& hub, const std::optional<hub::ClientCertificate>& certificate)
      : hub_(hub), certificate_(certificate) {}

  bool add(hub::Principal principal);  // false: there are credentials_max already

  bool empty() const { return devices_.empty() && policies_.empty(); }

  struct DeviceGrant {
    CredentialPtr credential;
    hub::DeviceIdentity identity;
  };
  hub::Result<DeviceGrant> for_device(const hub::DeviceId& device, hub::TimePoint now);
  hub::Result<CredentialPtr> for_service(const std::vector<std::string>& resource,
                                         hub::TimePoint now);

  std::optional<hub::TimePoint> next_expiry() const;
  // Forgets those that have expired and returns them, for their links to be detached.
  std::vector<CredentialPtr> take_expired(hub::TimePoint now);

 private:
  using Shared = std::shared_ptr<Credential>;
  std::optional<hub::TimePoint> expiry_of(const Credential& credential) const;

  hub::Hub& hub_;
  const std::optional<hub::ClientCertificate>& certificate_;
  std::unordered_map<std::string, Shared> devices_;  // and modules, by DeviceId::name
  std::vector<Shared> policies_;                     // by name and scope; few
  std::optional<hub::TimePoint> earliest_;           // `expires_at` of the first to go
};

}  // namespace amqp
