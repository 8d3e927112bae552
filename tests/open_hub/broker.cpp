#include "tests/open_hub/broker.hpp"

#include <algorithm>

#include "emulator/core/base/encoding.hpp"
#include "protocols/mqtt/property_bag.hpp"
#include "protocols/mqtt/topic_filter.hpp"
#include "tests/open_hub/devices.hpp"

namespace open_hub {

using protocols::TimePoint;

namespace {

constexpr std::size_t packet_max = 1024 * 1024;
constexpr protocols::ShellLimits limits;

std::string_view property(const hub::MessageContent& content, std::string_view name) {
  for (const auto& [key, value] : content.properties) {
    if (key == name && value) return *value;
  }
  return {};
}

std::string devicebound(const hub::DeviceId& client) {
  return "devices/" + client.text + "/messages/devicebound/";
}

}  // namespace

// ---- the broker --------------------------------------------------------------------------------

void Broker::subscribe(const hub::DeviceId& client, std::string_view filter, std::uint8_t qos) {
  filters_[client.text].insert_or_assign(std::string(filter), qos);
}

bool Broker::unsubscribe(const hub::DeviceId& client, std::string_view filter) {
  auto& filters = filters_[client.text];
  if (const auto known = filters.find(filter); known != filters.end()) filters.erase(known);
  return filters.empty();
}

std::optional<std::uint8_t> Broker::granted(const std::string& client,
                                            std::string_view topic) const {
  std::optional<std::uint8_t> highest;
  const auto found = filters_.find(client);
  if (found == filters_.end()) return highest;
  for (const auto& [filter, qos] : found->second) {
    if (mqtt::matches(filter, topic)) highest = std::max(highest.value_or(0), qos);
  }
  return highest;
}

void Broker::route(hub::TimePoint now) {
  for (std::uint32_t partition = 0; partition < next_event_.size(); ++partition) {
    for (const auto& event : hub_.events().read(partition, next_event_[partition], 1000)) {
      next_event_[partition] = event->sequence_number + 1;
      const std::string_view topic = property(event->content, "topic");
      for (const auto& [client, filters] : filters_) {
        if (!granted(client, topic)) continue;
        hub::SendRequest request;
        request.device.text = client;
        mqtt::set_property(request.content, "topic", topic);
        mqtt::set_property(request.content, "qos", property(event->content, "qos"));
        request.content.body = event->content.body;
        if (const auto sent = hub_.c2d().send(std::move(request), now); !sent) {
          hub_.log().warn("a message is lost", {{"client", client}, {"why", sent.error().detail}});
        }
      }
    }
  }
}

// ---- a session ---------------------------------------------------------------------------------

OpenSession::OpenSession(Broker& broker, protocols::PeerInfo peer, hub::Waker waker, TimePoint now)
    : broker_(broker),
      inner_(std::make_unique<mqtt::Session>(broker.hub(), std::move(peer), std::move(waker), now),
             nullptr, limits),
      from_client_(packet_max),
      from_inner_(packet_max) {}

OpenSession::~OpenSession() {
  if (clean_) broker_.forget(client_);
}

void OpenSession::on_bytes(std::string_view bytes, TimePoint now) {
  mqtt::Packet packet;
  while (!wants_close()) {
    std::string words;
    const auto status = from_client_.next(bytes, packet);
    if (status == mqtt::Decoder::Status::need_more) break;
    if (status == mqtt::Decoder::Status::error) {
      words = std::string("\0\0", 2);  // as malformed for the session
    } else {
      say(words, packet, now);
    }
    inner_.on_bytes(words, now);
    settle(now);
  }
}

void OpenSession::on_wake(TimePoint now) {
  inner_.on_wake(now);
  settle(now);
}
void OpenSession::on_time(TimePoint now) {
  inner_.on_time(now);
  settle(now);
}
void OpenSession::on_peer_closed(TimePoint now) {
  inner_.end(now);
  broker_.route(now);
}
void OpenSession::on_shutdown(TimePoint now) {
  inner_.on_shutdown(now);
  settle(now);
}
std::optional<TimePoint> OpenSession::next_deadline() const { return inner_.next_deadline(); }

void OpenSession::say(std::string& words, const mqtt::Packet& packet, TimePoint now) {
  if (const auto* connect = std::get_if<mqtt::Connect>(&packet)) {
    return say_connect(words, *connect, now);
  }
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
    mqtt::Publish telemetry = *publish;
    const std::string topic = telemetry_topic(publish->topic, publish->qos);
    telemetry.topic = topic;
    return mqtt::encode(words, telemetry);
  }
  const std::string all = devicebound(client_) + "#";
  if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
    auto& codes = subacks_[subscribe->packet_id];
    codes.clear();
    for (const auto& request : subscribe->requests) {
      codes.push_back(std::min<std::uint8_t>(request.qos, 1));
      broker_.subscribe(client_, request.filter, codes.back());
    }
    return mqtt::encode(words, mqtt::Subscribe{subscribe->packet_id, {{all, 1}}});
  }
  if (const auto* unsubscribe = std::get_if<mqtt::Unsubscribe>(&packet)) {
    bool none_left = false;
    for (const auto filter : unsubscribe->filters) {
      none_left = broker_.unsubscribe(client_, filter);
    }
    return mqtt::encode(words, mqtt::Unsubscribe{unsubscribe->packet_id,
                                                 {none_left ? std::string_view(all) : "none"}});
  }
  std::visit([&](const auto& as_it_is) { mqtt::encode(words, as_it_is); }, packet);
}

