#include "protocols/amqp/sections.hpp"

#include <doctest/doctest.h>

#include <random>

#include "protocols/amqp/message_map.hpp"
#include "tests/support/print_result.hpp"
#include "tests/unit/amqp/support/client.hpp"

using amqp_test::hex;
using amqp_test::Message;

namespace {

// Sections are views: the bytes have to stay.
struct Scanned {
  explicit Scanned(std::string_view text)
      : bytes(hex(text)), sections(amqp::scan_sections(bytes)) {}
  std::string bytes;
  hub::Result<amqp::Sections> sections;
};

}  // namespace

TEST_CASE("A-37 sections are found, whatever their order") {
  const Scanned scanned(
      "00 53 70 45"                    // header
      "00 53 72 c1 05 02 a3 01 61 43"  // message-annotations
      "00 53 73 c0 04 01 a1 01 69"     // properties
      "00 53 74 c1 07 02 a1 01 6b a1 01 76"
      "00 53 75 a0 02 6869");
  const auto& all = scanned.sections;
  REQUIRE(all);
  CHECK(all->message_annotations.has_value());
  CHECK(all->properties->count == 1);
  CHECK(all->data == std::vector<std::string_view>{"hi"});
  CHECK(all->bare.substr(0, 3) == hex("00 53 73"));

  // As the C SDK orders them inside a batch.
  const Scanned c_sdk("00 53 73 45 00 53 74 c1 01 00 00 53 72 c1 01 00 00 53 75 a0 00");
  REQUIRE(c_sdk.sections);
  CHECK(c_sdk.sections->message_annotations.has_value());
  CHECK(c_sdk.sections->bare.empty());
}

TEST_CASE("A-37 several data sections, an amqp-value, a sequence") {
  const Scanned data("00 53 75 a0 01 61 00 53 75 a0 01 62");
  REQUIRE(data.sections);
  CHECK(data.sections->data.size() == 2);
  CHECK(data.sections->bare.empty());
  CHECK(Scanned("00 53 77 a1 01 61").sections->amqp_value->text() == "a");
  CHECK(Scanned("00 53 76 45").sections->has_sequence);
  CHECK(Scanned("").sections->data.empty());
}

TEST_CASE("A-37 what is no message is an error") {
  for (const char* bad : {
           "00", "00 53", "00 53 75", "00 53 75 a0 05 61",           // truncated
           "00 53 75 a1 01 61", "00 53 73 c1 01 00", "00 53 74 45",  // wrong types
           "00 53 6f 45", "00 53 79 45", "41", "00 a3 01 61 45",     // unknown sections
           "00 53 73 45 00 53 73 45",                                // repeated
           "00 53 77 40 00 53 77 40", "00 53 75 a0 00 00 53 77 40", "00 53 77 40 00 53 75 a0 00",
           "00 53 76 45 00 53 75 a0 00",
           "00 53 73 c0 04 02 a1 01 69",  // a list one short
       }) {
    CAPTURE(bad);
    const Scanned scanned(bad);
    REQUIRE_FALSE(scanned.sections);
    CHECK(scanned.sections.error().code == hub::HubErrc::iot_hub_format_error);
  }
}

TEST_CASE("A-37 mutated messages are read or refused, never more") {
  const std::string seed = Message()
                               .id("id-1")
                               .to("/devices/dev1/messages/devicebound")
                               .correlation_id("c")
                               .property("iothub-ack", "full")
                               .property_int("n", 5)
                               .annotation("iothub-interface-id", "x")
                               .body("the body of the message")
                               .encode();
  std::mt19937 random(20240611);
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seed;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % (bytes.size() + 1);
      switch (random() % 4) {
        case 0:
          bytes.resize(at);
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        case 2:
          if (at < bytes.size()) bytes.erase(at, 1 + random() % 4);
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(random());
      }
      if (bytes.empty()) break;
    }
    // A copy of exactly this size, so that the sanitizer sees one byte too many.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const auto sections = amqp::scan_sections({exact.data(), exact.size()});
    if (!sections) continue;
    for (const auto direction :
         {amqp::Direction::cloud_to_device, amqp::Direction::device_to_cloud}) {
      hub::MessageContent content;
      read += amqp::read_message(*sections, direction, content) ? 1 : 0;
    }
    (void)amqp::find_text(sections->message_annotations, "iothub-interface-id");
  }
  CHECK(read > 100);  // the mutator does not only make rubbish
}
