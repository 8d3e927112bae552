#include "protocols/http/authorization.hpp"

#include "emulator/core/encoding.hpp"

namespace http {

namespace {

using hub::HubErrc;

hub::Result<void> authorize_device(Exchange& exchange, std::string_view token,
                                   const hub::DeviceId& device) {
  auto principal = [&]() -> hub::Result<hub::Principal> {
    if (!token.empty()) return exchange.hub.authenticate_sas(token, exchange.now);
    if (exchange.peer.certificate) {
      return exchange.hub.authenticate_certificate(device, *exchange.peer.certificate,
                                                   exchange.now);
    }
    return hub::fail(HubErrc::iot_hub_unauthorized_access,
                     "neither an Authorization header nor a client certificate");
  }();
  if (!principal) return principal.error();
  auto granted = exchange.hub.authorize_device(*principal, device, exchange.now);
  if (!granted) {
    // A device that does not exist is a stranger on the device side (contract.md section 6).
    return hub::fail(HubErrc::iot_hub_unauthorized_access, granted.error().detail);
  }
  exchange.principal = std::move(*principal);
  exchange.device = std::move(*granted);
  return {};
}

hub::Result<void> authorize_service(Exchange& exchange, std::string_view token, hub::Right right) {
  if (token.empty()) {
    return hub::fail(HubErrc::iot_hub_unauthorized_access, "no Authorization header");
  }
  auto principal = exchange.hub.authenticate_sas(token, exchange.now);
  if (!principal) return principal.error();
  auto granted =
      exchange.hub.authorize_service(*principal, right, exchange.target.segments, exchange.now);
  if (!granted) return granted.error();
  exchange.principal = std::move(*principal);
  return {};
}

// A bulk call counts each of its devices; this is the first of them.
hub::Result<void> authorize_registry(Exchange& exchange, std::string_view token, hub::Right right) {
  auto granted = authorize_service(exchange, token, right);
  if (!granted) return granted;
  return exchange.hub.admit(hub::Operation::registry, 1, exchange.now);
}

}  // namespace

hub::Result<void> authorize(Exchange& exchange, Access access) {
  // The C SDK sends an empty Authorization with a certificate (T-04).
  const std::string_view token = exchange.head.find("authorization").value_or(std::string_view{});
  if (access != Access::open && hub::iequals(token.substr(0, 7), "bearer ")) {
    return hub::fail(HubErrc::iot_hub_unauthorized_access,
                     "Bearer tokens (Azure AD) are not supported yet");
  }
  switch (access) {
    case Access::open:
      return {};
    case Access::device:
      return authorize_device(exchange, token, {std::string(exchange.ids.at(0))});
    case Access::module:
      return authorize_device(exchange, token,
                              {std::string(exchange.ids.at(0)), std::string(exchange.ids.at(1))});
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
