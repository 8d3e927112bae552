#include "clients/hub_client/transports/mqtt_codec.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

namespace iothub::mqtt {
namespace {

constexpr std::size_t kPacketMax = 268'435'455;  // what four length bytes can say

[[noreturn]] void malformed(const char* what) {
  throw Error{ErrorKind::protocol_error,
              std::string{"the hub sent a malformed MQTT packet: "} + what};
}

void put_u16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xFF);
}

void put_string(std::string& out, std::string_view text) {
  if (text.size() > 65535) {
    throw Error{ErrorKind::invalid_argument, "a text of more than 65535 bytes does not fit MQTT"};
  }
  put_u16(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

std::string packet(PacketType type, unsigned flags, std::string_view body) {
  if (body.size() > kPacketMax) {
    throw Error{ErrorKind::message_too_large, "the message does not fit an MQTT packet"};
  }
  std::string out;
  out += static_cast<char>(static_cast<unsigned>(type) << 4 | flags);
  std::size_t length = body.size();
  do {
    const std::size_t low = length % 128;
    length /= 128;
    out += static_cast<char>(low | (length > 0 ? 0x80U : 0U));
  } while (length > 0);
  out += body;
  return out;
}

// Reads a packet's body front to back.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}
  std::uint8_t u8() {
    if (rest_.empty()) malformed("too short");
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::string string() {
    const std::size_t size = u16();
    if (size > rest_.size()) malformed("a string ends outside");
    std::string text{rest_.substr(0, size)};
    if (!is_utf8(text) || text.find('\0') != std::string::npos) malformed("a string is no text");
    rest_.remove_prefix(size);
    return text;
  }
  std::string_view rest() const { return rest_; }
  void end() const {
    if (!rest_.empty()) malformed("too long");
  }

 private:
  std::string_view rest_;
};

Packet decode(std::uint8_t first, std::string_view body) {
  Packet out;
  out.type = static_cast<PacketType>(first >> 4);
  if (out.type != PacketType::publish && (first & 0x0F) != 0) malformed("reserved flags");
  Reader in{body};
  switch (out.type) {
    case PacketType::connack:
      out.session_present = (in.u8() & 1) != 0;
      out.return_code = in.u8();
      in.end();
      break;
    case PacketType::publish:
      out.qos = (first >> 1) & 3;
      out.duplicate = (first & 8) != 0;
      out.topic = in.string();
      if (out.topic.empty() || out.topic.find_first_of("+#") != std::string::npos) {
        malformed("a topic that is empty or has a wildcard");
      }
      if (out.qos > 1) malformed("a PUBLISH above QoS 1");
      if (out.qos == 1) {
        out.packet_id = in.u16();
        if (out.packet_id == 0) malformed("packet id 0");
      }
      out.payload = in.rest();
      break;
    case PacketType::puback:
    case PacketType::unsuback:
      out.packet_id = in.u16();
      in.end();
      break;
    case PacketType::suback:
      out.packet_id = in.u16();
      out.return_code = in.u8();
      in.end();
      break;
    case PacketType::pingresp:
      in.end();
      break;
    case PacketType::connect:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
    case PacketType::subscribe:
    case PacketType::unsubscribe:
    case PacketType::pingreq:
    case PacketType::disconnect:
    default:
      malformed("a type that a server does not send");
  }
  return out;
}

}  // namespace

std::string encode_connect(const Connect& connect) {
  std::string body;
  put_string(body, "MQTT");
  body += '\x04';  // 3.1.1
  unsigned flags = 0x80;
  if (connect.clean_session) flags |= 0x02;
  if (!connect.password.empty()) flags |= 0x40;
  body += static_cast<char>(flags);
  put_u16(body, connect.keep_alive_s);
  put_string(body, connect.client_id);
  put_string(body, connect.user_name);
  if (!connect.password.empty()) put_string(body, connect.password);
  return packet(PacketType::connect, 0, body);
}

std::string encode_publish(std::string_view topic, std::string_view payload,
                           std::uint16_t packet_id, bool duplicate) {
  std::string body;
  put_string(body, topic);
  put_u16(body, packet_id);
  body += payload;
  return packet(PacketType::publish, duplicate ? 0x0A : 0x02, body);
}

std::string encode_subscribe(std::string_view filter, std::uint16_t packet_id) {
  std::string body;
  put_u16(body, packet_id);
  put_string(body, filter);
  body += '\x01';
  return packet(PacketType::subscribe, 0x02, body);
}

std::string encode_puback(std::uint16_t packet_id) {
  std::string body;
  put_u16(body, packet_id);
  return packet(PacketType::puback, 0, body);
}

std::string encode_pingreq() { return packet(PacketType::pingreq, 0, {}); }
std::string encode_disconnect() { return packet(PacketType::disconnect, 0, {}); }

std::optional<Packet> take_packet(std::string& buffer) {
  if (buffer.empty()) return std::nullopt;
  std::size_t length = 0;
  std::size_t header = 1;
  for (unsigned shift = 0;; shift += 7, ++header) {
    if (shift > 21) malformed("a length of more than four bytes");
    if (header >= buffer.size()) return std::nullopt;
    const auto byte = static_cast<std::uint8_t>(buffer[header]);
    length |= static_cast<std::size_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) break;
  }
  ++header;
  if (buffer.size() < header + length) return std::nullopt;
  auto out =
      decode(static_cast<std::uint8_t>(buffer[0]), std::string_view{buffer}.substr(header, length));
  buffer.erase(0, header + length);
  return out;
}

}  // namespace iothub::mqtt
