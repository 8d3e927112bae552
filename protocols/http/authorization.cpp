#include "protocols/http/authorization.hpp"

#include "emulator/core/base/encoding.hpp"

namespace http {

namespace {

using hub::HubErrc;

// By token, or by the certificate of `device`.
hub::Result<hub::Principal> authenticate(const Exchange& exchange, std::string_view token,
                                         const hub::DeviceId& device) {
  if (!token.empty()) return exchange.hub.access().authenticate_sas(token, exchange.now);
  if (exchange.peer.certificate) {
    return exchange.hub.access().authenticate_certificate(device, *exchange.peer.certificate,
                                                          exchange.now);
  }
  return hub::fail(HubErrc::iot_hub_unauthorized_access,
                   "neither an Authorization header nor a client certificate: send a "
                   "SharedAccessSignature made with a key of " +
                       described(device));
}

hub::Result<void> grant_device(Exchange& exchange, hub::Result<hub::Principal> principal,
                               const hub::DeviceId& device) {
  if (!principal) return principal.error();
  auto granted = exchange.hub.access().authorize_device(*principal, device, exchange.now);
  if (!granted) {
    // A device that does not exist is a stranger on the device side (contract.md section 6).
    return hub::fail(HubErrc::iot_hub_unauthorized_access, granted.error().detail);
  }
  exchange.principal = std::move(*principal);
  exchange.device = std::move(*granted);
  return {};
}

hub::Result<void> authorize_device(Exchange& exchange, std::string_view token,
                                   const hub::DeviceId& device) {
  return grant_device(exchange, authenticate(exchange, token, device), device);
}

hub::Result<void> grant_service(Exchange& exchange, hub::Result<hub::Principal> principal,
                                hub::Right right) {
  if (!principal) return principal.error();
  auto granted = exchange.hub.access().authorize_service(*principal, right,
                                                         exchange.target.segments, exchange.now);
  if (!granted) return granted.error();
  exchange.principal = std::move(*principal);
  return {};
}

hub::Result<void> authorize_service(Exchange& exchange, std::string_view token, hub::Right right) {
  if (token.empty()) {
    return hub::fail(HubErrc::iot_hub_unauthorized_access,
                     "no Authorization header: send a SharedAccessSignature made with the key of a "
                     "shared access policy");
  }
  return grant_service(exchange, exchange.hub.access().authenticate_sas(token, exchange.now),
                       right);
}

// A bulk call counts each of its devices; this is the first of them.
hub::Result<void> count_registry(Exchange& exchange, hub::Result<void> granted) {
  if (!granted) return granted;
  return exchange.hub.admission().admit(hub::Operation::registry, 1, exchange.now);
}

hub::Result<void> authorize_registry(Exchange& exchange, std::string_view token, hub::Right right) {
  return count_registry(exchange, authorize_service(exchange, token, right));
}

// A device may do with its own modules what the registry's rights are for (H-70).
hub::Result<void> authorize_modules(Exchange& exchange, std::string_view token, hub::Right right) {
  const hub::DeviceId device{std::string(exchange.ids.at(0))};
  auto principal = authenticate(exchange, token, device);
  const bool is_device = principal && principal->kind == hub::Principal::Kind::device;
  return count_registry(exchange, is_device ? grant_device(exchange, std::move(principal), device)
                                            : grant_service(exchange, std::move(principal), right));
}

}  // namespace

hub::Result<void> authorize(Exchange& exchange, Access access) {
  // The C SDK sends an empty Authorization with a certificate (T-04).
  const std::string_view token = exchange.head.find("authorization").value_or(std::string_view{});
  if (access != Access::open && hub::iequals(token.substr(0, 7), "bearer ")) {
    return hub::fail(HubErrc::iot_hub_unauthorized_access,
                     "Bearer tokens (Azure AD) are not supported yet: use a SharedAccessSignature");
  }
  switch (access) {
    case Access::open:
      return {};
    case Access::device:
      return authorize_device(exchange, token, {std::string(exchange.ids.at(0))});
    case Access::module:
      return authorize_device(exchange, token,
                              {std::string(exchange.ids.at(0)), std::string(exchange.ids.at(1))});
    case Access::modules_read:
      return authorize_modules(exchange, token, hub::Right::registry_read);
    case Access::modules_write:
      return authorize_modules(exchange, token, hub::Right::registry_write);
    case Access::registry_read:
      return authorize_registry(exchange, token, hub::Right::registry_read);
    case Access::registry_write:
      return authorize_registry(exchange, token, hub::Right::registry_write);
    case Access::service:
      return authorize_service(exchange, token, hub::Right::service_connect);
  }
  hub::assertion_failed("unknown Access", __FILE__, __LINE__);
}

}  // namespace http
