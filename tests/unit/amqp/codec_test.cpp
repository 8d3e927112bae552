#include "protocols/amqp/codec.hpp"

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/frames.hpp"

using amqp::Reader;
using amqp::Type;
using amqp::Value;
using amqp::Writer;
using amqp_test::hex;

namespace {

Value read(std::string_view text) {
  static std::string bytes;
  bytes = hex(text);
  Reader reader(bytes);
  Value value;
  REQUIRE(reader.read(value));
  CHECK(reader.empty());
  return value;
}

bool skips(std::string_view text) {
  const std::string bytes = hex(text);
  Reader reader(bytes);
  return reader.skip() && reader.empty();
}

}  // namespace

TEST_CASE("A-20 every format code reads as its type") {
  CHECK(read("40").is_null());
  CHECK(read("41").bits == 1);
  CHECK(read("42").bits == 0);
  CHECK(read("56 01").type == Type::boolean);
  CHECK(read("43").type == Type::uint);
  CHECK(read("44").type == Type::ulong);
  CHECK(read("50 ff").bits == 255);
  CHECK(static_cast<std::int64_t>(read("51 ff").bits) == -1);
  CHECK(read("52 ff").bits == 255);
  CHECK(read("53 ff").bits == 255);
  CHECK(static_cast<std::int64_t>(read("54 80").bits) == -128);
  CHECK(static_cast<std::int64_t>(read("55 80").bits) == -128);
  CHECK(read("60 01 02").bits == 0x102);
  CHECK(static_cast<std::int64_t>(read("61 ff fe").bits) == -2);
  CHECK(read("70 01 02 03 04").bits == 0x01020304);
  CHECK(static_cast<std::int64_t>(read("71 ff ff ff ff").bits) == -1);
  CHECK(read("80 01 02 03 04 05 06 07 08").bits == 0x0102030405060708);
  CHECK(static_cast<std::int64_t>(read("81 ff ff ff ff ff ff ff ff").bits) == -1);
  CHECK(read("83 00 00 00 00 00 00 00 07").type == Type::timestamp);
  CHECK(read("98 00112233445566778899aabbccddeeff").bytes.size() == 16);
  CHECK(read("a0 02 6162").bytes == "ab");
  CHECK(read("a1 02 6162").text() == "ab");
  CHECK(read("b3 00000002 6162").text() == "ab");
  CHECK(read("45").type == Type::list);
  CHECK(read("c0 03 02 41 42").count == 2);
  CHECK(read("d1 00000008 00000002 a10161 40").count == 2);
}

TEST_CASE("A-20 no length is trusted") {
  for (const char* bad : {"", "ff", "00", "50", "60 01", "80 01", "a1 05 61", "b1 ffffffff 61",
                          "c0 00", "c0 05 01", "d0 00000003 000000", "56 02", "98 00"}) {
    CAPTURE(bad);
    const std::string bytes = hex(bad);
    Reader reader(bytes);
    Value value;
    CHECK_FALSE(reader.read(value));
  }
}

TEST_CASE("A-20 skipping checks what is inside") {
  CHECK(skips("c0 03 02 41 42"));
  CHECK(skips("00 53 24 45"));
  CHECK(skips("00 00 53 01 53 02 41"));  // a described descriptor
  CHECK(skips("c1 05 02 a1 01 61 40"));
  CHECK(skips("e0 06 02 a1 01 61 01 62"));  // an array of two strings
  CHECK(skips("f0 00000005 ffffffff 40"));  // four billion nulls take no time
  CHECK(skips("e0 01 00"));
  CHECK_FALSE(skips("c0 03 03 41 42"));     // one element short
  CHECK_FALSE(skips("c0 04 01 41 42 42"));  // bytes left over
  CHECK_FALSE(skips("c1 03 01 41 42"));     // a map with half an entry
  CHECK_FALSE(skips("f0 00000005 ffffffff a1"));
  CHECK_FALSE(skips("00 53 24"));
}

TEST_CASE("A-20 nesting is bounded, described or listed or in arrays") {
  CHECK_FALSE(skips(std::string(20000, '0')));  // descriptors of descriptors
  std::string lists;
  for (int i = 0; i < 100; ++i) {
    lists = std::string("\xc0", 1) + static_cast<char>(lists.size() + 1) + '\1' + lists;
    if (lists.size() > 240) break;
    if (i == 0) lists = hex("c0 02 01 40");
  }
  Reader reader(lists);
  CHECK_FALSE(reader.skip());
}

TEST_CASE("A-20 what the writer writes, the reader reads") {
  std::string out;
  Writer writer(out);
  const auto list = writer.begin_list(8);
  writer.null();
  writer.ubyte(200);
  writer.int32(-5);
  writer.int64(-6);
  writer.uint64(7);
  writer.uint64(700);
  writer.timestamp(1'700'000'000'123);
  writer.string(std::string(300, 's'));
  writer.end(list);
  Reader reader(out);
  CHECK(reader.skip());
  CHECK(reader.empty());
  Value value;
  CHECK(Reader(out).read(value));
  Reader fields(value.bytes);
  for (const std::int64_t expected : {0L, 200L, -5L, -6L, 7L, 700L, 1'700'000'000'123L}) {
    Value field;
    REQUIRE(fields.read(field));
    CHECK(static_cast<std::int64_t>(field.bits) == expected);
  }
  Value text;
  REQUIRE(fields.read(text));
  CHECK(text.bytes.size() == 300);
}
