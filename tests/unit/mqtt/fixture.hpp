#pragma once
// A hub, devices and MQTT sessions in memory; time is what the test says it is.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/hub/hub.hpp"
#include "protocols/mqtt/codec.hpp"
#include "protocols/mqtt/session.hpp"
#include "tests/support/driven_session.hpp"

namespace mqtt_test {

using namespace std::chrono_literals;
using hub::TimePoint;
using Lines = std::vector<std::string>;

// Every line as one text: `event key=value key=value`.
class RecordingLog : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel, std::string_view event,
             std::initializer_list<hub::LogField> fields) override;
  bool contains(std::string_view text) const;
  Lines lines;
  std::vector<hub::LogLevel> levels;  // of each line
};

// One packet as a line, e.g. `PUBLISH qos=1 dup=0 retain=0 id=1 topic=a/b payload=x`.
std::string describe(const mqtt::Packet& packet);

constexpr std::string_view device_key = "ZGV2aWNlLWtleS1vZi0zMi1ieXRlcy0tLS0tLS0tLS0=";
constexpr std::string_view module_key = "bW9kdWxlLWtleS1vZi0zMi1ieXRlcy0tLS0tLS0tLS0=";
constexpr std::string_view policy_key = "cG9saWN5LWtleS1vZi0zMi1ieXRlcy0tLS0tLS0tLS0=";

struct World {
  explicit World(hub::Settings settings = {});

  void add_device(std::string id);
  void add_module(std::string device, std::string module, std::string_view key = module_key);
  void add_certificate_device(std::string id, std::string thumbprint);
  void set_status(std::string_view id, hub::DeviceStatus status);
  std::string token(std::string_view device, hub::Duration lifetime = 1h) const;
  std::string module_token(std::string_view device, std::string_view module) const;
  std::string policy_token(std::string_view policy, std::string_view resource) const;
  // The sequence number of the queued message.
  hub::SequenceNumber send(std::string_view device, std::string body, std::string mid = {},
                           hub::Ack ack = hub::Ack::none);
  std::size_t queued(std::string_view device);
  std::size_t locked(std::string_view device);
  std::vector<hub::TelemetryPtr> events();  // of all partitions
  void pass(hub::Duration time) {
    now += time;
    hub.monitor().on_time(now);
  }

  TimePoint now = hub::from_unix_seconds(1'700'000'000);
  RecordingLog log;
  hub::SeededIdSource ids{7};
  hub::Hub hub;
};

struct ConnectOptions {
  std::optional<std::string> client_id = std::nullopt;  // default: the device
  std::optional<std::string> username = std::nullopt;   // default: hub.local/{device}/?api-…
  std::optional<std::string> password = std::nullopt;   // default: a token of the device
  bool no_password = false;
  bool clean_session = false;
  std::uint16_t keep_alive_s = 60;
  std::optional<mqtt::Will> will = std::nullopt;
};

// A device's end of one connection.
class Client {
 public:
  explicit Client(World& world, std::optional<hub::ClientCertificate> certificate = {});

  template <class P>
  Client& send(const P& packet) {
    std::string bytes;
    mqtt::encode(bytes, packet);
    return send_bytes(bytes);
  }
  Client& send_bytes(std::string_view bytes);
  Client& connect(std::string_view device, const ConnectOptions& options = {});
  Client& subscribe(std::string_view filter, std::uint8_t qos = 1);
  Client& publish(std::string_view topic, std::string_view payload = {}, std::uint8_t qos = 1);
  // What the server's loop would do: wakes, and deadlines that have come.
  Client& run();

  Lines take();  // all output, consumed
  bool closed() const { return driven.closed(); }

  World& world;
  mqtt::Session* session = nullptr;  // the driven one
  test::DrivenSession driven;
};

std::string c2d_filter(std::string_view device);

}  // namespace mqtt_test
