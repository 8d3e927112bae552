#include "clients/hub_client/transports/amqp_message.hpp"

#include <doctest/doctest.h>

#include <proton/annotation_key.hpp>
#include <proton/codec/vector.hpp>
#include <proton/map.hpp>
#include <proton/message_id.hpp>
#include <proton/scalar.hpp>
#include <proton/symbol.hpp>
#include <proton/timestamp.hpp>
#include <proton/uuid.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace iothub;
using namespace std::chrono_literals;
using namespace std::string_literals;

TEST_CASE("a message goes through AMQP's encoding unchanged, its body as a data section") {
  Message message;
  message.body = std::string{"\x00\xff body", 7};
  message.message_id = "My Message ID";
  message.correlation_id = "c1";
  message.user_id = "u1";
  message.content_type = "text/plain";
  message.content_encoding = "utf-8";
  message.ack = "full";
  message.expires_at = TimePoint{1'700'000'000'123ms};
  message.created_at = TimePoint{1'600'000'000'456ms};
  message.properties = {{"a", "1"}, {"größe", "5 €"}};

  const auto wire = to_amqp(message).encode();
  const auto data_section = "\x00\x53\x75"s;
  CHECK(std::search(wire.begin(), wire.end(), data_section.begin(), data_section.end()) !=
        wire.end());
  proton::message decoded;
  decoded.decode(wire);
  const auto back = from_amqp(decoded);
  CHECK(back.body == message.body);
  CHECK(back.message_id == message.message_id);
  CHECK(back.correlation_id == message.correlation_id);
  CHECK(back.user_id == message.user_id);
  CHECK(back.content_type == message.content_type);
  CHECK(back.content_encoding == message.content_encoding);
  CHECK(back.ack == "full");
  CHECK(back.expires_at == message.expires_at);
  CHECK(back.created_at == message.created_at);
  CHECK(back.properties == message.properties);
}

TEST_CASE("what is not set stays unset") {
  proton::message decoded;
  decoded.decode(to_amqp(Message{}).encode());
  const auto back = from_amqp(decoded);
  CHECK(back.body.empty());
  CHECK_FALSE(back.message_id);
  CHECK_FALSE(back.correlation_id);
  CHECK_FALSE(back.user_id);
  CHECK_FALSE(back.content_type);
  CHECK_FALSE(back.expires_at);
  CHECK_FALSE(back.ack);
  CHECK(back.properties.empty());
}

TEST_CASE("ids of other types, annotations and odd properties are read as text or numbers") {
  proton::message from;
  from.id(proton::message_id{std::uint64_t{42}});
  from.correlation_id(proton::message_id{proton::uuid::copy("0123456789abcdef")});
  from.body("text");
  from.properties().put("number", 7);
  from.message_annotations().put("x-opt-sequence-number", std::uint64_t{5});
  from.message_annotations().put("iothub-deliverycount", std::uint8_t{3});
  from.message_annotations().put("iothub-enqueuedtime", proton::timestamp{1'700'000'000'123});
  from.message_annotations().put("x-list", std::vector<int>{1, 2});
  const auto message = from_amqp(from);
  CHECK(message.message_id == "42");
  CHECK(message.correlation_id == "30313233-3435-3637-3839-616263646566");
  CHECK(message.body == "text");
  CHECK(message.properties == Properties{{"number", "7"}});
  CHECK(message.sequence_number == 5);
  CHECK(message.delivery_count == 3);
  CHECK(message.enqueued_time == "2023-11-14T22:13:20.123Z");
}

TEST_CASE("a lock token is the delivery tag as a GUID") {
  proton::binary tag;
  for (const int byte : {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb,
                         0xcc, 0xdd, 0xee, 0xff}) {
    tag.push_back(static_cast<std::uint8_t>(byte));
  }
  CHECK(lock_token_of(tag) == "00112233-4455-6677-8899-aabbccddeeff");
  CHECK(lock_token_of(proton::binary{"\x01\x02"}) == "0102");
}

TEST_CASE("a batch is one data section for each message, with that message's own sections inside") {
  std::vector<Message> messages(2);
  messages[0].body = "one";
  messages[0].message_id = "1";
  messages[1].body.assign(1000, 'x');
  const auto payload = to_amqp_batch(messages);
  std::size_t at = 0;
  for (const auto& message : messages) {
    REQUIRE(payload.substr(at, 3) == "\0Su"s);
    const bool wide = payload[at + 3] == '\xB0';
    std::size_t size = 0;
    for (std::size_t i = 0; i < (wide ? 4U : 1U); ++i) {
      size = size << 8 | static_cast<unsigned char>(payload[at + 4 + i]);
    }
    at += wide ? 8 : 5;
    proton::message one;
    one.decode(std::vector<char>(payload.begin() + static_cast<std::ptrdiff_t>(at),
                                 payload.begin() + static_cast<std::ptrdiff_t>(at + size)));
    CHECK(from_amqp(one).body == message.body);
    CHECK(from_amqp(one).message_id == message.message_id);
    at += size;
  }
  CHECK(at == payload.size());
}
