#include "protocols/amqp/full_length.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "tests/unit/amqp/support/frames.hpp"

using amqp::FullLength;
using namespace amqp_test;

namespace {

constexpr std::size_t any = std::numeric_limits<std::size_t>::max();

// What leaves for `stream`, the same in one piece and byte by byte.
std::string out_of(const std::string& stream, std::size_t frame_bytes_max = any) {
  std::string whole;
  std::string bytewise;
  FullLength of_whole;
  FullLength of_bytes;
  of_whole.append(whole, stream, frame_bytes_max);
  for (const char& byte : stream) of_bytes.append(bytewise, {&byte, 1}, frame_bytes_max);
  CHECK(whole == bytewise);
  return whole;
}

std::string amqp_frame(std::string_view body) { return raw_frame(0, 7, hex(body)); }

}  // namespace

TEST_CASE("A-47 each performative that Proton shortens leaves with all its fields, byte by byte") {
  struct Row {
    std::string what;
    const char* came;
    const char* leaves;
  };
  for (const Row& row : {
           Row{"open without anything", "00 53 10 c0 03 01 a1 00",
               "00 53 10 c0 0c 0a a1 00 40 40 40 40 40 40 40 40 40"},
           Row{"flow, 9 fields", "00 53 13 c0 0d 09 43 52 01 43 52 02 43 43 52 64 40 42",
               "00 53 13 c0 0f 0b 43 52 01 43 52 02 43 43 52 64 40 42 40 40"},
           Row{"transfer, 4 fields and a payload", "00 53 14 c0 08 04 52 01 43 a0 01 74 43 aa bb",
               "00 53 14 c0 0f 0b 52 01 43 a0 01 74 43 40 40 40 40 40 40 40 aa bb"},
           Row{"transfer, settled", "00 53 14 c0 09 05 52 01 43 a0 01 74 43 41 aa",
               "00 53 14 c0 0f 0b 52 01 43 a0 01 74 43 41 40 40 40 40 40 40 aa"},
           Row{"disposition, 5 fields", "00 53 15 c0 09 05 41 43 40 41 00 53 24 45",
               "00 53 15 c0 0a 06 41 43 40 41 00 53 24 45 40"},
           Row{"disposition, 4 fields", "00 53 15 c0 06 04 42 52 01 40 41",
               "00 53 15 c0 08 06 42 52 01 40 41 40 40"},
           Row{"detach, 2 fields", "00 53 16 c0 04 02 52 02 41", "00 53 16 c0 05 03 52 02 41 40"},
           Row{"detach, 1 field", "00 53 16 c0 02 01 43", "00 53 16 c0 04 03 43 40 40"},
           Row{"end of none", "00 53 17 45", "00 53 17 c0 02 01 40"},
           Row{"close of none", "00 53 18 45", "00 53 18 c0 02 01 40"},
           Row{"a list with long sizes becomes short", "00 53 16 d0 00000006 00000002 43 41",
               "00 53 16 c0 04 03 43 41 40"},
       }) {
    CAPTURE(row.what);
    CHECK(out_of(amqp_frame(row.came)) == amqp_frame(row.leaves));
    CHECK(out_of(amqp_frame(row.leaves)) == amqp_frame(row.leaves));
  }
}

TEST_CASE("A-48 a begin says the real hub's handle-max") {
  CHECK(out_of(amqp_frame("00 53 11 c0 0c 04 60 00 05 43 52 09 70 ff ff ff ff")) ==
        amqp_frame("00 53 11 c0 14 08 60 00 05 43 52 09 70 ff ff ff ff 70 00 03 ff ff 40 40 40"));
  // Were it there, it would stay.
  CHECK(out_of(amqp_frame("00 53 11 c0 09 05 40 43 43 43 52 ff 40 40")) ==
        amqp_frame("00 53 11 c0 0c 08 40 43 43 43 52 ff 40 40 40 40 40"));
}

TEST_CASE("A-47 a list that outgrows its short form gets the long one") {
  for (const std::size_t text : {std::size_t{243}, std::size_t{247}, std::size_t{250}}) {
    CAPTURE(text);
    const std::string list =
        std::string("\x43\x41\xa1", 3) + static_cast<char>(text) + std::string(text, 'x');
    // Three fields of a transfer, with a text where its tag stands; eight are missing.
    std::string came = hex("00 53 14 c0") + static_cast<char>(list.size() + 1) + '\x03' + list;
    const std::string fields = list + std::string(8, '\x40');
    std::string leaves = hex("00 53 14 d0 0000") + static_cast<char>((fields.size() + 4) >> 8) +
                         static_cast<char>(fields.size() + 4) + hex("0000000b") + fields;
    CHECK(out_of(raw_frame(0, 0, came + "payload")) == raw_frame(0, 0, leaves + "payload"));
  }
  const std::string fits = std::string("\x43\x41\xa1", 3) + '\xf2' + std::string(242, 'x');
  CHECK(out_of(raw_frame(0, 0, hex("00 53 14 c0 f7 03") + fits)) ==
        raw_frame(0, 0, hex("00 53 14 c0 ff 0b") + fits + std::string(8, '\x40')));
}

TEST_CASE("A-47 what has all its fields, and what is no performative, stays as it is") {
  const std::string stream =
      sasl_header + raw_frame(1, 0, hex("00 53 40 c0 02 01 40")) +
      raw_frame(1, 0, hex("00 53 44 c0 03 01 50 00")) + amqp_header + raw_frame(0, 0, "") +
      amqp_frame("00 53 30 45") + amqp_frame("00 53 17 c0 02 01 40") + amqp_frame("00 53") +
      amqp_frame("00 53 17") + amqp_frame("00 80 0000000000000017 45") + amqp_frame("00 53 17 c0") +
      amqp_frame("00 53 17 c0 00 00") + amqp_frame("00 53 17 c0 09 00") +
      amqp_frame("00 53 17 d0 00000003 00000000") + amqp_frame("00 53 17 d0 ffffffff 00000000") +
      amqp_frame("00 53 17 a1 00");
  CHECK(out_of(stream) == stream);
}

TEST_CASE("A-47 no frame outgrows what the peer takes") {
  const std::string came =
      raw_frame(0, 0, hex("00 53 14 c0 08 04 52 01 43 a0 01 74 43") + std::string(480, 'x'));
  CHECK(out_of(came, came.size() + 7).size() == came.size() + 7);
  CHECK(out_of(came, came.size() + 6) == came);
}
