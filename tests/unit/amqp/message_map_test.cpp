#include "protocols/amqp/message_map.hpp"

#include <doctest/doctest.h>

#include "tests/support/print_result.hpp"
#include "tests/unit/amqp/support/client.hpp"

using amqp::Direction;
using amqp_test::hex;
using amqp_test::Message;
using hub::MessageId;

namespace {

const std::string to = "/devices/dev1/messages/devicebound";

struct Incoming {
  hub::MessageContent content;
  std::optional<hub::Ack> ack;
};

hub::Result<Incoming> read(std::string_view bytes,
                           Direction direction = Direction::cloud_to_device) {
  const auto sections = amqp::scan_sections(bytes);
  if (!sections) return sections.error();
  Incoming out;
  const auto ack = amqp::read_message(*sections, direction, out.content);
  if (!ack) return ack.error();
  out.ack = *ack;
  return out;
}

// What a device gets for `content`.
std::string deliver_bytes(hub::MessageContent content, hub::Ack ack = hub::Ack::none,
                          bool ack_given = false) {
  auto message = std::make_shared<hub::Message>();
  message->sequence_number = 7;
  message->enqueued_time = hub::from_unix_ms(1'700'000'000'123);
  message->ack = ack;
  message->ack_given = ack_given;
  message->content = std::move(content);
  hub::Delivery delivery;
  delivery.message = message;
  delivery.lock_token = *hub::LockToken::from_text("00112233-4455-6677-8899-aabbccddeeff");
  delivery.delivery_count = 3;
  std::string out;
  amqp::append_delivery(out, delivery);
  return out;
}

// The same, decoded by Proton.
Message deliver(hub::MessageContent content, hub::Ack ack = hub::Ack::none,
                bool ack_given = false) {
  return Message::decode(deliver_bytes(std::move(content), ack, ack_given));
}

}  // namespace

TEST_CASE("A-14 ids of all four types go through with type and value, forwarded or re-encoded") {
  const std::string uuid = hex("00112233445566778899aabbccddeeff");
  struct Row {
    Message message;
    MessageId::Type type;
    std::string text;
    pn_type_t wire;
  };
  std::vector<Row> rows;
  rows.push_back(
      {Message().id("My Message ID"), MessageId::Type::string, "My Message ID", PN_STRING});
  rows.push_back({Message().id_ulong(18446744073709551615u), MessageId::Type::ulong,
                  "18446744073709551615", PN_ULONG});
  rows.push_back({Message().id_uuid(uuid), MessageId::Type::uuid,
                  "00112233-4455-6677-8899-aabbccddeeff", PN_UUID});
  rows.push_back({Message().id_binary(std::string_view("\0\xff", 2)), MessageId::Type::binary,
                  std::string("\0\xff", 2), PN_BINARY});
  rows.push_back({Message(), MessageId::Type::none, "", PN_NULL});
  for (Row& row : rows) {
    row.message.to(to).body("b");
    auto incoming = read(row.message.encode());
    REQUIRE(incoming);
    CHECK(incoming->content.message_id == MessageId{row.type, row.text});
    for (const bool restarted : {false, true}) {
      hub::MessageContent content = incoming->content;
      CHECK(content.amqp_bare.empty() == false);
      if (restarted) content.amqp_bare.clear();
      const Message delivered = deliver(content);
      CHECK(delivered.id_type() == row.wire);
      CHECK(delivered.id_text() == row.message.id_text());
    }
  }
}

