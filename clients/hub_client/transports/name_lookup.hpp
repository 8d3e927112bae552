#pragma once
// Host name to addresses, as a wait that can be given up. getaddrinfo cannot be interrupted, so it
// runs in a thread that owns all it touches and is left behind when the caller waits no longer:
// the one exception to "no threads inside", and it never calls back.
#include "clients/hub_client/cancellation.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace iothub {

struct Addresses {
  std::vector<std::string> numeric;  // in the order to try them
  std::string error;                 // why there are none
};

using Lookup = std::function<Addresses(const std::string& host)>;
Addresses system_lookup(const std::string& host);

// nullopt when time is up. Error cancelled.
std::optional<Addresses> look_up(const std::string& host, const Deadline& deadline,
                                 const Cancelled& cancelled, Lookup lookup = system_lookup);

}  // namespace iothub
