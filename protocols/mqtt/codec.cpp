#include "protocols/mqtt/codec.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/printable.hpp"
#include "protocols/mqtt/topic_filter.hpp"

namespace mqtt {

namespace {

constexpr std::size_t fixed_header_bytes_max = 5;
constexpr std::size_t keep_capacity_bytes = 1024;  // a partial packet's buffer above it is freed

// Which flags a type must have; PUBLISH has its own.
constexpr std::uint8_t expected_flags(PacketType type) {
  return type == PacketType::pubrel || type == PacketType::subscribe ||
                 type == PacketType::unsubscribe
             ? 0b0010
             : 0b0000;
}

// Reads a body front to back; the first failure sticks, and reads behind it give nothing.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  std::uint8_t u8() {
    const std::string_view bytes = take(1);
    return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  }
  std::uint16_t u16() {
    const std::string_view bytes = take(2);
    if (bytes.empty()) return 0;
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 |
                                      static_cast<unsigned char>(bytes[1]));
  }
  std::string_view data() { return take(u16()); }
  std::string_view text() {
    const std::string_view value = data();
    if (value.find('\0') != std::string_view::npos || !hub::is_valid_utf8(value)) {
      fail(DecodeError::bad_utf8);
    }
    return value;
  }
  std::uint16_t packet_id() {
    const std::uint16_t id = u16();
    if (ok() && id == 0) fail(DecodeError::packet_id_zero);
    return id;
  }
  std::string_view topic() {
    const std::string_view value = text();
    if (ok() && value.empty()) fail(DecodeError::empty_topic);
    if (has_wildcard(value)) fail(DecodeError::wildcard_in_topic, value);
    return value;
  }
  std::string_view filter() {
    const std::string_view value = text();
    if (ok() && !is_valid_filter(value)) fail(DecodeError::bad_filter, value);
    return value;
  }
  std::string_view remaining() { return std::exchange(rest_, {}); }
  void skip_properties() {  // of MQTT 5: their length, 7 bits a byte, then they
    std::size_t length = 0;
    std::uint8_t byte = 0x80;
    for (int shift = 0; shift < 28 && (byte & 0x80) != 0; shift += 7) {
      byte = u8();
      length |= std::size_t{byte & 0x7Fu} << shift;
    }
    take(length);
  }

  bool at_end() const { return rest_.empty(); }
  bool ok() const { return !error_; }
  void fail(DecodeError error, std::string_view about = {}) {
    if (error_) return;
    error_ = error;
    about_ = about;
  }
  std::string_view about() const { return about_; }  // what the failure is about
  // The whole body must have been read.
  std::optional<DecodeError> finish() {
    if (ok() && !rest_.empty()) fail(DecodeError::body_too_long);
    return error_;
  }

 private:
  std::string_view take(std::size_t size) {
    if (!ok()) return {};
    if (rest_.size() < size) {
      fail(DecodeError::body_too_short);
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  std::string_view about_;
  std::optional<DecodeError> error_;
};

// Of another version: a copy of the reader looks ahead, behind the level.
std::string_view client_id_of_level(std::uint8_t level, Reader in) {
  in.u8();
  in.u16();
  if (level == protocol_level_5) in.skip_properties();
  const std::string_view id = in.text();
  return in.ok() ? id : std::string_view{};
}

Connect read_connect(Reader& in) {
  Connect packet;
  if (const std::string_view name = in.text(); name != "MQTT") {
    in.fail(DecodeError::wrong_protocol_name, name);
  }
  packet.level = in.u8();
  if (in.ok() && packet.level != protocol_level_3_1_1) {
    packet.client_id = client_id_of_level(packet.level, in);
    in.remaining();  // another version's body is not ours to read (M-70)
    return packet;
  }
  const std::uint8_t flags = in.u8();
  const bool has_username = (flags & 0x80) != 0;
  const bool has_password = (flags & 0x40) != 0;
  const bool has_will = (flags & 0x04) != 0;
  const auto will_qos = static_cast<std::uint8_t>(flags >> 3 & 3);
  const bool will_bits_without_will = !has_will && (flags & 0x38) != 0;
  if ((flags & 1) != 0 || will_bits_without_will || (has_password && !has_username)) {
    in.fail(DecodeError::bad_connect_flags);
  }
  if (will_qos == 3) in.fail(DecodeError::qos_3);
  packet.clean_session = (flags & 0x02) != 0;
  packet.keep_alive_s = in.u16();
  packet.client_id = in.text();
  if (has_will) {
    Will& will = packet.will.emplace();
    will.topic = in.topic();
    will.payload = in.data();
    will.qos = will_qos;
    will.retain = (flags & 0x20) != 0;
  }
  if (has_username) packet.username = in.text();
  if (has_password) packet.password = in.data();
  return packet;
}

Connack read_connack(Reader& in) {
  const std::uint8_t flags = in.u8();
  const std::uint8_t code = in.u8();
  if ((flags & 0xFE) != 0 || code > 5) in.fail(DecodeError::bad_code);
  return {(flags & 1) != 0, static_cast<ConnectReturn>(code)};
}

Publish read_publish(Reader& in, std::uint8_t flags) {
  Publish packet;
  packet.dup = (flags & 8) != 0;
  packet.qos = static_cast<std::uint8_t>(flags >> 1 & 3);
  packet.retain = (flags & 1) != 0;
  if (packet.qos == 3) in.fail(DecodeError::qos_3);
  packet.topic = in.topic();
  if (packet.qos > 0) packet.packet_id = in.packet_id();
  packet.payload = in.remaining();
  return packet;
}

Subscribe read_subscribe(Reader& in) {
  Subscribe packet;
  packet.packet_id = in.packet_id();
  if (in.ok() && in.at_end()) in.fail(DecodeError::no_filters);
  while (in.ok() && !in.at_end()) {
    const std::string_view filter = in.filter();
    const std::uint8_t qos = in.u8();
    if (qos > 2) in.fail(DecodeError::qos_3);
    packet.requests.push_back({filter, qos});
  }
  return packet;
}

Suback read_suback(Reader& in) {
  Suback packet;
  packet.packet_id = in.packet_id();
  while (in.ok() && !in.at_end()) {
    const std::uint8_t code = in.u8();
    if (code > 2 && code != suback_failure) in.fail(DecodeError::bad_code);
    packet.codes.push_back(code);
  }
  return packet;
}

Unsubscribe read_unsubscribe(Reader& in) {
  Unsubscribe packet;
  packet.packet_id = in.packet_id();
  if (in.ok() && in.at_end()) in.fail(DecodeError::no_filters);
  while (in.ok() && !in.at_end()) packet.filters.push_back(in.filter());
  return packet;
}

Packet read_body(PacketType type, std::uint8_t flags, Reader& in) {
  switch (type) {
    case PacketType::connect:
      return read_connect(in);
    case PacketType::connack:
      return read_connack(in);
    case PacketType::publish:
      return read_publish(in, flags);
    case PacketType::puback:
      return Puback{in.packet_id()};
    case PacketType::pubrec:
      return Pubrec{in.packet_id()};
    case PacketType::pubrel:
      return Pubrel{in.packet_id()};
    case PacketType::pubcomp:
      return Pubcomp{in.packet_id()};
    case PacketType::subscribe:
      return read_subscribe(in);
    case PacketType::suback:
      return read_suback(in);
    case PacketType::unsubscribe:
      return read_unsubscribe(in);
    case PacketType::unsuback:
      return Unsuback{in.packet_id()};
    case PacketType::pingreq:
      return Pingreq{};
    case PacketType::pingresp:
      return Pingresp{};
    case PacketType::disconnect:
      return Disconnect{};
  }
  hub::assertion_failed("unknown PacketType", __FILE__, __LINE__);
}

// What to do about it, and what it is about.
std::string remedy_of(DecodeError error, std::string_view about) {
  const std::string quoted = " '" + std::string(hub::shown(about)) + "'";
  switch (error) {
    case DecodeError::wrong_protocol_name:
      return quoted + (about == "MQIsdp" ? ", which is MQTT 3.1" : "") +
             "; set the client's protocol version to MQTT 3.1.1";
    case DecodeError::bad_connect_flags:
      return "; a password needs a user name, QoS and RETAIN of a will need the will, and the "
             "lowest "
             "bit is 0";
    case DecodeError::qos_3:
      return "; the hub takes 0 and 1";
    case DecodeError::packet_id_zero:
      return "; it is 1 to 65535";
    case DecodeError::wildcard_in_topic:
      return quoted + "; in the names and values of properties write %2B for + and %23 for #";
    case DecodeError::bad_filter:
      return quoted + "; # stands alone at the end, + alone between slashes";
    case DecodeError::bad_utf8:
      return "; topics, ids and user names are UTF-8";
    case DecodeError::empty_topic:
      return "; telemetry goes to devices/{id}/messages/events/";
    case DecodeError::no_filters:
      return "; it names one topic filter or more";
    case DecodeError::unknown_packet_type:
    case DecodeError::reserved_flags:
    case DecodeError::remaining_length_too_long:
    case DecodeError::packet_too_large:
    case DecodeError::body_too_short:
    case DecodeError::body_too_long:
    case DecodeError::bad_code:
      return "; is the client one of MQTT 3.1.1?";
  }
  hub::assertion_failed("unknown DecodeError", __FILE__, __LINE__);
}

// Who speaks something else shows it by the first byte.
std::string other_protocol(std::uint8_t first) {
  if (first == 0x16) return "; the first byte is a TLS handshake's: this port is without TLS";
  if (first >= 'A' && first <= 'Z') {
    return std::string("; the first byte is '") + static_cast<char>(first) +
           "': HTTP has another port";
  }
  return remedy_of(DecodeError::reserved_flags, {});
}

// The topic of a PUBLISH whose body has begun to come.
std::string_view topic_of(std::uint8_t first, std::string_view body) {
  if (static_cast<PacketType>(first >> 4) != PacketType::publish) return {};
  Reader in(body);
  const std::string_view topic = in.text();
  return in.ok() ? topic : std::string_view{};
}

}  // namespace

