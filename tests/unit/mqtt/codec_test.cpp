#include "protocols/mqtt/codec.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/mqtt/fixture.hpp"

namespace {

using mqtt::DecodeError;
using mqtt::Decoder;
using mqtt_test::describe;
using mqtt_test::Lines;
using namespace std::string_literals;

constexpr std::size_t limit = 262'144;

struct Decoded {
  Lines packets;
  std::optional<DecodeError> error;
  bool operator==(const Decoded&) const = default;
};

// Gives `bytes` to a decoder in pieces of `step`.
Decoded decode(std::string_view bytes, std::size_t step) {
  Decoder decoder(limit);
  Decoded out;
  mqtt::Packet packet;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    for (;;) {
      const auto status = decoder.next(piece, packet);
      if (status == Decoder::Status::error) {
        out.error = decoder.error();
        return out;
      }
      if (status == Decoder::Status::need_more) break;
      out.packets.push_back(describe(packet));
    }
  }
  return out;
}

Decoded decode_all_ways(std::string_view bytes) {
  const Decoded whole = decode(bytes, bytes.size() + 1);
  for (const std::size_t step : {1, 2, 3, 7}) CHECK(decode(bytes, step) == whole);
  return whole;
}

template <class P>
std::string bytes_of(const P& packet) {
  std::string out;
  mqtt::encode(out, packet);
  return out;
}

template <class P>
void check_round_trip(const P& packet, std::string_view expected) {
  const Decoded decoded = decode_all_ways(bytes_of(packet));
  CHECK_FALSE(decoded.error);
  CHECK(decoded.packets == Lines{std::string(expected)});
}

void check_refused(std::string_view bytes, DecodeError error) {
  const Decoded decoded = decode_all_ways(bytes);
  CHECK(decoded.packets.empty());
  REQUIRE(decoded.error.has_value());
  CHECK(mqtt::to_text(*decoded.error) == mqtt::to_text(error));
}

std::string connect_bytes(std::string_view protocol, char level, char flags,
                          std::string_view payload) {
  std::string body;
  body += '\0';
  body += static_cast<char>(protocol.size());
  body += protocol;
  body += level;
  body += flags;
  body += "\0\x3c"s;
  body += payload;
  return "\x10"s + static_cast<char>(body.size()) + body;
}

}  // namespace

TEST_CASE("every packet survives encoding and decoding, whole and in pieces") {
  mqtt::Connect connect;
  connect.keep_alive_s = 240;
  connect.client_id = "dev1";
  connect.username = "hub/dev1/?api-version=2021-04-12";
  connect.password = "SharedAccessSignature x";
  connect.will = mqtt::Will{"devices/dev1/messages/events/", "gone", 1, true};
  check_round_trip(connect,
                   "CONNECT level=4 clean=0 keep-alive=240 id=dev1 "
                   "will=devices/dev1/messages/events/:gone qos=1 retain=1 "
                   "username=hub/dev1/?api-version=2021-04-12 password=SharedAccessSignature x");
  mqtt::Connect bare;
  bare.clean_session = true;
  check_round_trip(bare, "CONNECT level=4 clean=1 keep-alive=0 id=");

  check_round_trip(mqtt::Connack{true, mqtt::ConnectReturn::accepted}, "CONNACK 0 present=1");
  check_round_trip(mqtt::Connack{false, mqtt::ConnectReturn::not_authorized},
                   "CONNACK 5 present=0");
  check_round_trip(mqtt::Publish{true, 1, false, "a/b", 77, "body"},
                   "PUBLISH qos=1 dup=1 retain=0 id=77 topic=a/b payload=body");
  check_round_trip(mqtt::Publish{false, 0, true, "a", 0, ""},
                   "PUBLISH qos=0 dup=0 retain=1 id=0 topic=a payload=");
  check_round_trip(mqtt::Puback{65535}, "PUBACK id=65535");
  check_round_trip(mqtt::Pubrec{1}, "PUBREC id=1");
  check_round_trip(mqtt::Pubrel{1}, "PUBREL id=1");
  check_round_trip(mqtt::Pubcomp{1}, "PUBCOMP id=1");
  check_round_trip(mqtt::Subscribe{3, {{"a/#", 1}, {"+", 0}}}, "SUBSCRIBE id=3 a/#:1 +:0");
  check_round_trip(mqtt::Suback{3, {1, 0, mqtt::suback_failure}}, "SUBACK id=3 1 0 128");
  check_round_trip(mqtt::Unsubscribe{4, {"a/#", "b"}}, "UNSUBSCRIBE id=4 a/# b");
  check_round_trip(mqtt::Unsuback{4}, "UNSUBACK id=4");
  check_round_trip(mqtt::Pingreq{}, "PINGREQ");
  check_round_trip(mqtt::Pingresp{}, "PINGRESP");
  check_round_trip(mqtt::Disconnect{}, "DISCONNECT");
}

