#pragma once
// The hub's routes (routes.hpp) as the service of a connection.
#include "emulator/core/hub/hub.hpp"
#include "protocols/http/session.hpp"

#include <memory>

namespace http {

// `hub` outlives the session. No waker: no message is pushed over HTTPS.
std::unique_ptr<Session> make_hub_session(hub::Hub& hub, protocols::PeerInfo peer,
                                          protocols::TimePoint now);

}  // namespace http
