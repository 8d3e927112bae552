// The device's end of MQTT over a scripted stream: what it writes, byte by byte.
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/transports/factories.hpp"
#include "tests/unit/clients/kind_of.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>

using namespace iothub;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

struct Wire {
  std::string to_client, from_client;
  std::chrono::steady_clock::time_point now{};
  bool closed = false;
};

class WireStream : public ByteStream {
 public:
  explicit WireStream(Wire& wire) : wire_(wire) {}
  std::size_t read_some(char* data, std::size_t size, Duration timeout) override {
    if (wire_.to_client.empty()) {
      wire_.now += timeout;  // nobody has to wait for it
      return 0;
    }
    const auto count = std::min(size, wire_.to_client.size());
    std::memcpy(data, wire_.to_client.data(), count);
    wire_.to_client.erase(0, count);
    return count;
  }
  void write(std::string_view data, Duration) override {
    CHECK_FALSE(wire_.closed);
    wire_.from_client += data;
  }
  void close() noexcept override { wire_.closed = true; }

 private:
  Wire& wire_;
};

std::unique_ptr<DeviceTransport> device_on(Wire& wire) {
  ClientOptions options;
  options.connection = ConnectionString::parse("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0");
  return make_mqtt_device(
      options, {.connect = [&wire](Duration) { return std::make_unique<WireStream>(wire); },
                .now = [&wire] { return wire.now; }});
}

std::string taken(Wire& wire) { return std::exchange(wire.from_client, {}); }

const auto connack = "\x20\x02\x00\x00"s;
const auto filter = "devices/d/messages/devicebound/#"s;

// Connected, and what it took to be so forgotten.
std::unique_ptr<DeviceTransport> connected(Wire& wire) {
  auto device = device_on(wire);
  wire.to_client = connack;
  device->open("token", false, 1s);
  taken(wire);
  return device;
}

std::string publish(const std::string& flags, const std::string& id, const std::string& body) {
  const auto topic = "devices/d/messages/events/"s;
  return flags + static_cast<char>(2 + topic.size() + id.size() + body.size()) + "\0"s +
         static_cast<char>(topic.size()) + topic + id + body;
}

}  // namespace

TEST_CASE(
    "[MQTT-3.1.0-1] [MQTT-3.1.2-22] [MQTT-3.1.3-7] the device begins with CONNECT, then "
    "subscribes") {
  Wire wire;
  const auto device = device_on(wire);
  wire.to_client = connack + "\x90\x03\x00\x01\x01"s;
  device->open("token", true, 1s);
  const auto name = "h/d/?api-version=2021-04-12&DeviceClientType=iothub-device%2F0.1"s;
  const auto body =
      "\0\x04MQTT\x04\xC0\x00\xF0\x00\x01"
      "d"s +
      "\0"s + static_cast<char>(name.size()) + name + "\0\x05token"s;
  CHECK(taken(wire) == "\x10"s + static_cast<char>(body.size()) + body + "\x82"s +
                           static_cast<char>(5 + filter.size()) + "\x00\x01\0"s +
                           static_cast<char>(filter.size()) + filter + "\x01");
}

TEST_CASE("[MQTT-2.3.1-1] [MQTT-2.3.1-2] each telemetry message has a packet id of its own") {
  Wire wire;
  const auto device = connected(wire);
  wire.to_client = "\x40\x02\x00\x02"s;
  device->send_event({.body = "a"}, {.number = 0}, 1s);
  wire.to_client = "\x40\x02\x00\x03"s;
  device->send_event({.body = "b"}, {.number = 1}, 1s);
  CHECK(taken(wire) == publish("\x32", "\0\x02"s, "a") + publish("\x32", "\0\x03"s, "b"));
  wire.to_client = "\x40\x02\xFF\xFF"s;
  device->send_event({.body = "c"}, {.number = 65533}, 1s);
  wire.to_client = "\x40\x02\x00\x02"s;
  device->send_event({.body = "d"}, {.number = 65534}, 1s);  // round, and never 0
  CHECK(taken(wire) == publish("\x32", "\xFF\xFF", "c") + publish("\x32", "\0\x02"s, "d"));
}

TEST_CASE("[MQTT-2.3.1-3] [MQTT-3.3.1-1] [MQTT-4.4.0-1] sent again: the same packet id, and DUP") {
  Wire wire;
  const auto device = connected(wire);
  wire.to_client = "\x40\x02\x00\x07"s;
  device->send_event({.body = "a"}, {.number = 5, .again = true}, 1s);
  CHECK(taken(wire) == publish("\x3A", "\0\x07"s, "a"));
}

TEST_CASE("[MQTT-4.5.0-2] a message that nobody asked for is acknowledged too") {
  Wire wire;
  const auto device = connected(wire);
  wire.to_client = "\x32\x06\x00\x01x\x00\x09y"s + "\x30\x04\x00\x01xy"s;
  CHECK_FALSE(device->receive(0s));
  CHECK(taken(wire) == "\x40\x02\x00\x09"s);
}

TEST_CASE("[MQTT-4.3.2-2] completing a message is its PUBACK") {
  Wire wire;
  const auto device = connected(wire);
  wire.to_client = "\x32\x27\x00\x20"s + "devices/d/messages/devicebound/x" + "\x12\x34" + "abc";
  const auto message = device->receive(0s);
  REQUIRE(message);
  CHECK(taken(wire).empty());
  device->settle(*message, Disposition::complete, 1s);
  CHECK(taken(wire) == "\x40\x02\x12\x34"s);
}

TEST_CASE("[MQTT-3.1.2-23] an idle device pings, well within its keep-alive of 240 s") {
  Wire wire;
  const auto device = connected(wire);
  device->keep_alive(1ms);
  CHECK(taken(wire).empty());
  wire.now += 120s;
  device->keep_alive(1ms);
  CHECK(taken(wire) == "\xC0\x00"s);
  wire.to_client = "\xD0\x00"s;
  device->keep_alive(1ms);
  wire.now += 120s;
  device->keep_alive(1ms);
  CHECK(taken(wire) == "\xC0\x00"s);
  wire.now += 31s;  // no answer
  CHECK(kind_of([&] { device->keep_alive(1ms); }) == ErrorKind::connection_lost);
}

TEST_CASE(
    "[MQTT-3.14.4-1] [MQTT-3.14.4-2] DISCONNECT is the last word, then the stream is closed") {
  Wire wire;
  const auto device = connected(wire);
  device->close();
  CHECK(taken(wire) == "\xE0\x00"s);
  CHECK(wire.closed);
  CHECK(kind_of([&] { device->send_event({}, {}, 1s); }) == ErrorKind::connection_lost);
  CHECK(taken(wire).empty());
}

TEST_CASE("[MQTT-4.8.0-1] what no server may send ends the connection") {
  Wire wire;
  const auto device = connected(wire);
  wire.to_client = "\xC0\x00"s;
  CHECK(kind_of([&] { device->receive(0s); }) == ErrorKind::protocol_error);
  CHECK(wire.closed);
  CHECK(kind_of([&] { device->receive(0s); }) == ErrorKind::connection_lost);
}
