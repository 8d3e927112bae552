#include "protocols/net/handshake_hint.hpp"

#include <initializer_list>

namespace net {

std::string missing_name_hint(const HandshakeFacts& facts) {
  if (facts.name_in_certificate) return {};
  const std::string& name = facts.server_name.empty() ? facts.address : facts.server_name;
  return "the client connects to " + name + ", which is not in the server certificate: " +
         (facts.own_certificate ? "that one is your own, give one that has it"
                                : "start the hub with --san " + name);
}

std::string handshake_hint(const HandshakeFacts& facts) {
  const auto has = [&](std::initializer_list<std::string_view> parts) {
    for (const auto part : parts) {
      if (facts.reason.find(part) != std::string::npos) return true;
    }
    return false;
  };
  if (has({"http request"}))
    return "plain HTTP on a port that speaks TLS: use https, or the port of --http-port";
  if (has({"unsupported protocol", "version too low"})) {
    return "the client offers at most " +
           (facts.client_version.empty() ? "TLS 1.1" : facts.client_version) +
           ", the hub needs TLS 1.2 as the real one does: update the client's TLS library, or let "
           "it use TLS 1.2";
  }
  if (has({"wrong version number", "packet length too long", "bad record type",
           "unexpected message"})) {
    return "not TLS, and this port speaks TLS only: turn TLS on in the client, or connect it to "
           "the port of "
           "--mqtt-port, --amqp-port or --http-port";
  }
  if (has({"no shared cipher", "no shared group", "no suitable", "no protocols available",
           "no common"})) {
    return "the client offers no cipher, curve or signature of TLS 1.2 or 1.3 that is in use "
           "today: update its TLS "
           "library";
  }
  if (has({"alert protocol version"}))
    return "the client refuses TLS 1.2 and TLS 1.3: let it use one of them";
  const std::string name = missing_name_hint(facts);
  if (has({"alert unknown ca"})) {
    return "the client does not trust the CA: give it " + facts.ca_path +
           (name.empty() ? "" : "; and " + name);
  }
  if (has({"alert certificate expired"})) {
    return "by the client's clock the server certificate has ended: set its clock";
  }
  if (!facts.certificate_sent ||
      has({"alert handshake failure", "alert decrypt error", "alert illegal parameter"})) {
    return "the client ended the handshake for a reason of its own: see its log";
  }
  if (!name.empty()) return name;
  return "the client refuses the server certificate, for one of these: it was not given the CA (" +
         facts.ca_path + "); it knows the hub by a name or address that is not in the certificate" +
         (facts.own_certificate ? "" : " (--san NAME adds one)") +
         "; its clock is wrong, as one in 1970 is";
}

}  // namespace net
