#include "protocols/amqp/sasl.hpp"

#include <proton/sasl.h>
#include <proton/sasl_plugin.h>
#include <proton/transport.h>

#include "emulator/core/base/printable.hpp"

namespace amqp {

namespace {

Sasl& self(pn_transport_t* transport) {
  return *static_cast<Sasl*>(pnx_sasl_get_context(transport));
}

void process_init(pn_transport_t* transport, const char* mechanism, const pn_bytes_t* response) {
  const std::string_view name = mechanism == nullptr ? "" : mechanism;
  const std::string_view bytes = response->start == nullptr
                                     ? std::string_view{}
                                     : std::string_view(response->start, response->size);
  Sasl& sasl = self(transport);
  if (sasl.on_init(name, bytes)) {
    pnx_sasl_set_succeeded(transport, sasl.user().c_str(), nullptr);
  } else {
    pnx_sasl_set_failed(transport);  // outcome 1
  }
  pnx_sasl_set_desired_state(transport, SASL_POSTED_OUTCOME);
}

constexpr std::string_view plain_remedy =
    "the user is {device}[/modules/{module}]@sas.{hub} or {policy}@sas.root.{hub}, the password a "
    "shared access signature";
constexpr std::string_view token_remedy =
    "compare the token's sr, skn, se and key with the user, as it is registered";

hub::DeviceId identity_of(std::string_view name) {
  constexpr std::string_view modules = "/modules/";  // no id has a slash
  const auto at = name.find(modules);
  if (at == std::string_view::npos) return {std::string(name)};
  return {std::string(name.substr(0, at)), std::string(name.substr(at + modules.size()))};
}

// No mechanism of ours has a second step.
void process_response(pn_transport_t* transport, const pn_bytes_t*) {
  pnx_sasl_set_failed(transport);
  pnx_sasl_set_desired_state(transport, SASL_POSTED_OUTCOME);
}

constexpr pnx_sasl_implementation plugin = {
    .free = [](pn_transport_t*) {},
    .list_mechanisms = [](pn_transport_t* transport) { return self(transport).mechanisms(); },
    .init_server =
        [](pn_transport_t* transport) {
          pnx_sasl_set_desired_state(transport, SASL_POSTED_MECHANISMS);
          return true;
        },
    .init_client = [](pn_transport_t*) { return false; },
    .prepare_write = [](pn_transport_t*) {},
    .process_init = process_init,
    .process_response = process_response,
    .process_mechanisms = [](pn_transport_t*, const char*) { return false; },
    .process_challenge = [](pn_transport_t*, const pn_bytes_t*) {},
    .process_outcome = [](pn_transport_t*, const pn_bytes_t*) {},
    .can_encrypt = [](pn_transport_t*) { return false; },
    .max_encrypt_size = [](pn_transport_t*) -> ssize_t { return 0; },
    .encode = [](pn_transport_t*, pn_bytes_t, pn_bytes_t*) -> ssize_t { return 0; },
    .decode = [](pn_transport_t*, pn_bytes_t, pn_bytes_t*) -> ssize_t { return 0; },
};

}  // namespace

void Sasl::install(pn_transport_t* transport) {
  pn_sasl(transport);
  pnx_sasl_set_implementation(transport, &plugin, this);
}

// Proton encodes the list as an array, which uamqp insists on. Clients like Proton take
// EXTERNAL wherever it is offered, and without a certificate it fails.
const char* Sasl::mechanisms() const {
  return peer_.certificate ? "MSSBCBS ANONYMOUS PLAIN EXTERNAL" : "MSSBCBS ANONYMOUS PLAIN";
}

bool Sasl::on_init(std::string_view mechanism, std::string_view response) {
  user_ = "anonymous";
  if (mechanism == "MSSBCBS" || mechanism == "ANONYMOUS") return true;  // put-token follows
  if (mechanism == "PLAIN") return on_plain(response);
  if (mechanism == "EXTERNAL") {
    // Which device the certificate is good for shows when a link names one.
    if (peer_.certificate) return true;
    return refuse(mechanism, "", "the client sent no TLS certificate",
                  "give the client the device's certificate and key, or use PLAIN with a token");
  }
  return refuse(mechanism, "", "the hub does not have this mechanism",
                "use MSSBCBS or ANONYMOUS and then put-token, or PLAIN with a token as password");
}

// response = [authzid] NUL user NUL token
// user     = device ["/modules/" module] "@sas." hub | policy "@sas.root." hub
// hub: any, as in every address (M-04)
bool Sasl::on_plain(std::string_view response) {
  const auto first = response.find('\0');
  const auto second = first == std::string_view::npos ? first : response.find('\0', first + 1);
  if (second == std::string_view::npos) {
    return refuse("PLAIN", "", "the response has no user", plain_remedy);
  }
  const std::string_view user = response.substr(first + 1, second - first - 1);
  const std::string_view token = response.substr(second + 1);

  constexpr std::string_view mark = "@sas.";
  const auto at = user.rfind(mark);  // `@` is legal in a device id
  if (at == std::string_view::npos) {
    return refuse("PLAIN", user, "the user name is neither a device's or module's nor a policy's",
                  plain_remedy);
  }
  const std::string name(user.substr(0, at));
  const bool is_policy = user.substr(at + mark.size()).starts_with("root.");

  auto principal = hub_.access().authenticate_sas(token, now_);
  if (!principal) return refuse("PLAIN", user, principal.error().detail, token_remedy);
  if (is_policy) {
    if (principal->kind != hub::Principal::Kind::policy || principal->name != name) {
      return refuse("PLAIN", user, "the token is not of that policy", token_remedy);
    }
  } else if (auto device = hub_.access().authorize_device(*principal, identity_of(name), now_);
             !device) {
    return refuse("PLAIN", user, device.error().detail, token_remedy);
  }
  user_ = user;
  principal_ = std::move(*principal);
  return true;
}

bool Sasl::refuse(std::string_view mechanism, std::string_view user, std::string_view reason,
                  std::string_view remedy) {
  refused_ = true;
  hub_.log().warn("AMQP login refused", {{"peer", peer_.address},
                                         {"mechanism", hub::shown(mechanism)},
                                         {"user", hub::shown(user)},
                                         {"reason", hub::shown(reason)},
                                         {"remedy", remedy}});
  return false;
}

}  // namespace amqp
