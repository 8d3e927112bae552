// A device over MQTT 3.1.1, by TLS or WebSocket.
//   client id  {device}            user name  {host}/{device}/?api-version=2021-04-12
//   telemetry  devices/{device}/messages/events/{bag}
//   c2d        devices/{device}/messages/devicebound/#, QoS 1, clean session 0; PUBACK = complete
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/property_bag.hpp"
#include "clients/hub_client/transports/factories.hpp"
#include "clients/hub_client/transports/mqtt_codec.hpp"
#include "clients/hub_client/transports/stream.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>

namespace iothub {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint16_t kKeepAliveS = 240;
constexpr auto kPingEvery = std::chrono::seconds{120};
constexpr std::size_t kBodyMax = 256 * 1024;
constexpr auto kPongWithin = std::chrono::seconds{30};
constexpr auto kAckWithin = std::chrono::seconds{10};

// Packet ids. One PUBLISH is under way at a time; when it is sent again it has the id it had.
constexpr std::uint16_t kSubscribe = 1, kFirstPublish = 2;
constexpr std::uint64_t kPublishIds = 65534;

class MqttDevice : public DeviceTransport {
 public:
  MqttDevice(const ClientOptions& options, MqttBase base)
      : options_(options),
        base_(std::move(base)),
        device_(options.connection.device_id),
        devicebound_("devices/" + device_ + "/messages/devicebound/") {}

  ~MqttDevice() override { close(); }

  void open(const std::string& password, bool receiving, Duration timeout) override {
    const Deadline deadline{timeout};
    stream_ = base_.connect(timeout);
    mqtt::Connect connect;
    connect.client_id = device_;
    connect.user_name = options_.connection.host_name + "/" + device_ +
                        "/?api-version=2021-04-12&DeviceClientType=iothub-device%2F0.1";
    connect.password = password;
    connect.keep_alive_s = kKeepAliveS;
    write(mqtt::encode_connect(connect), deadline);
    await(deadline, "connect device " + device_, [this] { return connack_.has_value(); });
    if (connack_->return_code != 0) {
      throw error_from_connack(connack_->return_code, "connect device " + device_);
    }
    if (receiving) subscribe(deadline);
  }

  void send_event(const Message& message, const SendAttempt& attempt, Duration timeout) override {
    // The hub could only close the connection, which says nothing, and again the next time.
    if (message.body.size() > kBodyMax) {
      throw Error{ErrorKind::message_too_large,
                  "send telemetry of " + device_ + ": the body has more than 256 KB"};
    }
    const Deadline deadline{timeout};
    const auto id = static_cast<std::uint16_t>(kFirstPublish + attempt.number % kPublishIds);
    const auto topic = "devices/" + device_ + "/messages/events/" + encode_property_bag(message);
    acked_.reset();
    write(mqtt::encode_publish(topic, message.body, id, attempt.again), deadline);
    await(deadline, "send telemetry of " + device_, [&] { return acked_ == id; });
  }

  std::optional<ReceivedMessage> receive(Duration timeout) override {
    const Deadline deadline{timeout};
    while (inbox_.empty()) {
      if (!pump(deadline.remaining()) && deadline.passed()) return std::nullopt;
    }
    auto message = std::move(inbox_.front());
    inbox_.pop_front();
    return message;
  }

  void settle(const ReceivedMessage& message, Disposition disposition, Duration timeout) override {
    if (!can(disposition)) {
      throw Error{ErrorKind::not_supported, "MQTT can complete a message, but not " +
                                                std::string{to_string(disposition)} + " it"};
    }
    if (message.delivery == 0) return;  // QoS 0 was complete when it was sent
    write(mqtt::encode_puback(static_cast<std::uint16_t>(message.delivery)), Deadline{timeout});
  }

  bool can(Disposition disposition) const override { return disposition == Disposition::complete; }

  void keep_alive(Duration duration) override {
    const Deadline deadline{duration};
    while (!deadline.passed()) pump(deadline.remaining());
  }

  void close() noexcept override {
    if (!stream_) return;
    try {
      stream_->write(mqtt::encode_disconnect(), Duration{500});
      // Until the hub closes: closing over unread bytes resets the connection, and a reset may
      // overtake the PUBACKs that went before.
      const Deadline deadline{Duration{1000}};
      std::array<char, 4096> rest{};
      while (!deadline.passed()) stream_->read_some(rest.data(), rest.size(), deadline.remaining());
    } catch (...) {  // closed, as it should be, or gone before
    }
    stream_->close();
    stream_.reset();
  }