TEST_CASE("several packets in one read, the last one cut") {
  const std::string bytes = bytes_of(mqtt::Pingreq{}) +
                            bytes_of(mqtt::Publish{false, 0, false, "t", 0, "1"}) +
                            bytes_of(mqtt::Puback{5});
  CHECK(decode_all_ways(bytes).packets ==
        Lines{"PINGREQ", "PUBLISH qos=0 dup=0 retain=0 id=0 topic=t payload=1", "PUBACK id=5"});
  CHECK(decode_all_ways(std::string_view(bytes).substr(0, bytes.size() - 1)).packets.size() == 2);
}

TEST_CASE("a whole packet is not copied: its payload lies in the input") {
  const std::string bytes = bytes_of(mqtt::Publish{false, 0, false, "t", 0, "payload"});
  Decoder decoder(limit);
  std::string_view input = bytes;
  mqtt::Packet packet;
  REQUIRE(decoder.next(input, packet) == Decoder::Status::packet);
  const auto& publish = std::get<mqtt::Publish>(packet);
  CHECK(publish.payload.data() == bytes.data() + bytes.size() - 7);
  CHECK(input.empty());
}

TEST_CASE("remaining length: one to four bytes, and the size limit at its edge") {
  const std::size_t overhead = 1 + 3 + 2 + 1;  // fixed header of a large packet, topic "t"
  const std::string body(limit - overhead, 'x');
  const std::string largest = bytes_of(mqtt::Publish{false, 0, false, "t", 0, body});
  REQUIRE(largest.size() == limit);
  CHECK(decode(largest, limit).packets.size() == 1);
  CHECK(decode(largest, 1000).packets.size() == 1);

  const std::string larger = bytes_of(mqtt::Publish{false, 0, false, "t", 0, body + "x"});
  CHECK(decode(larger, limit).error == DecodeError::packet_too_large);
  check_refused(std::string_view(larger).substr(0, 5), DecodeError::packet_too_large);

  for (const std::size_t size : {0, 123, 124, 125, 16'379, 16'380, 16'381}) {
    const std::string payload(size, 'y');
    CHECK(decode(bytes_of(mqtt::Publish{false, 0, false, "t", 0, payload}), 50).packets ==
          Lines{"PUBLISH qos=0 dup=0 retain=0 id=0 topic=t payload=" + payload});
  }
  // A length may be spelled longer than needed.
  CHECK(decode_all_ways("\xC0\x80\x80\x00"s).packets == Lines{"PINGREQ"});
  check_refused("\x30\x80\x80\x80\x80\x01"s, DecodeError::remaining_length_too_long);
}

TEST_CASE("M-60 malformed fixed headers are refused by their first byte") {
  check_refused("\x00\x00"s, DecodeError::unknown_packet_type);
  check_refused("\xF0\x00"s, DecodeError::unknown_packet_type);
  check_refused("\x11"s, DecodeError::reserved_flags);      // CONNECT
  check_refused("\x41"s, DecodeError::reserved_flags);      // PUBACK
  check_refused("\x60"s, DecodeError::reserved_flags);      // PUBREL without 0010
  check_refused("\x80\x00"s, DecodeError::reserved_flags);  // SUBSCRIBE without 0010
  check_refused("\xA0\x00"s, DecodeError::reserved_flags);  // UNSUBSCRIBE without 0010
  check_refused("\xC1\x00"s, DecodeError::reserved_flags);  // PINGREQ
  check_refused("GET / HTTP/1.1\r\n"s, DecodeError::reserved_flags);
  check_refused("\x16\x03\x01"s, DecodeError::reserved_flags);  // TLS on the plain port
}

TEST_CASE("M-60 malformed CONNECT") {
  const std::string id = "\0\x04"s + "dev1";
  CHECK_FALSE(decode_all_ways(connect_bytes("MQTT", 4, 2, id)).error);
  check_refused(connect_bytes("MQIsdp", 3, 2, id), DecodeError::wrong_protocol_name);
  check_refused(connect_bytes("mqtt", 4, 2, id), DecodeError::wrong_protocol_name);
  check_refused(connect_bytes("MQTT", 4, 3, id), DecodeError::bad_connect_flags);     // reserved
  check_refused(connect_bytes("MQTT", 4, 0x40, id), DecodeError::bad_connect_flags);  // password
  check_refused(connect_bytes("MQTT", 4, 0x20, id), DecodeError::bad_connect_flags);  // will retain
  check_refused(connect_bytes("MQTT", 4, 0x08, id), DecodeError::bad_connect_flags);  // will QoS
  check_refused(connect_bytes("MQTT", 4, 0x1C, id), DecodeError::qos_3);
  check_refused(connect_bytes("MQTT", 4, '\x80', id), DecodeError::body_too_short);  // no username
  check_refused(connect_bytes("MQTT", 4, 2, id + "x"), DecodeError::body_too_long);
  check_refused(connect_bytes("MQTT", 4, 2, "\0\x02\xC3\x28"s), DecodeError::bad_utf8);
  check_refused(connect_bytes("MQTT", 4, 2, "\0\x02"s + "a\0"s), DecodeError::bad_utf8);
  check_refused(connect_bytes("MQTT", 4, 6, id + "\0\0\0\0"s), DecodeError::empty_topic);
  check_refused(connect_bytes("MQTT", 4, 6, id + "\0\x01#\0\0"s), DecodeError::wildcard_in_topic);
  check_refused("\x10\x00"s, DecodeError::body_too_short);
}

TEST_CASE("M-70 of another protocol level only the level is read") {
  const Decoded decoded = decode_all_ways(connect_bytes("MQTT", 5, 2, "\x05\x11\0\0\0\x0a"s));
  CHECK_FALSE(decoded.error);
  REQUIRE(decoded.packets.size() == 1);
  CHECK(decoded.packets[0].starts_with("CONNECT level=5 "));
}

TEST_CASE("M-60 malformed PUBLISH, SUBSCRIBE and the rest") {
  check_refused("\x36\x05\0\x01t\0\x01"s, DecodeError::qos_3);
  check_refused("\x32\x05\0\x01t\0\0"s, DecodeError::packet_id_zero);
  check_refused("\x30\x02\0\0"s, DecodeError::empty_topic);
  check_refused("\x30\x05\0\x03"s + "a/#", DecodeError::wildcard_in_topic);
  check_refused("\x30\x05\0\x03"s + "+/b", DecodeError::wildcard_in_topic);
  check_refused("\x30\x04\0\x05"s + "ab", DecodeError::body_too_short);
  check_refused("\x32\x03\0\x01t"s, DecodeError::body_too_short);
  check_refused("\x30\x04\0\x02\xFF\xFE"s, DecodeError::bad_utf8);

  check_refused("\x82\x02\0\x01"s, DecodeError::no_filters);
  check_refused("\x82\x06\0\0\0\x01"s + "a\x01", DecodeError::packet_id_zero);
  check_refused("\x82\x06\0\x01\0\x01"s + "a\x03", DecodeError::qos_3);
  check_refused("\x82\x05\0\x01\0\x01"s + "a", DecodeError::body_too_short);
  check_refused("\x82\x05\0\x01\0\0\x01"s, DecodeError::bad_filter);
  check_refused("\x82\x08\0\x01\0\x03"s + "a#b\x01", DecodeError::bad_filter);
  check_refused("\xA2\x02\0\x01"s, DecodeError::no_filters);
  check_refused("\xA2\x07\0\x01\0\x03"s + "#/a", DecodeError::bad_filter);

  check_refused("\x40\x02\0\0"s, DecodeError::packet_id_zero);
  check_refused("\x40\x03\0\x01\0"s, DecodeError::body_too_long);
  check_refused("\x40\x01\0"s, DecodeError::body_too_short);
  check_refused("\xC0\x01\0"s, DecodeError::body_too_long);
  check_refused("\xE0\x01\0"s, DecodeError::body_too_long);
  check_refused("\x20\x02\x02\0"s, DecodeError::bad_code);
  check_refused("\x90\x03\0\x01\x03"s, DecodeError::bad_code);
}
