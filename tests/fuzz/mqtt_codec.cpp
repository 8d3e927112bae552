// MQTT bytes, whole and byte by byte: the same packets and the same error; what was read can be
// written, and reads back as the same.
#include "protocols/mqtt/codec.hpp"
#include "tests/fuzz/support/target.hpp"

#include "emulator/core/base/error.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

constexpr std::size_t packet_bytes_max = 4096;

std::string encoded(const mqtt::Packet& packet) {
  std::string bytes;
  std::visit([&](const auto& p) { mqtt::encode(bytes, p); }, packet);
  return bytes;
}

std::vector<std::string> packets_of(std::string_view bytes, std::size_t step) {
  std::vector<std::string> packets;
  mqtt::Decoder decoder(packet_bytes_max);
  mqtt::Packet packet;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    for (;;) {
      const auto status = decoder.next(piece, packet);
      if (status == mqtt::Decoder::Status::need_more) break;
      if (status == mqtt::Decoder::Status::error) {
        packets.emplace_back(mqtt::to_text(decoder.error()));
        return packets;
      }
      packets.push_back(encoded(packet));
    }
  }
  return packets;
}

void check_round_trip(std::string_view bytes) {
  mqtt::Decoder decoder(packet_bytes_max);
  mqtt::Packet packet;
  if (decoder.next(bytes, packet) != mqtt::Decoder::Status::packet) return;
  // Of another protocol level nothing was read that could be written.
  if (const auto* connect = std::get_if<mqtt::Connect>(&packet);
      connect != nullptr && connect->level != mqtt::protocol_level_3_1_1) {
    return;
  }
  const std::string once = encoded(packet);
  mqtt::Decoder again(packet_bytes_max);
  std::string_view rest = once;
  HUB_ASSERT(again.next(rest, packet) == mqtt::Decoder::Status::packet);
  HUB_ASSERT(rest.empty());
  HUB_ASSERT(encoded(packet) == once);
}

}  // namespace

FUZZ_TARGET(mqtt_codec) {
  HUB_ASSERT(packets_of(input, input.size() + 1) == packets_of(input, 1));
  check_round_trip(input);
}