 private:
  void subscribe(const Deadline& deadline) {
    write(mqtt::encode_subscribe(devicebound_ + "#", kSubscribe), deadline);
    await(deadline, "subscribe to " + devicebound_ + "#",
          [&] { return suback_ && suback_->packet_id == kSubscribe; });
    if (suback_->return_code > 1) {
      throw Error{ErrorKind::unauthorized, "the hub refused the subscription to " + devicebound_};
    }
  }

  // Serves the connection until `done`.
  template <class Done>
  void await(const Deadline& deadline, const std::string& doing, Done done) {
    while (!done()) {
      if (!pump(deadline.remaining()) && deadline.passed()) {
        throw Error{ErrorKind::timeout, doing + ": no answer"};
      }
    }
  }

  // Reads once, for at most `timeout`, and handles what came; false when nothing did.
  bool pump(Duration timeout) {
    if (!stream_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
    const auto until_ping = std::chrono::ceil<Duration>(last_write_ + kPingEvery - base_.now());
    const auto wait = std::clamp(until_ping, Duration{1}, std::max(timeout, Duration{1}));
    std::array<char, 8 * 1024> chunk{};
    const auto count = stream_->read_some(chunk.data(), chunk.size(), wait);
    buffer_.append(chunk.data(), count);
    while (auto packet = next_packet()) on_packet(std::move(*packet));
    ping_when_due();
    return count > 0;
  }

  std::optional<mqtt::Packet> next_packet() {
    try {
      return mqtt::take_packet(buffer_);
    } catch (const Error&) {  // nothing behind it can be read
      stream_->close();
      stream_.reset();
      throw;
    }
  }

  void ping_when_due() {
    const auto at = base_.now();
    if (ping_sent_ && at - *ping_sent_ > kPongWithin) {
      throw Error{ErrorKind::connection_lost, "the hub did not answer a ping"};
    }
    if (at - last_write_ >= kPingEvery && !ping_sent_) {
      write(mqtt::encode_pingreq(), Deadline{Duration{10'000}});
      ping_sent_ = at;
    }
  }

  void on_packet(mqtt::Packet packet) {
    switch (packet.type) {
      case mqtt::PacketType::connack:
        connack_ = std::move(packet);
        return;
      case mqtt::PacketType::suback:
        suback_ = std::move(packet);
        return;
      case mqtt::PacketType::puback:
        acked_ = packet.packet_id;
        return;
      case mqtt::PacketType::pingresp:
        ping_sent_.reset();
        return;
      case mqtt::PacketType::publish:
        on_publish(std::move(packet));
        return;
      default:
        return;
    }
  }

  void on_publish(mqtt::Packet packet) {
    if (!packet.topic.starts_with(devicebound_)) {  // never asked for: acknowledged all the same
      if (packet.qos == 1) write(mqtt::encode_puback(packet.packet_id), Deadline{kAckWithin});
      return;
    }
    ReceivedMessage message;
    message.delivery = packet.qos == 0 ? 0 : packet.packet_id;
    message.redelivered = packet.duplicate;
    decode_property_bag(std::string_view{packet.topic}.substr(devicebound_.size()), message);
    message.body = std::move(packet.payload);
    inbox_.push_back(std::move(message));
  }

  void write(const std::string& bytes, const Deadline& deadline) {
    if (!stream_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
    stream_->write(bytes, deadline.remaining());
    last_write_ = base_.now();
  }

  ClientOptions options_;
  MqttBase base_;
  std::string device_;
  std::string devicebound_;
  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;
  std::deque<ReceivedMessage> inbox_;  // bounded by the hub's in-flight window
  std::optional<mqtt::Packet> connack_, suback_;
  std::optional<std::uint16_t> acked_;
  Steady::time_point last_write_{};
  std::optional<Steady::time_point> ping_sent_;
};

}  // namespace

std::unique_ptr<DeviceTransport> make_mqtt_device(const ClientOptions& options, MqttBase base) {
  return std::make_unique<MqttDevice>(options, std::move(base));
}

std::unique_ptr<DeviceTransport> make_mqtt_device(const ClientOptions& options) {
  return make_mqtt_device(options, {.connect = [options](Duration timeout) {
                            const auto endpoint = options.endpoint(options.transport);
                            return options.transport == TransportKind::mqtt
                                       ? connect_tls(endpoint, options, timeout)
                                       : connect_websocket(endpoint, options, "/$iothub/websocket",
                                                           "mqtt", timeout);
                          }});
}

}  // namespace iothub