void OpenSession::say_connect(std::string& words, mqtt::Connect packet, TimePoint now) {
  static int anonymous = 0;
  std::string name(packet.client_id);
  if (name.empty() && packet.clean_session) name = "anonymous-" + std::to_string(++anonymous);
  client_ = device_for(broker_.hub(), name, now);
  clean_ = packet.clean_session;
  if (clean_) broker_.forget(client_);
  const std::string username = "open/" + client_.text + "/?api-version=2021-04-12";
  const std::string token =
      hub::make_sas_token("open/devices/" + client_.text, key, now + std::chrono::hours{24 * 365});
  std::string will_topic;
  if (packet.will) {
    will_topic = telemetry_topic(packet.will->topic, packet.will->qos);
    packet.will->topic = will_topic;
  }
  packet.client_id = name.empty() ? std::string_view() : std::string_view(client_.text);
  packet.username = username;
  packet.password = token;
  mqtt::encode(words, packet);
}

std::string OpenSession::telemetry_topic(std::string_view topic, std::uint8_t qos) const {
  return "devices/" + client_.text + "/messages/events/topic=" + hub::percent_encode(topic) +
         "&qos=" + std::to_string(qos);
}

void OpenSession::settle(TimePoint now) {
  // An answer may make the session say more: what is acknowledged in the client's place, below.
  for (inner_.end_turn(now); inner_.has_output(); inner_.end_turn(now)) {
    const std::string said(inner_.output());
    inner_.consume(said.size());
    std::string_view rest = said;
    mqtt::Packet packet;
    while (from_inner_.next(rest, packet) == mqtt::Decoder::Status::packet) answer(packet, now);
  }
  broker_.route(now);
}

void OpenSession::answer(const mqtt::Packet& packet, TimePoint now) {
  if (const auto* suback = std::get_if<mqtt::Suback>(&packet)) {
    return mqtt::encode(output_, mqtt::Suback{suback->packet_id, subacks_[suback->packet_id]});
  }
  const auto* publish = std::get_if<mqtt::Publish>(&packet);
  if (publish == nullptr) {
    return std::visit([&](const auto& as_it_is) { mqtt::encode(output_, as_it_is); }, packet);
  }
  hub::TelemetryMessage bag;
  (void)mqtt::decode_property_bag(publish->topic.substr(devicebound(client_).size()), 100, bag);
  const std::string topic(property(bag.content, "topic"));
  mqtt::Publish message = *publish;
  message.topic = topic;
  message.qos = std::min<std::uint8_t>(property(bag.content, "qos") == "0" ? 0 : 1,
                                       broker_.granted(client_.text, topic).value_or(0));
  if (message.qos == 0) {
    message.packet_id = 0;
    message.dup = false;
    std::string done;
    mqtt::encode(done, mqtt::Puback{publish->packet_id});
    mqtt::encode(output_, message);  // the views end with the call below
    inner_.on_bytes(done, now);
    return;
  }
  mqtt::encode(output_, message);
}

}  // namespace open_hub
