#include "emulator/app/host_names.hpp"

#include "emulator/core/base/encoding.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

namespace app {
namespace {

constexpr std::size_t machine_names_max = 32;

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

bool is_any(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

// Where `localhost` leads to.
bool is_localhost(const std::string& address) {
  return address == "localhost" || address == "127.0.0.1" || address == "::1";
}

bool is_ipv6(const std::string& name) { return name.find(':') != std::string::npos; }

// Empty: loopback, link-local (useless without an interface's name) or no IP address at all.
std::string address_text(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    if ((ntohl(in.s_addr) >> 24) == 127) return {};
    ::inet_ntop(AF_INET, &in, text.data(), text.size());
  } else if (address->sa_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&in) || IN6_IS_ADDR_LINKLOCAL(&in)) return {};
    ::inet_ntop(AF_INET6, &in, text.data(), text.size());
  }
  return text.data();
}

}  // namespace

HostNames host_names(const std::string& hub, const std::string& listen,
                     std::vector<std::string> machine) {
  HostNames names;
  const bool here = is_localhost(listen) || is_any(listen);
  if (hub != "localhost" || here) {
    names.by_name = hub;
  } else {  // nobody listens where `localhost` leads to
    names.by_name = is_ipv6(listen) ? "[" + listen + "]" : listen;
  }
  if (!is_ipv6(listen) || is_any(listen)) names.by_address = here ? "127.0.0.1" : listen;
  if (is_any(listen)) names.machine = std::move(machine);
  return names;
}

std::vector<std::string> machine_names() {
  std::vector<std::string> names;
  if (auto name = machine_name(); !name.empty()) names.push_back(std::move(name));
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return names;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> keep(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr && names.size() < machine_names_max;
       one = one->ifa_next) {
    const std::string address = address_text(one->ifa_addr);
    if (!address.empty() && (one->ifa_flags & IFF_UP) != 0) names.push_back(address);
  }
  return names;
}

std::vector<std::string> certificate_names(const std::vector<std::string>& more) {
  std::vector<std::string> names{"localhost", "*.localhost", "*.iothub.localhost",
                                 "127.0.0.1", "::1",         "host.docker.internal"};
  if (auto machine = machine_name(); !machine.empty()) names.push_back(std::move(machine));
  names.insert(names.end(), more.begin(), more.end());
  std::set<std::string> seen;
  std::erase_if(names,
                [&](const std::string& name) { return !seen.insert(canonical_name(name)).second; });
  return names;
}

std::string canonical_name(const std::string& name) {
  std::array<unsigned char, 16> bytes{};
  const auto* data = reinterpret_cast<const char*>(bytes.data());
  if (::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1) return std::string(data, 4);
  if (::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1) return std::string(data, 16);
  return hub::to_lower(name);
}

bool is_ip_address(const std::string& name) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

}  // namespace app