std::string_view to_text(PacketType type) {
  switch (type) {
    case PacketType::connect:
      return "CONNECT";
    case PacketType::connack:
      return "CONNACK";
    case PacketType::publish:
      return "PUBLISH";
    case PacketType::puback:
      return "PUBACK";
    case PacketType::pubrec:
      return "PUBREC";
    case PacketType::pubrel:
      return "PUBREL";
    case PacketType::pubcomp:
      return "PUBCOMP";
    case PacketType::subscribe:
      return "SUBSCRIBE";
    case PacketType::suback:
      return "SUBACK";
    case PacketType::unsubscribe:
      return "UNSUBSCRIBE";
    case PacketType::unsuback:
      return "UNSUBACK";
    case PacketType::pingreq:
      return "PINGREQ";
    case PacketType::pingresp:
      return "PINGRESP";
    case PacketType::disconnect:
      return "DISCONNECT";
  }
  hub::assertion_failed("unknown PacketType", __FILE__, __LINE__);
}

std::string_view to_text(DecodeError error) {
  switch (error) {
    case DecodeError::unknown_packet_type:
      return "packet type 0 or 15, which MQTT 3.1.1 reserves";
    case DecodeError::reserved_flags:
      return "wrong flags in the fixed header";
    case DecodeError::remaining_length_too_long:
      return "a remaining length of more than 4 bytes";
    case DecodeError::packet_too_large:
      return "a packet above the size limit";
    case DecodeError::body_too_short:
      return "a packet that ends before its fields do";
    case DecodeError::body_too_long:
      return "bytes behind the last field of a packet";
    case DecodeError::bad_utf8:
      return "text that is no UTF-8 or holds U+0000";
    case DecodeError::wrong_protocol_name:
      return "a protocol name other than MQTT:";
    case DecodeError::bad_connect_flags:
      return "CONNECT flags that contradict each other";
    case DecodeError::qos_3:
      return "QoS 3";
    case DecodeError::packet_id_zero:
      return "packet id 0";
    case DecodeError::empty_topic:
      return "an empty topic";
    case DecodeError::wildcard_in_topic:
      return "a wildcard in a topic name:";
    case DecodeError::bad_filter:
      return "an empty filter, or one with a misplaced wildcard:";
    case DecodeError::no_filters:
      return "a SUBSCRIBE or UNSUBSCRIBE without a filter";
    case DecodeError::bad_code:
      return "a return code that does not exist";
  }
  hub::assertion_failed("unknown DecodeError", __FILE__, __LINE__);
}

