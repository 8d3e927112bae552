#pragma once
// WebSocket upgrades: which subprotocol takes the connection over (H-46). net answers the 101.
#include "protocols/http/request.hpp"
#include "protocols/http/request_parser.hpp"
#include "protocols/session.hpp"

#include <optional>
#include <variant>

namespace http {

// True if this request wants to leave HTTP for a WebSocket, wherever it thinks that one is.
bool wants_upgrade(const RequestHead& head);

// The upgrade (without `leftover`), or why it is refused.
std::variant<protocols::Upgrade, Refusal> decide_upgrade(const RequestHead& head,
                                                         const Target& target,
                                                         std::string_view raw_head);

}  // namespace http
