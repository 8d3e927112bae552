// MQTT connections of one device: well-formed packets, nearly well-formed ones and plain bytes,
// with time and the hub going on beside them. The first byte is the mode; then operations.
#include "protocols/mqtt/codec.hpp"
#include "protocols/mqtt/session.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

#include <array>
#include <vector>

namespace {

using namespace fuzz;

constexpr std::array<std::string_view, 12> topics{
    "devices/dev1/messages/events/",
    "devices/dev1/messages/events/%24.mid=1&%24.ct=a%2Fb&k=v",
    "devices/dev1/messages/devicebound/#",
    "devices/dev1/messages/devicebound/",
    "devices/victim/messages/devicebound/#",
    "devices/victim/messages/events/",
    "devices/+/messages/devicebound/#",
    "#",
    "$iothub/twin/res/#",
    "$iothub/twin/GET/?$rid=1",
    "$iothub/twin/PATCH/properties/reported/?$rid=2",
    "$iothub/methods/res/200/?$rid=1"};

// A topic of the table, with more behind it.
std::string some_topic(Input& input) {
  return std::string(topics[input.byte() % topics.size()]).append(input.text());
}

std::unique_ptr<protocols::Session> make(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker,
                                         hub::TimePoint now) {
  return std::make_unique<mqtt::Session>(hub, std::move(peer), std::move(waker), now);
}

std::string connect(Input& input) {
  const auto flags = input.byte();
  mqtt::Connect packet;
  packet.client_id = attacker;
  packet.username = "localhost/dev1/?api-version=2021-04-12";
  packet.password = World::attacker_token();
  packet.clean_session = (flags & 1) != 0;
  packet.keep_alive_s = (flags & 2) != 0 ? 0 : 60;
  std::string topic;
  if ((flags & 4) != 0) {
    topic = some_topic(input);
    packet.will = mqtt::Will{topic, "gone", 1, (flags & 8) != 0};
  }
  if ((flags & 16) != 0) packet.username = input.text();
  if ((flags & 32) != 0) packet.password = input.text();
  if ((flags & 64) != 0) packet.client_id = input.text();
  std::string bytes;
  mqtt::encode(bytes, packet);
  return bytes;
}

// Any first byte and any body, with the length that fits.
std::string framed(std::uint8_t first, std::string_view body) {
  std::string bytes(1, static_cast<char>(first));
  std::size_t length = body.size();
  do {
    bytes += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  return bytes.append(body);
}

std::string packet_of(std::uint8_t kind, Input& input) {
  std::string bytes;
  switch (kind) {
    case 0:
      return std::string(input.text());
    case 1:
      return connect(input);
    case 2: {
      const std::string topic = some_topic(input);
      mqtt::encode(bytes,
                   mqtt::Subscribe{1, {{topic, static_cast<std::uint8_t>(input.byte() % 3)}}});
      return bytes;
    }
    case 3: {
      const std::string topic = some_topic(input);
      mqtt::encode(bytes, mqtt::Unsubscribe{2, {topic}});
      return bytes;
    }
    case 4: {
      const std::string topic = some_topic(input);
      const auto flags = input.byte();
      const auto qos = static_cast<std::uint8_t>(flags & 1);
      const auto id = static_cast<std::uint16_t>(qos != 0 ? 9 : 0);
      mqtt::encode(bytes,
                   mqtt::Publish{(flags & 2) != 0, qos, (flags & 4) != 0, topic, id, input.text()});
      return bytes;
    }
    case 5:
      mqtt::encode(bytes, mqtt::Puback{static_cast<std::uint16_t>(1 + input.byte())});
      return bytes;
    case 6:
      mqtt::encode(bytes, mqtt::Pingreq{});
      return bytes;
    case 7:
      mqtt::encode(bytes, mqtt::Disconnect{});
      return bytes;
    default: {
      const auto first = input.byte();
      return framed(first, input.text());
    }
  }
}

hub::Settings settings_of(std::uint8_t mode) {
  hub::Settings settings;
  settings.mqtt_out_of_order_ack = static_cast<hub::MqttOutOfOrderAck>(mode & 3);
  settings.redeliver_on_live_connection = (mode & 4) == 0;
  if ((mode & 8) != 0) settings.mqtt_backlog = hub::MqttBacklog::deliver;
  settings.mqtt_in_flight_max = (mode & 16) != 0 ? 2 : 50;
  settings.delivery_count_mode = (mode & 32) != 0 ? hub::DeliveryCountMode::every_return
                                                  : hub::DeliveryCountMode::abandon_only;
  return settings;
}

}  // namespace

FUZZ_TARGET(mqtt_session) {
  Input in(input);
  World world(settings_of(in.byte()));
  std::vector<std::unique_ptr<Runner>> runners;
  const auto open = [&] { runners.push_back(std::make_unique<Runner>(world, make, true)); };
  open();
  while (!in.empty()) {
    Runner& runner = *runners.back();
    const auto operation = in.byte() % 16;
    if (operation < 9) {
      runner.bytes(packet_of(static_cast<std::uint8_t>(operation), in));
    } else if (operation == 9) {
      runner.bytes(in.take(in.u16()));
    } else if (operation == 10) {
      runner.set_reading(in.flag());
    } else if (operation == 11) {
      in.flag() ? runner.shut_down() : runner.peer_closed();
    } else if (operation == 12 && runners.size() < 4) {
      open();  // the earlier one stays: a second connection of the same device
    } else {
      world.event(in);
    }
    for (const auto& each : runners) {
      if (!each->closed()) each->settle();
    }
  }
}
