// SAS tokens: any text as a token of a hub with one device; nothing that was not signed is let in.
// The second half: texts that are signed, with any resource, expiry and policy.
#include "emulator/core/base/encoding.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

namespace {

using namespace fuzz;

constexpr std::string_view key = "ZGV2aWNlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";

World& world() {
  static World one;  // tokens change nothing in it
  return one;
}

void check_scope(const hub::Principal& principal) {
  // With the attacker's key: the attacker's device, and never the victim.
  HUB_ASSERT(principal.kind == hub::Principal::Kind::device);
  HUB_ASSERT(!world().hub.access().authorize_device(principal, {std::string(principal.name) + "x"},
                                                    world().now));
  HUB_ASSERT(!world().hub.access().authorize_service(principal, hub::Right::service_connect, {},
                                                     world().now));
  HUB_ASSERT(!world().hub.access().authorize_service(principal, hub::Right::registry_read,
                                                     {"devices", principal.name}, world().now));
}

}  // namespace

FUZZ_TARGET(sas_token) {
  Input in(input);
  if (in.flag()) {
    const auto parsed = hub::parse_sas_token(in.rest());
    const auto let_in = world().hub.access().authenticate_sas(in.rest(), world().now);
    // The signature is 256 bits: what a fuzzer writes is never right.
    HUB_ASSERT(!let_in);
    HUB_ASSERT(parsed || let_in.error().detail == parsed.error().detail);
    HUB_ASSERT(let_in.error().detail.size() < 8192);
    return;
  }
  const auto order = in.byte();
  const auto sr = in.text();
  const std::string se = (order & 8) != 0 ? std::string(in.text()) : "1800003600";
  const auto decoded = hub::base64_decode(key);
  const std::string sig = hub::percent_encode(
      hub::base64_encode(hub::hmac_sha256(*decoded, std::string(sr) + "\n" + se)));
  std::string token = "SharedAccessSignature ";
  if ((order & 1) != 0) token.append("se=").append(se).append("&");
  token.append("sr=").append(sr).append("&sig=").append(sig);
  if ((order & 1) == 0) token.append("&se=").append(se);
  if ((order & 2) != 0) token.append("&skn=").append(in.text());
  token.append(in.text());
  if (const auto let_in = world().hub.access().authenticate_sas(token, world().now)) {
    HUB_ASSERT(let_in->expires_at && *let_in->expires_at > world().now);
    // Both devices have this key; the scope says which of them it is.
    HUB_ASSERT(let_in->name == attacker || let_in->name == victim);
    HUB_ASSERT(hub::percent_decode(hub::percent_decode(token)).find(let_in->name) !=
               std::string::npos);
    check_scope(*let_in);
  }
}