// `size`: of the whole packet, once its fixed header is there. What can be refused by the header
// alone is refused by it, so that nobody buffers for a peer that talks something else.
Decoder::Status Decoder::frame_size(std::string_view bytes, std::size_t& size) {
  if (bytes.empty()) return Status::need_more;
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  const auto type = static_cast<std::uint8_t>(first >> 4);
  const auto flags = static_cast<std::uint8_t>(first & 0x0F);
  if (type == 0 || type == 15) {
    return refuse(DecodeError::unknown_packet_type, other_protocol(first));
  }
  if (static_cast<PacketType>(type) != PacketType::publish &&
      flags != expected_flags(static_cast<PacketType>(type))) {
    return refuse(DecodeError::reserved_flags, other_protocol(first));
  }

  std::size_t length = 0;
  for (std::size_t i = 1; i < fixed_header_bytes_max; ++i) {
    if (i == bytes.size()) return Status::need_more;
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    length |= std::size_t{byte & 0x7Fu} << (7 * (i - 1));
    if ((byte & 0x80) == 0) {
      size = 1 + i + length;
      if (size <= packet_bytes_max_) return Status::packet;
      std::string more = ": " + std::to_string(size) + " bytes, of at most " +
                         std::to_string(packet_bytes_max_) + " with topic and header";
      if (const auto topic = topic_of(first, bytes.substr(1 + i)); !topic.empty()) {
        more.append(", to topic '").append(hub::shown(topic)).append("'");
      }
      return refuse(DecodeError::packet_too_large, more + "; send smaller messages");
    }
  }
  return refuse(DecodeError::remaining_length_too_long,
                remedy_of(DecodeError::remaining_length_too_long, {}));
}

