#include "tests/unit/amqp/support/frames.hpp"

#include <doctest/doctest.h>

namespace amqp_test {

namespace {

std::uint32_t u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace

std::vector<Seen> frames_of(std::string bytes) {
  const auto kept = std::make_shared<const std::string>(std::move(bytes));
  std::string_view stream = *kept;
  std::vector<Seen> out;
  while (!stream.empty()) {
    if (stream.substr(0, 4) == "AMQP") {
      stream.remove_prefix(8);
      continue;
    }
    REQUIRE(stream.size() >= 8);
    const std::uint32_t size = u32(stream);
    REQUIRE(size >= 8);
    REQUIRE(size <= stream.size());
    const std::string_view unit = stream.substr(0, size);
    stream.remove_prefix(size);
    Seen seen;
    seen.stream = kept;
    seen.type = static_cast<std::uint8_t>(unit[5]);
    seen.channel = static_cast<std::uint16_t>(u32(unit.substr(4)) & 0xffff);
    seen.body = unit.substr(8);
    if (!seen.body.empty()) {
      amqp::Reader reader(seen.body);
      std::uint64_t code = 0;
      Value list;
      REQUIRE(reader.read_descriptor(code));
      REQUIRE(reader.read(list));
      seen.code = static_cast<Descriptor>(code);
      amqp::Reader fields(list.bytes);
      for (std::uint32_t i = 0; i < list.count; ++i) {
        amqp::Reader ahead = fields;
        Value value;
        if (!ahead.read(value)) value = {};
        seen.fields.push_back(value);
        REQUIRE(fields.skip());
      }
      seen.payload = reader.rest();
    }
    out.push_back(seen);
  }
  return out;
}

Seen first(const std::vector<Seen>& frames, Descriptor code) {
  for (const Seen& seen : frames) {
    if (!seen.body.empty() && seen.code == code) return seen;
  }
  FAIL("no such frame");
  return {};
}

int count(const std::vector<Seen>& frames, Descriptor code) {
  int n = 0;
  for (const Seen& seen : frames) n += !seen.body.empty() && seen.code == code ? 1 : 0;
  return n;
}

std::string hex(std::string_view text) {
  std::string out;
  int high = -1;
  bool comment = false;
  for (const char c : text) {
    if (c == '#') comment = true;
    if (c == '\n') comment = false;
    if (comment || c == ' ' || c == '\n') continue;
    const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    REQUIRE(digit >= 0);
    REQUIRE(digit < 16);
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  REQUIRE(high == -1);
  return out;
}

}  // namespace amqp_test
