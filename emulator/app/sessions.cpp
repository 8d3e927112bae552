#include "emulator/app/sessions.hpp"

#include "protocols/amqp/session.hpp"
#include "protocols/http/hub_service.hpp"
#include "protocols/mqtt/session.hpp"

#include <utility>

namespace app {

std::unique_ptr<protocols::Session> make_session(std::string_view protocol, hub::Hub& hub,
                                                 protocols::PeerInfo peer, hub::Waker waker,
                                                 hub::TimePoint now) {
  if (protocol == "mqtt") {
    return std::make_unique<mqtt::Session>(hub, std::move(peer), std::move(waker), now);
  }
  if (protocol == "amqp" || protocol == "AMQPWSB10") {
    return std::make_unique<amqp::Session>(hub, std::move(peer), std::move(waker), now);
  }
  if (protocol == "http") {
    return http::make_hub_session(hub, std::move(peer), now);
  }
  return nullptr;
}

}  // namespace app
