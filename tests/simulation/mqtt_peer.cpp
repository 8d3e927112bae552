#include "emulator/core/access/auth.hpp"
#include "emulator/core/base/encoding.hpp"
#include "protocols/mqtt/codec.hpp"
#include "protocols/mqtt/property_bag.hpp"
#include "tests/simulation/peer.hpp"
#include "tests/support/test_hub.hpp"

#include <vector>

namespace simulation {

namespace {

// Subscribes, acknowledges in order, out of order, late, twice or never, publishes telemetry.
class MqttDevice final : public Peer {
 public:
  MqttDevice(Surroundings& world, Line& line, std::string device)
      : Peer(world, line), device_(std::move(device)) {
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::connect;
    op->queue = device_;
    op->clean = world_.random.chance(3);
    const std::string username = "localhost/" + device_ + "/?api-version=2021-04-12";
    std::string password;
    mqtt::Connect packet;
    packet.clean_session = op->clean;
    packet.keep_alive_s = world_.random.one_of<std::uint16_t>({0, 60, 1000});
    packet.client_id = device_;
    packet.username = username;
    if (!has_certificate(device_)) {
      op->token_end = world.some_token_end();
      password = device_token(device_, *op->token_end);
      packet.password = password;
    }
    send(packet, op);
  }

  void take(std::string_view bytes) override {
    mqtt::Packet packet;
    for (;;) {
      const auto status = decoder_.next(bytes, packet);
      if (status == mqtt::Decoder::Status::need_more) return;
      if (status == mqtt::Decoder::Status::error) throw Violation(34, "bytes that are no packet");
      std::visit([this](const auto& each) { got(each); }, packet);
    }
  }

  void act() override {
    if (!connected_) return;
    Random& random = world_.random;
    const auto op = std::make_shared<Op>();
    op->queue = device_;
    switch (random.below(10)) {
      case 0:
      case 1:
        if (subscribed_ && !random.chance(8)) return send(mqtt::Pingreq{}, op);
        subscribed_ = true;
        op->kind = Op::Kind::subscribe;
        op->qos = random.chance(4) ? 0 : 1;
        return send(mqtt::Subscribe{7, {{filter_, op->qos}}}, op);
      case 2:
        if (!random.chance(10)) return;
        subscribed_ = false;
        op->kind = Op::Kind::unsubscribe;
        return send(mqtt::Unsubscribe{8, {filter_}}, op);
      case 3: {
        if (!random.chance(3)) return;
        const std::string topic = "devices/" + device_ + "/messages/events/";
        mqtt::Publish packet;
        packet.topic = topic;
        packet.payload = "telemetry";
        packet.qos = 1;
        packet.packet_id = 9;
        op->kind = Op::Kind::telemetry;
        return send(packet, op);
      }
      case 4:
        if (!random.chance(20)) return;
        op->kind = Op::Kind::close;
        return send(mqtt::Disconnect{}, op);
      default: {
        if (unacknowledged_.empty()) return;
        // Mostly the first; some stay for ever, some are acknowledged twice.
        const std::size_t at = random.chance(4) ? random.below(unacknowledged_.size()) : 0;
        op->kind = Op::Kind::puback;
        op->packet_id = unacknowledged_[at];
        if (!random.chance(10))
          unacknowledged_.erase(unacknowledged_.begin() + static_cast<std::ptrdiff_t>(at));
        return send(mqtt::Puback{op->packet_id}, op);
      }
    }
  }

 private:
  template <class P>
  void send(const P& packet, OpPtr op) {
    std::string bytes;
    mqtt::encode(bytes, packet);
    write(bytes, std::move(op));
  }

  void got(const mqtt::Connack& packet) {
    connected_ = packet.code == mqtt::ConnectReturn::accepted;
    subscribed_ = packet.session_present;
  }
  void got(const mqtt::Publish& packet) {
    Seen seen;
    seen.body = packet.payload;
    hub::TelemetryMessage message;
    const auto bag = packet.topic.substr(std::min(packet.topic.size(), bag_begin_));
    (void)mqtt::decode_property_bag(bag, 100, message);
    seen.message_id = message.content.message_id.text;
    for (const auto& [name, value] : message.content.properties) {
      if (name == "body" && value) seen.property = *value;
    }
    seen.expiry = message.content.absolute_expiry;
    if (packet.qos > 0) unacknowledged_.push_back(packet.packet_id);
    world_.auditor.published(line_, seen, packet.packet_id);
  }
  template <class Other>
  void got(const Other&) {}

  std::string device_;
  std::string filter_ = "devices/" + device_ + "/messages/devicebound/#";
  std::size_t bag_begin_ = filter_.size() - 1;
  mqtt::Decoder decoder_{1 << 20};
  bool connected_ = false, subscribed_ = false;
  std::vector<std::uint16_t> unacknowledged_;
};

}  // namespace

std::unique_ptr<Peer> make_mqtt_device(Surroundings& world, Line& line, const std::string& device) {
  return std::make_unique<MqttDevice>(world, line, device);
}

}  // namespace simulation
