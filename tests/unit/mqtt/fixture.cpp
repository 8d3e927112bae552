#include "tests/unit/mqtt/fixture.hpp"

#include <algorithm>

namespace mqtt_test {

void RecordingLog::write(hub::LogLevel level, std::string_view event,
                         std::initializer_list<hub::LogField> fields) {
  std::string line(event);
  for (const auto& field : fields) {
    line.append(" ").append(field.key).append("=").append(field.value);
  }
  lines.push_back(std::move(line));
  levels.push_back(level);
}

bool RecordingLog::contains(std::string_view text) const {
  return std::any_of(lines.begin(), lines.end(), [text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

struct Describe {
  std::string operator()(const mqtt::Connect& p) const {
    std::string text = "CONNECT level=" + number(p.level) + " clean=" + number(p.clean_session) +
                       " keep-alive=" + number(p.keep_alive_s) + " id=" + std::string(p.client_id);
    if (p.will) {
      text += " will=" + std::string(p.will->topic) + ":" + std::string(p.will->payload) +
              " qos=" + number(p.will->qos) + " retain=" + number(p.will->retain);
    }
    if (p.username) text += " username=" + std::string(*p.username);
    if (p.password) text += " password=" + std::string(*p.password);
    return text;
  }
  std::string operator()(const mqtt::Connack& p) const {
    return "CONNACK " + number(static_cast<std::uint8_t>(p.code)) +
           " present=" + number(p.session_present);
  }
  std::string operator()(const mqtt::Publish& p) const {
    return "PUBLISH qos=" + number(p.qos) + " dup=" + number(p.dup) +
           " retain=" + number(p.retain) + " id=" + number(p.packet_id) +
           " topic=" + std::string(p.topic) + " payload=" + std::string(p.payload);
  }
  std::string operator()(const mqtt::Subscribe& p) const {
    std::string text = "SUBSCRIBE id=" + number(p.packet_id);
    for (const auto& r : p.requests) text += " " + std::string(r.filter) + ":" + number(r.qos);
    return text;
  }
  std::string operator()(const mqtt::Suback& p) const {
    std::string text = "SUBACK id=" + number(p.packet_id);
    for (const auto code : p.codes) text += " " + number(code);
    return text;
  }
  std::string operator()(const mqtt::Unsubscribe& p) const {
    std::string text = "UNSUBSCRIBE id=" + number(p.packet_id);
    for (const auto filter : p.filters) text += " " + std::string(filter);
    return text;
  }
  template <mqtt::PacketType Type>
  std::string operator()(const mqtt::PacketIdOnly<Type>& p) const {
    return std::string(mqtt::to_text(Type)) + " id=" + number(p.packet_id);
  }
  template <mqtt::PacketType Type>
  std::string operator()(const mqtt::Empty<Type>&) const {
    return std::string(mqtt::to_text(Type));
  }
};

hub::HubConfig config_of(hub::Settings settings) {
  hub::HubConfig config;
  config.host_name = "hub.local";
  config.policies = hub::default_policies(policy_key);
  config.settings = settings;
  return config;
}

}  // namespace

std::string describe(const mqtt::Packet& packet) { return std::visit(Describe{}, packet); }

World::World(hub::Settings settings) : hub(config_of(settings), ids, log, now) {}

void World::add_device(std::string id) {
  hub::DeviceSpec spec;
  spec.id.text = std::move(id);
  spec.primary_key = device_key;
  REQUIRE(hub.registry().create(spec, now).has_value());
}

void World::add_module(std::string device, std::string module, std::string_view key) {
  hub::DeviceSpec spec;
  spec.id = {std::move(device), std::move(module)};
  spec.primary_key = key;
  REQUIRE(hub.registry().create(spec, now).has_value());
}

void World::add_certificate_device(std::string id, std::string thumbprint) {
  hub::DeviceSpec spec;
  spec.id.text = std::move(id);
  spec.authentication_type = hub::AuthenticationType::self_signed;
  spec.primary_thumbprint = std::move(thumbprint);
  REQUIRE(hub.registry().create(spec, now).has_value());
}

void World::set_status(std::string_view id, hub::DeviceStatus status) {
  hub::DeviceSpec spec;
  spec.id.text = id;
  spec.status = status;
  REQUIRE(hub.registry().update(spec, std::nullopt, now).has_value());
}

std::string World::token(std::string_view device, hub::Duration lifetime) const {
  return hub::make_sas_token("hub.local/devices/" + std::string(device), device_key,
                             now + lifetime);
}

std::string World::module_token(std::string_view device, std::string_view module) const {
  return hub::make_sas_token(
      "hub.local/devices/" + std::string(device) + "/modules/" + std::string(module), module_key,
      now + 1h);
}

std::string World::policy_token(std::string_view policy, std::string_view resource) const {
  return hub::make_sas_token(resource, policy_key, now + 1h, policy);
}

hub::SequenceNumber World::send(std::string_view device, std::string body, std::string mid,
                                hub::Ack ack) {
  hub::SendRequest request;
  request.device.text = device;
  request.ack = ack;
  request.ack_given = ack != hub::Ack::none;
  request.content.body = std::move(body);
  request.content.to = "/devices/" + std::string(device) + "/messages/devicebound";
  if (!mid.empty()) request.content.message_id = hub::MessageId::of(std::move(mid));
  const auto sent = hub.c2d().send(std::move(request), now);
  REQUIRE(sent.has_value());
  return *sent;
}

std::size_t World::queued(std::string_view device) {
  return hub.registry().get(hub::DeviceId{std::string(device)}, now)->c2d_message_count;
}

std::size_t World::locked(std::string_view device) {
  return hub.registry().get(hub::DeviceId{std::string(device)}, now)->c2d_locked_count;
}

std::vector<hub::TelemetryPtr> World::events() {
  std::vector<hub::TelemetryPtr> all;
  for (std::uint32_t partition = 0; partition < hub.events().partition_count(); ++partition) {
    const auto events = hub.events().read(partition, 0, 1000);
    all.insert(all.end(), events.begin(), events.end());
  }
  return all;
}

Client::Client(World& w, std::optional<hub::ClientCertificate> certificate)
    : world(w), driven(w.now, [&](hub::Waker waker) {
        protocols::PeerInfo peer;
        peer.address = "127.0.0.1:1234";
        peer.certificate = std::move(certificate);
        auto made =
            std::make_unique<mqtt::Session>(w.hub, std::move(peer), std::move(waker), w.now);
        session = made.get();
        return made;
      }) {}

Client& Client::send_bytes(std::string_view bytes) {
  driven.bytes(bytes);
  return *this;
}

Client& Client::connect(std::string_view device, const ConnectOptions& options) {
  const std::string username =
      options.username.value_or("hub.local/" + std::string(device) + "/?api-version=2021-04-12");
  const std::string password = options.password.value_or(world.token(device));
  const std::string client_id = options.client_id.value_or(std::string(device));
  mqtt::Connect packet;
  packet.clean_session = options.clean_session;
  packet.keep_alive_s = options.keep_alive_s;
  packet.client_id = client_id;
  packet.username = username;
  packet.will = options.will;
  if (!options.no_password) packet.password = password;
  return send(packet);
}

Client& Client::subscribe(std::string_view filter, std::uint8_t qos) {
  return send(mqtt::Subscribe{1, {{filter, qos}}});
}

Client& Client::publish(std::string_view topic, std::string_view payload, std::uint8_t qos) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = payload;
  packet.qos = qos;
  packet.packet_id = qos > 0 ? 9 : 0;
  return send(packet);
}

Client& Client::run() {
  driven.rest();
  return *this;
}

Lines Client::take() {
  Lines lines;
  const std::string output = driven.take();
  std::string_view bytes = output;
  mqtt::Decoder decoder(1 << 20);
  mqtt::Packet packet;
  for (;;) {
    const auto status = decoder.next(bytes, packet);
    if (status == mqtt::Decoder::Status::need_more) break;
    REQUIRE(status == mqtt::Decoder::Status::packet);
    lines.push_back(describe(packet));
  }
  return lines;
}

std::string c2d_filter(std::string_view device) {
  return "devices/" + std::string(device) + "/messages/devicebound/#";
}

}  // namespace mqtt_test