Decoder::Status Decoder::refuse(DecodeError error, const std::string& more) {
  failure_ = std::make_unique<const Failure>(Failure{error, std::string(to_text(error)) + more});
  return Status::error;
}

Decoder::Status Decoder::decode(std::string_view whole, Packet& packet) {
  const auto first = static_cast<std::uint8_t>(whole[0]);
  std::size_t header = 2;
  while ((static_cast<std::uint8_t>(whole[header - 1]) & 0x80) != 0) ++header;
  Reader reader(whole.substr(header));
  packet = read_body(static_cast<PacketType>(first >> 4), first & 0x0F, reader);
  const auto error = reader.finish();
  return error ? refuse(*error, remedy_of(*error, reader.about())) : Status::packet;
}

Decoder::Status Decoder::next(std::string_view& input, Packet& packet) {
  if (partial_delivered_) {
    partial_delivered_ = false;
    partial_.clear();
    if (partial_.capacity() > keep_capacity_bytes) std::string{}.swap(partial_);
  }

  std::size_t size = 0;
  if (partial_.empty()) {
    const Status status = frame_size(input, size);
    if (status == Status::error) return status;
    if (status == Status::packet && input.size() >= size) {
      const std::string_view whole = input.substr(0, size);
      input.remove_prefix(size);
      return decode(whole, packet);
    }
    partial_.assign(input);
    input = {};
    return Status::need_more;
  }

  // The fixed header byte by byte, since nothing behind it may be taken; then the rest at once.
  Status status = frame_size(partial_, size);
  while (status == Status::need_more && !input.empty()) {
    partial_ += input.front();
    input.remove_prefix(1);
    status = frame_size(partial_, size);
  }
  if (status != Status::packet) return status;
  const std::size_t taken = std::min(size - partial_.size(), input.size());
  partial_.append(input.substr(0, taken));
  input.remove_prefix(taken);
  if (partial_.size() < size) return Status::need_more;
  partial_delivered_ = true;
  return decode(partial_, packet);
}

}  // namespace mqtt
