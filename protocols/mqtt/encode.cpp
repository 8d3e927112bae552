#include "emulator/core/base/error.hpp"
#include "protocols/mqtt/codec.hpp"

namespace mqtt {

namespace {

constexpr std::size_t text_bytes_max = 0xFFFF;
constexpr std::size_t remaining_length_max = 268'435'455;

void put_u8(std::string& out, std::uint8_t value) { out += static_cast<char>(value); }

void put_u16(std::string& out, std::uint16_t value) {
  put_u8(out, static_cast<std::uint8_t>(value >> 8));
  put_u8(out, static_cast<std::uint8_t>(value & 0xFF));
}

void put_text(std::string& out, std::string_view text) {
  HUB_ASSERT(text.size() <= text_bytes_max);
  put_u16(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

void put_header(std::string& out, PacketType type, std::uint8_t flags, std::size_t length) {
  HUB_ASSERT(length <= remaining_length_max);
  put_u8(out, static_cast<std::uint8_t>(static_cast<std::uint8_t>(type) << 4 | flags));
  do {
    const auto low = static_cast<std::uint8_t>(length & 0x7F);
    length >>= 7;
    put_u8(out, static_cast<std::uint8_t>(low | (length > 0 ? 0x80 : 0)));
  } while (length > 0);
}

void put_packet_id(std::string& out, PacketType type, std::uint8_t flags, std::uint16_t packet_id) {
  put_header(out, type, flags, 2);
  put_u16(out, packet_id);
}

}  // namespace

void encode(std::string& out, const Connect& packet) {
  std::size_t length = 2 + 4 + 1 + 1 + 2 + 2 + packet.client_id.size();
  std::uint8_t flags = packet.clean_session ? 0x02 : 0;
  if (packet.will) {
    length += 4 + packet.will->topic.size() + packet.will->payload.size();
    flags = static_cast<std::uint8_t>(flags | 0x04 | packet.will->qos << 3 |
                                      (packet.will->retain ? 0x20 : 0));
  }
  if (packet.username) {
    length += 2 + packet.username->size();
    flags |= 0x80;
  }
  if (packet.password) {
    length += 2 + packet.password->size();
    flags |= 0x40;
  }
  put_header(out, PacketType::connect, 0, length);
  put_text(out, "MQTT");
  put_u8(out, packet.level);
  put_u8(out, flags);
  put_u16(out, packet.keep_alive_s);
  put_text(out, packet.client_id);
  if (packet.will) {
    put_text(out, packet.will->topic);
    put_text(out, packet.will->payload);
  }
  if (packet.username) put_text(out, *packet.username);
  if (packet.password) put_text(out, *packet.password);
}

void encode(std::string& out, const Connack& packet) {
  put_header(out, PacketType::connack, 0, 2);
  put_u8(out, packet.session_present ? 1 : 0);
  put_u8(out, static_cast<std::uint8_t>(packet.code));
}

void encode(std::string& out, const Publish& packet) {
  HUB_ASSERT((packet.qos > 0) == (packet.packet_id != 0));
  const auto flags =
      static_cast<std::uint8_t>((packet.dup ? 8 : 0) | packet.qos << 1 | (packet.retain ? 1 : 0));
  const std::size_t length =
      2 + packet.topic.size() + (packet.qos > 0 ? 2 : 0) + packet.payload.size();
  put_header(out, PacketType::publish, flags, length);
  put_text(out, packet.topic);
  if (packet.qos > 0) put_u16(out, packet.packet_id);
  out.append(packet.payload);
}

void encode(std::string& out, const Puback& packet) {
  put_packet_id(out, PacketType::puback, 0, packet.packet_id);
}
void encode(std::string& out, const Pubrec& packet) {
  put_packet_id(out, PacketType::pubrec, 0, packet.packet_id);
}
void encode(std::string& out, const Pubrel& packet) {
  put_packet_id(out, PacketType::pubrel, 0b0010, packet.packet_id);
}
void encode(std::string& out, const Pubcomp& packet) {
  put_packet_id(out, PacketType::pubcomp, 0, packet.packet_id);
}
void encode(std::string& out, const Unsuback& packet) {
  put_packet_id(out, PacketType::unsuback, 0, packet.packet_id);
}

void encode(std::string& out, const Subscribe& packet) {
  std::size_t length = 2;
  for (const auto& request : packet.requests) length += 2 + request.filter.size() + 1;
  put_header(out, PacketType::subscribe, 0b0010, length);
  put_u16(out, packet.packet_id);
  for (const auto& request : packet.requests) {
    put_text(out, request.filter);
    put_u8(out, request.qos);
  }
}

void encode(std::string& out, const Suback& packet) {
  put_header(out, PacketType::suback, 0, 2 + packet.codes.size());
  put_u16(out, packet.packet_id);
  for (const std::uint8_t code : packet.codes) put_u8(out, code);
}

void encode(std::string& out, const Unsubscribe& packet) {
  std::size_t length = 2;
  for (const auto filter : packet.filters) length += 2 + filter.size();
  put_header(out, PacketType::unsubscribe, 0b0010, length);
  put_u16(out, packet.packet_id);
  for (const auto filter : packet.filters) put_text(out, filter);
}

void encode(std::string& out, Pingreq) { put_header(out, PacketType::pingreq, 0, 0); }
void encode(std::string& out, Pingresp) { put_header(out, PacketType::pingresp, 0, 0); }
void encode(std::string& out, Disconnect) { put_header(out, PacketType::disconnect, 0, 0); }

}  // namespace mqtt
