#include "tests/security/doors.hpp"

#include <variant>

namespace security {

Mqtt::Mqtt(::test::TestHub& hub, const Login& login)
    : driven_(hub.now, [&](hub::Waker waker) {
        protocols::PeerInfo peer;
        peer.address = "127.0.0.1:1234";
        peer.certificate = login.certificate;
        return std::make_unique<mqtt::Session>(hub.hub, std::move(peer), std::move(waker), hub.now);
      }) {
  const std::string username = "localhost/" + login.device + "/?api-version=2021-04-12";
  mqtt::Connect packet;
  packet.keep_alive_s = 0;
  packet.client_id = login.device;
  packet.username = username;
  if (login.password) packet.password = *login.password;
  send(packet);
}

Mqtt& Mqtt::publish(std::string_view topic, std::string_view payload) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = payload;
  packet.qos = 1;
  packet.packet_id = 9;
  return send(packet);
}

Mqtt& Mqtt::run() {
  driven_.rest();
  const std::string output = driven_.take();
  std::string_view bytes = output;
  mqtt::Decoder decoder(1 << 20);
  mqtt::Packet packet;
  while (decoder.next(bytes, packet) == mqtt::Decoder::Status::packet) {
    if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
      accepted_ = connack->code == mqtt::ConnectReturn::accepted;
    } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      seen_.emplace_back(publish->topic);
    } else if (std::holds_alternative<mqtt::Puback>(packet)) {
      seen_.emplace_back("PUBACK");
    } else if (std::holds_alternative<mqtt::Suback>(packet)) {
      seen_.emplace_back("SUBACK");
    }
  }
  return *this;
}

std::vector<std::string> Mqtt::take() {
  run();
  return std::exchange(seen_, {});
}

pn_link_t* Amqp::kept(pn_link_t* link) {
  if (Client::is_attached(link)) return link;
  condition = Client::condition_of(link);
  client_.close(link);
  return nullptr;
}

int https(HttpHub& hub, const std::string& method, const std::string& path,
          const std::string& token, const std::string& body) {
  return hub.call({method, path + api_version, token, {}, body}).status;
}

std::string devicebound(const std::string& device) {
  return "/devices/" + device + "/messages/devicebound";
}
std::string events(const std::string& device) { return "/devices/" + device + "/messages/events"; }

hub::DeviceSpec keys(const std::string& id, std::string_view primary, std::string_view secondary) {
  hub::DeviceSpec spec;
  spec.id = {id};
  spec.primary_key = primary;
  spec.secondary_key = secondary;
  return spec;
}

}  // namespace security
