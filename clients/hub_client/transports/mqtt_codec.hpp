#pragma once
// The client's half of MQTT 3.1.1: the packets a device sends and gets. Pure, no I/O.
//
// Own code, because a message must be acknowledged when the application completes it and not
// before. libmosquitto (and Paho) send PUBACK by themselves on arrival, which completes the message
// at the hub: telemetry over a stored session would then eat cloud-to-device messages unseen, and a
// crash before the application handled a message would lose it.
//
//   packet = type and flags (1 byte), remaining length (1-4 bytes, 7 bits each, low first), body
//   string = length (2 bytes, big-endian), UTF-8
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace iothub::mqtt {

enum class PacketType : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect
};

struct Connect {
  std::string client_id, user_name, password;  // an empty password is left out
  std::uint16_t keep_alive_s = 0;
  bool clean_session = false;
};

// Any packet from the hub; fields that its type does not have stay as they are here.
struct Packet {
  PacketType type = PacketType::pingresp;
  std::uint16_t packet_id = 0;
  std::uint8_t return_code = 0;  // CONNACK, SUBACK
  bool session_present = false;
  std::string topic, payload;  // PUBLISH
  std::uint8_t qos = 0;
  bool duplicate = false;
};

// Error invalid_argument when a string is longer than 65535 bytes.
std::string encode_connect(const Connect& connect);
std::string encode_publish(std::string_view topic, std::string_view payload,
                           std::uint16_t packet_id, bool duplicate = false);     // QoS 1
std::string encode_subscribe(std::string_view filter, std::uint16_t packet_id);  // QoS 1
std::string encode_puback(std::uint16_t packet_id);
std::string encode_pingreq();
std::string encode_disconnect();

// Takes one whole packet off the front of `buffer`; nullopt when more bytes are needed. Error
// protocol_error when the bytes are not a packet that a server may send.
std::optional<Packet> take_packet(std::string& buffer);

}  // namespace iothub::mqtt
