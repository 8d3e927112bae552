#pragma once
// Bytes <-> packets of MQTT 3.1.1, incremental and bounded.
//
//   packet      = type:4bit flags:4bit remaining-length body
//   remaining-length = 1*4 byte, 7 bits each, least significant first, high bit: one more follows
//   text        = length:u16 UTF-8 without U+0000            data = length:u16 byte*
//
//   CONNECT     = text("MQTT") level:u8 flags:u8 keep-alive:u16 text(client-id)
//                 [text(will-topic) data(will-payload)] [text(username)] [data(password)]
//                 flags: 7 username, 6 password, 5 will-retain, 4..3 will-qos, 2 will, 1 clean
//   CONNACK     = session-present:u8 code:u8
//   PUBLISH     = text(topic) [packet-id:u16 if qos > 0] byte*    flags: 3 dup, 2..1 qos, 0 retain
//   PUBACK PUBREC PUBREL PUBCOMP UNSUBACK = packet-id:u16
//   SUBSCRIBE   = packet-id:u16 1*( text(filter) qos:u8 )         SUBACK = packet-id:u16 1*code:u8
//   UNSUBSCRIBE = packet-id:u16 1*text(filter)
//   PINGREQ PINGRESP DISCONNECT = (nothing)
//   flags are 0010 for PUBREL, SUBSCRIBE and UNSUBSCRIBE, 0000 for all but PUBLISH; u16 big-endian;
//   a packet id is never 0.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocols/mqtt/packet.hpp"

namespace mqtt {

// Why bytes are no packet; each closes the connection (spec/mqtt.md 6).
enum class DecodeError : std::uint8_t {
  unknown_packet_type,
  reserved_flags,
  remaining_length_too_long,
  packet_too_large,
  body_too_short,
  body_too_long,
  bad_utf8,
  wrong_protocol_name,
  bad_connect_flags,
  qos_3,
  packet_id_zero,
  empty_topic,
  wildcard_in_topic,
  bad_filter,
  no_filters,
  bad_code,
};
std::string_view to_text(DecodeError error);

// Takes a stream apart. A packet that lies whole in the input is not copied; only a partial one is
// kept, at most `packet_bytes_max` bytes of it. After an error the decoder is of no further use.
class Decoder {
 public:
  explicit Decoder(std::uint32_t packet_bytes_max) : packet_bytes_max_(packet_bytes_max) {}

  enum class Status : std::uint8_t { packet, need_more, error };
  // Takes bytes from the front of `input`. Views in `packet` hold until the next call, and no
  // longer than the input they came in.
  Status next(std::string_view& input, Packet& packet);
  DecodeError error() const { return failure_->error; }
  // For the log: what is wrong, of what, and how it is right.
  const std::string& explanation() const { return failure_->explanation; }

 private:
  Status frame_size(std::string_view bytes, std::size_t& size);
  Status decode(std::string_view whole, Packet& packet);
  Status refuse(DecodeError error, const std::string& more);

  std::string partial_;
  const std::uint32_t packet_bytes_max_;
  bool partial_delivered_ = false;
  struct Failure {
    DecodeError error;
    std::string explanation;
  };
  std::unique_ptr<const Failure> failure_;
};

// Append one packet each. Texts are at most 65 535 bytes: the caller's duty.
void encode(std::string& out, const Connect& packet);
void encode(std::string& out, const Connack& packet);
void encode(std::string& out, const Publish& packet);
void encode(std::string& out, const Puback& packet);
void encode(std::string& out, const Pubrec& packet);
void encode(std::string& out, const Pubrel& packet);
void encode(std::string& out, const Pubcomp& packet);
void encode(std::string& out, const Subscribe& packet);
void encode(std::string& out, const Suback& packet);
void encode(std::string& out, const Unsubscribe& packet);
void encode(std::string& out, const Unsuback& packet);
void encode(std::string& out, Pingreq);
void encode(std::string& out, Pingresp);
void encode(std::string& out, Disconnect);

}  // namespace mqtt
