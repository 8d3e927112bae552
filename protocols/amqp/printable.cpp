#include "protocols/amqp/printable.hpp"

#include <cstdint>

#include "emulator/core/encoding.hpp"

namespace amqp {

namespace {

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

std::string printable(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    std::size_t end = bytes_max;
    while (end > 0 && bytes_max - end < 3 && is_continuation(text[end])) --end;
    text = text.substr(0, end);
  }
  const bool is_text = hub::is_valid_utf8(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    // U+0080 to U+009F are controls, too.
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<std::uint8_t>(text[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || is_c1 || (byte >= 0x80 && !is_text)) {
      const auto escape = [&](char c) { out.append("\\x").append(hub::hex_encode({&c, 1})); };
      escape(text[i]);
      if (is_c1 && is_text) escape(text[++i]);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace amqp
