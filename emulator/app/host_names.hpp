#pragma once
// The names and addresses that clients reach the hub by: those in its connection strings (CT-18),
// and those that its server certificate is for.
#include <string>
#include <vector>

namespace app {

struct HostNames {
  std::string by_name;     // what most clients take
  std::string by_address;  // has the dot that some insist on; empty: none, an IPv6 address alone
  std::vector<std::string> machine;  // --listen 0.0.0.0 or ::, what others reach it by; else empty
};

// `hub`, `listen`: as the flags say. `machine`: machine_names().
HostNames host_names(const std::string& hub, const std::string& listen,
                     std::vector<std::string> machine);

// This machine's name and its addresses beyond loopback; at most 32.
std::vector<std::string> machine_names();

// For the server certificate: localhost, *.localhost, *.iothub.localhost, 127.0.0.1, ::1, this
// machine's name, host.docker.internal, and `more`; each once.
std::vector<std::string> certificate_names(const std::vector<std::string>& more);

// An address in network order or a name in lower case: equal if they mean the same.
std::string canonical_name(const std::string& name);
bool is_ip_address(const std::string& name);

}  // namespace app
