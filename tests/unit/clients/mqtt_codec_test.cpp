#include "clients/hub_client/transports/mqtt_codec.hpp"

#include "clients/hub_client/error.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace iothub;
using namespace iothub::mqtt;
using namespace std::string_literals;

TEST_CASE("CONNECT carries client id, user name and password, and keeps the session") {
  const auto bytes = encode_connect({"d", "u", "p", 240, false});
  CHECK(bytes ==
        "\x10\x13\x00\x04MQTT\x04\xC0\x00\xF0\x00\x01"
        "d\x00\x01u\x00\x01p"s);
}

TEST_CASE("CONNECT without a password leaves its flag out, for X.509") {
  const auto bytes = encode_connect({"d", "u", "", 240, true});
  CHECK(bytes ==
        "\x10\x10\x00\x04MQTT\x04\x82\x00\xF0\x00\x01"
        "d\x00\x01u"s);
}

TEST_CASE("PUBLISH, SUBSCRIBE and PUBACK are QoS 1") {
  CHECK(encode_publish("t", "hi", 7) == "\x32\x07\x00\x01t\x00\x07hi"s);
  CHECK(encode_publish("t", "hi", 7, true) == "\x3A\x07\x00\x01t\x00\x07hi"s);
  CHECK(encode_subscribe("t/#", 8) == "\x82\x08\x00\x08\x00\x03t/#\x01"s);
  CHECK(encode_puback(9) == "\x40\x02\x00\x09"s);
  CHECK(encode_pingreq() == "\xC0\x00"s);
  CHECK(encode_disconnect() == "\xE0\x00"s);
}

TEST_CASE("a long packet's length takes several bytes") {
  const auto bytes = encode_publish("t", std::string(200, 'x'), 1);
  CHECK(bytes.substr(0, 3) == "\x32\xCD\x01"s);
  auto buffer = bytes;
  const auto packet = take_packet(buffer);
  REQUIRE(packet);
  CHECK(packet->payload.size() == 200);
  CHECK(buffer.empty());
}

TEST_CASE("a packet is taken only when all of it is there") {
  const auto bytes = encode_publish("devices/d/messages/devicebound/%24.to=x", "body", 5);
  std::string buffer;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    buffer += bytes[i];
    CHECK_FALSE(take_packet(buffer));
  }
  buffer += bytes.back();
  buffer += "\xD0\x00"s;  // and the beginning of the next ones stays
  const auto packet = take_packet(buffer);
  REQUIRE(packet);
  CHECK(packet->type == PacketType::publish);
  CHECK(packet->packet_id == 5);
  CHECK(packet->topic == "devices/d/messages/devicebound/%24.to=x");
  CHECK(packet->payload == "body");
  CHECK(take_packet(buffer)->type == PacketType::pingresp);
  CHECK_FALSE(take_packet(buffer));
}

TEST_CASE("the hub's answers are read") {
  auto buffer = "\x20\x02\x01\x00"s;
  auto packet = take_packet(buffer);
  CHECK(packet->session_present);
  CHECK(packet->return_code == 0);
  buffer = "\x90\x03\x00\x08\x80"s;
  packet = take_packet(buffer);
  CHECK(packet->packet_id == 8);
  CHECK(packet->return_code == 0x80);
  buffer = "\x3A\x05\x00\x01t\x00\x01"s;
  packet = take_packet(buffer);
  CHECK(packet->duplicate);
  CHECK(packet->qos == 1);
}

TEST_CASE("bytes that no server may send are a protocol error") {
  for (const auto& bytes :
       {"\x10\x00"s, "\x00\x00"s, "\xF0\x00"s, "\x20\x01\x00"s, "\x20\x03\x00\x00\x00"s,
        "\x30\x02\x00\x05"s, "\x34\x05\x00\x01t\x00\x01"s, "\x32\x05\x00\x01t\x00\x00"s,
        "\x30\xFF\xFF\xFF\xFF\x01"s, "\x40\x01\x00"s}) {
    auto buffer = bytes;
    CHECK_THROWS_AS(take_packet(buffer), Error);
  }
}

TEST_CASE(
    "[MQTT-1.5.3-1] [MQTT-1.5.3-2] [MQTT-2.2.2-2] [MQTT-3.3.1-4] [MQTT-3.3.2-2] the client refuses "
    "it too") {
  for (const auto& bytes :
       {"\x30\x04\x00\x02\xC3\x28"s, "\x30\x05\x00\x03\xED\xA0\x80"s, "\x30\x04\x00\x02t\x00"s,
        "\x30\x02\x00\x00"s, "\x30\x05\x00\x03t/#"s, "\x30\x03\x00\x01+"s, "\x21\x02\x00\x00"s,
        "\x42\x02\x00\x01"s, "\x92\x03\x00\x01\x00"s, "\xD1\x00"s, "\x36\x05\x00\x01t\x00\x01"s}) {
    auto buffer = bytes;
    CHECK_THROWS_AS(take_packet(buffer), Error);
  }
}

TEST_CASE("a topic longer than MQTT allows is refused before it is sent") {
  CHECK_THROWS_AS(encode_publish(std::string(65536, 'x'), "", 1), Error);
}
