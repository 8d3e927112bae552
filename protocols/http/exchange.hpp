#pragma once
// One request being answered: what a handler is given, and where it writes.
#include "emulator/core/hub/hub.hpp"
#include "protocols/http/request.hpp"
#include "protocols/http/response.hpp"
#include "protocols/session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

struct Exchange {
  hub::Hub& hub;
  const protocols::PeerInfo& peer;
  const RequestHead& head;
  const Target& target;
  std::string_view body;
  hub::TimePoint now;
  Response& response;

  std::vector<std::string_view> ids;          // what stands for {...} in the route, decoded
  hub::Principal principal;                   // unless the route is open
  std::optional<hub::DeviceIdentity> device;  // on their own routes: whom access is granted for
};

// Answers in `response`, or says why not.
using Handler = hub::Result<void> (*)(Exchange& exchange);

}  // namespace http
