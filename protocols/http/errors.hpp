#pragma once
// HubErrc -> status, and the body of an error: Form A of spec/https.md 1.4 with its header (H-28).
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/time.hpp"
#include "protocols/http/response.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace http {

// An error as the peer gets to see it: the hub's own, or one that only HTTP has.
struct WireError {
  unsigned status = 500;
  std::uint32_t number = 0;  // of the hub's table, for the log
  std::string_view name;     // iothub-errorcode
  std::string detail;
  std::string allow;  // of 405: the methods that the route has
  std::string hint;   // of the control API: what to do
};

// As the hub says it, or as the control API does: with `error` and `hint` beside it, and with the
// reason of a 401 (CT-07).
enum class ErrorStyle : std::uint8_t { hub, control };

WireError to_wire_error(const hub::HubError& error);
// No route, no such method on this route, or a request that HTTP itself refuses.
WireError generic_error(unsigned status, std::string detail);

// `request_id` becomes the tracking id.
void write_error(Response& response, const WireError& error, std::string_view request_id,
                 hub::TimePoint now, ErrorStyle style = ErrorStyle::hub);

}  // namespace http
