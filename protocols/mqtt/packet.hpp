#pragma once
// MQTT 3.1.1 control packets as structs. Text and payloads are views: of what the decoder was
// given, valid until it is called again; of the caller's, when encoding.
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace mqtt {

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
  disconnect,
};
std::string_view to_text(PacketType type);

constexpr std::uint8_t protocol_level_3_1_1 = 4;
constexpr std::uint8_t protocol_level_5 = 5;
constexpr std::uint8_t suback_failure = 0x80;

struct Will {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool retain = false;
};

struct Connect {
  // Another one: of what is below only the client id was read, for the log (M-70).
  std::uint8_t level = protocol_level_3_1_1;
  bool clean_session = false;
  std::uint16_t keep_alive_s = 0;
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;
};

enum class ConnectReturn : std::uint8_t {
  accepted = 0,
  unacceptable_protocol_version = 1,
  server_unavailable = 3,  // 2 and 4 are never sent: SDKs give up for good on them (2.5)
  not_authorized = 5,
};

struct Connack {
  bool session_present = false;
  ConnectReturn code = ConnectReturn::accepted;
};

struct Publish {
  bool dup = false;
  std::uint8_t qos = 0;
  bool retain = false;
  std::string_view topic;
  std::uint16_t packet_id = 0;  // 0 at QoS 0, else not
  std::string_view payload;
};

// PUBACK, PUBREC, PUBREL, PUBCOMP and UNSUBACK: a packet id and nothing else.
template <PacketType Type>
struct PacketIdOnly {
  std::uint16_t packet_id = 0;
};
using Puback = PacketIdOnly<PacketType::puback>;
using Pubrec = PacketIdOnly<PacketType::pubrec>;
using Pubrel = PacketIdOnly<PacketType::pubrel>;
using Pubcomp = PacketIdOnly<PacketType::pubcomp>;
using Unsuback = PacketIdOnly<PacketType::unsuback>;

struct Subscribe {
  struct Request {
    std::string_view filter;
    std::uint8_t qos = 0;
  };
  std::uint16_t packet_id = 0;
  std::vector<Request> requests;
};

struct Suback {
  std::uint16_t packet_id = 0;
  std::vector<std::uint8_t> codes;  // granted QoS or suback_failure
};

struct Unsubscribe {
  std::uint16_t packet_id = 0;
  std::vector<std::string_view> filters;
};

template <PacketType Type>
struct Empty {};
using Pingreq = Empty<PacketType::pingreq>;
using Pingresp = Empty<PacketType::pingresp>;
using Disconnect = Empty<PacketType::disconnect>;

using Packet = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe,
                            Suback, Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect>;

}  // namespace mqtt
