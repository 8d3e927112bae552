#pragma once
// Which session answers on which listener, and behind which WebSocket subprotocol (M-01, T3).
#include "emulator/core/hub/hub.hpp"
#include "protocols/session.hpp"

#include <memory>
#include <string_view>

namespace app {

// `protocol`: "mqtt", "amqp" or "http", or a subprotocol: "mqtt", "AMQPWSB10". nullptr: none of
// them.
std::unique_ptr<protocols::Session> make_session(std::string_view protocol, hub::Hub& hub,
                                                 protocols::PeerInfo peer, hub::Waker waker,
                                                 hub::TimePoint now);

}  // namespace app
