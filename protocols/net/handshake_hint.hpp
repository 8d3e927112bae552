#pragma once
// Why a client gave up a TLS handshake, in its user's terms, and what helps (N-35). Clients say
// little: OpenSSL's alert for a name that is missing in the certificate is that for a clock in
// 1970, .NET's is none.
#include <string>
#include <string_view>

namespace net {

struct HandshakeFacts {
  std::string reason;          // as OpenSSL or the system has it
  std::string client_version;  // the newest that the client offers, if it is below TLS 1.2
  bool certificate_sent = false;
  std::string server_name;  // asked for (SNI); empty: none, as when an address is connected to
  std::string address;      // of ours, that the client came to
  bool name_in_certificate = true;  // server_name, or address where there is none
  std::string ca_path;
  bool own_certificate = false;  // not made by the emulator
};

std::string handshake_hint(const HandshakeFacts& facts);

// The handshake was good, and the client left without a word: Node and Java look at the name only
// then. Empty: the name is none of the certificate's business.
std::string missing_name_hint(const HandshakeFacts& facts);

}  // namespace net