TEST_CASE("A-14 bodies: empty, binary, not ASCII, in pieces, as amqp-value") {
  for (const std::string& body :
       {std::string(), std::string("\0\1\xff\xfe", 4), std::string("gr\xc3\xbc\xc3\x9f dich"),
        std::string(60'000, 'x')}) {
    const auto incoming = read(Message().to(to).body(body).encode());
    REQUIRE(incoming);
    CHECK(incoming->content.body == body);
    CHECK(deliver(incoming->content).body_bytes() == body);
    hub::MessageContent again = incoming->content;
    again.amqp_bare.clear();
    CHECK(deliver(again).body_bytes() == body);
  }
  const auto pieces = read(hex("00 53 75 a0 01 61 00 53 75 a0 01 62"));
  REQUIRE(pieces);
  CHECK(pieces->content.body == "ab");
  CHECK(pieces->content.amqp_bare.empty());
  CHECK(deliver(pieces->content).body_bytes() == "ab");
  CHECK(read(Message().value_body("text").encode())->content.body == "text");
  CHECK(read(hex("00 53 77 a0 02 00ff"))->content.body == std::string("\0\xff", 2));
  CHECK(read(hex("00 53 76 45")).error().code == hub::HubErrc::feature_not_supported);
  CHECK(read(hex("00 53 77 45")).error().code == hub::HubErrc::feature_not_supported);
}

TEST_CASE("A-14 application properties of other types become strings") {
  const auto incoming =
      read(hex("00 53 74 c1 48 10"
               "a1 01 62 41"                   // b: true
               "a1 01 69 54 fb"                // i: -5
               "a1 01 75 80 00000000000003e8"  // u: 1000
               "a1 01 64 82 3ff8000000000000"  // d: 1.5
               "a1 01 6e 40"                   // n: null
               "a1 01 73 a3 01 78"             // s: symbol x
               "a1 01 67 98 00112233445566778899aabbccddeeff"
               "a1 01 63 73 000000fc"  // c: U+00FC
               "00 53 75 a0 00"));
  REQUIRE(incoming);
  const std::vector<hub::Property> expected = {{"b", "true"},
                                               {"i", "-5"},
                                               {"u", "1000"},
                                               {"d", "1.5"},
                                               {"n", std::nullopt},
                                               {"s", "x"},
                                               {"g", "00112233-4455-6677-8899-aabbccddeeff"},
                                               {"c", "\xc3\xbc"}};
  CHECK(incoming->content.properties == expected);
  CHECK(incoming->content.amqp_bare.empty());
  const Message delivered = deliver(incoming->content);
  CHECK(delivered.property_text("i") == "-5");
  CHECK_FALSE(delivered.property_text("n").has_value());
}

TEST_CASE("H-80 a null application property goes out as a null, an empty one as a text") {
  auto incoming = read(hex("00 53 74 c1 0a 04 a1 01 6e 40 a1 01 65 a1 00 00 53 75 a0 00"));
  REQUIRE(incoming);
  CHECK(incoming->content.properties == std::vector<hub::Property>{{"n", std::nullopt}, {"e", ""}});
  CHECK(deliver_bytes(incoming->content).find(hex("a1 01 6e 40 a1 01 65 a1 00")) !=
        std::string::npos);
}

TEST_CASE("A-14 application properties that are lists, or no UTF-8, are refused") {
  CHECK(read(hex("00 53 74 c1 05 02 a1 01 62 45 00 53 75 a0 00")).error().code ==
        hub::HubErrc::iot_hub_format_error);
  CHECK(read(hex("00 53 74 c1 07 02 a1 01 62 a1 01 ff 00 53 75 a0 00")).error().code ==
        hub::HubErrc::iot_hub_format_error);
  CHECK(read(hex("00 53 74 c1 05 02 54 01 54 01 00 53 75 a0 00")).error().code ==
        hub::HubErrc::iot_hub_format_error);
}

TEST_CASE("A-14 an id that is no UTF-8, or of another type, is refused") {
  CHECK(read(hex("00 53 73 c0 04 01 a1 01 ff 00 53 75 a0 00")).error().code ==
        hub::HubErrc::iot_hub_format_error);
  CHECK(read(hex("00 53 73 c0 03 01 54 01 00 53 75 a0 00")).error().code ==
        hub::HubErrc::iot_hub_format_error);
}

TEST_CASE("A-31 iothub-ack is taken out, in any case; `ack` only where it can mean that") {
  const auto full =
      read(Message().to(to).property("iothub-ack", "full").property("k", "v").body("b").encode());
  REQUIRE(full);
  CHECK(full->ack == hub::Ack::full);
  CHECK(full->content.properties == std::vector<hub::Property>{{"k", "v"}});
  CHECK_FALSE(full->content.amqp_bare.empty());

  const auto shouted = read(Message().to(to).property("IoTHub-Ack", "FULL").encode());
  CHECK(shouted->ack == hub::Ack::full);
  CHECK(shouted->content.amqp_bare.empty());

  const auto python = read(Message().to(to).property("ack", "positive").encode());
  CHECK(python->ack == hub::Ack::positive);
  CHECK(python->content.properties.empty());

  const auto users = read(Message().to(to).property("ack", "roger").encode());
  CHECK_FALSE(users->ack.has_value());
  CHECK(users->content.properties == std::vector<hub::Property>{{"ack", "roger"}});

  CHECK(read(Message().to(to).property("iothub-ack", "maybe").encode()).error().code ==
        hub::HubErrc::argument_invalid);
  // Telemetry has no such property.
  const auto d2c =
      read(Message().property("iothub-ack", "maybe").encode(), Direction::device_to_cloud);
  CHECK(d2c->content.properties.size() == 1);
}

TEST_CASE("A-31 the device sees iothub-ack as it was given, forwarded or re-encoded") {
  auto incoming =
      read(Message().to(to).property("iothub-ack", "full").property("k", "v").body("b").encode());
  CHECK(deliver(incoming->content, hub::Ack::full, true).property_text("iothub-ack") == "full");
  incoming->content.amqp_bare.clear();
  const Message again = deliver(incoming->content, hub::Ack::full, true);
  CHECK(again.property_text("iothub-ack") == "full");
  CHECK(again.property_text("k") == "v");
}

TEST_CASE("A-30 a delivery carries sequence number, enqueued time, count and lock token, typed") {
  const Message delivered = deliver(read(Message().to(to).body("b").encode())->content);
  const auto annotation = [&](const char* name) { return *delivered.annotation_number(name); };
  CHECK(annotation("x-opt-sequence-number") == std::pair<pn_type_t, std::int64_t>{PN_ULONG, 7});
  CHECK(annotation("iothub-enqueuedtime") ==
        std::pair<pn_type_t, std::int64_t>{PN_TIMESTAMP, 1'700'000'000'123});
  CHECK(annotation("iothub-deliverycount") == std::pair<pn_type_t, std::int64_t>{PN_UBYTE, 3});
  CHECK(delivered.annotation_text("x-opt-lock-token") == "00112233-4455-6677-8899-aabbccddeeff");
}

TEST_CASE("A-30 system properties keep their places and types") {
  Message sent;
  sent.id("m").to(to).user_id(std::string_view("u\0ser", 5)).correlation_id("c");
  sent.content_type("text/plain").expiry(hub::from_unix_ms(1'800'000'000'000)).body("b");
  pn_message_set_content_encoding(*sent, "utf-8");
  auto incoming = read(sent.encode());
  REQUIRE(incoming);
  CHECK(incoming->content.user_id == std::string("u\0ser", 5));
  CHECK(incoming->content.absolute_expiry == hub::from_unix_ms(1'800'000'000'000));
  CHECK(incoming->content.content_type == "text/plain");
  CHECK_FALSE(incoming->content.amqp_bare.empty());
  incoming->content.amqp_bare.clear();
  const Message delivered = deliver(incoming->content);
  CHECK(std::string(pn_message_get_address(*delivered)) == to);
  CHECK(std::string(pn_message_get_content_type(*delivered)) == "text/plain");
  CHECK(std::string(pn_message_get_content_encoding(*delivered)) == "utf-8");
  CHECK(pn_message_get_expiry_time(*delivered) == 1'800'000'000'000);
  CHECK(delivered.correlation_text() == "c");
}

TEST_CASE("A-30 what a restart would lose is not forwarded either") {
  Message with_subject = Message().to(to).body("b");
  pn_message_set_subject(*with_subject, "s");
  CHECK(read(with_subject.encode())->content.amqp_bare.empty());
  CHECK(read(Message().to(to).body("b").encode())->content.amqp_bare.empty() == false);
}

TEST_CASE(
    "A-38 H-81 iothub-creation-time-utc is a property like any other; the section's fills it") {
  const std::string name = "iothub-creation-time-utc", text = "2024-01-01T00:00:00.1234567Z";
  auto incoming = read(Message().to(to).property(name, text).encode());
  CHECK(incoming->content.properties == std::vector<hub::Property>{{name, text}});
  incoming->content.amqp_bare.clear();
  CHECK(deliver(incoming->content).property_text(name) == text);

  Message dated = Message().to(to).property(name, text);
  pn_message_set_creation_time(*dated, 1'700'000'000'000);
  CHECK(read(dated.encode())->content.properties == std::vector<hub::Property>{{name, text}});
  Message section = Message().to(to);
  pn_message_set_creation_time(*section, 1'700'000'000'000);
  CHECK(read(section.encode())->content.properties ==
        std::vector<hub::Property>{{name, "2023-11-14T22:13:20.0000000Z"}});
}
