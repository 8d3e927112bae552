#include "emulator/core/base/printable.hpp"

#include "emulator/core/base/encoding.hpp"

#include <algorithm>
#include <cstddef>

namespace hub {
namespace {

// The bytes of one character of UTF-8 at the start of `text`; 0: they are none.
std::size_t character_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return size <= text.size() && is_valid_utf8(text.substr(0, size)) ? size : 0;
}

// Of a valid character of two or three bytes.
unsigned code_point(std::string_view character) {
  const auto bits = [&](std::size_t i) { return static_cast<unsigned>(character[i]) & 0x3F; };
  return character.size() == 2
             ? (static_cast<unsigned>(character[0]) & 0x1F) << 6 | bits(1)
             : (static_cast<unsigned>(character[0]) & 0x0F) << 12 | bits(1) << 6 | bits(2);
}

// What moves a terminal or hides what stands beside it: controls (C0, DEL, C1), line and paragraph
// separator, changes of direction.
bool is_control(unsigned point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x200E || point == 0x200F ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

void append_hex(std::string& out, unsigned value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
    out += "0123456789abcdef"[value >> shift & 15];
}

}  // namespace

void append_printable(std::string& out, std::string_view text, bool for_json) {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const unsigned point = size == 1                ? static_cast<unsigned char>(text[0])
                           : size == 2 || size == 3 ? code_point(text.substr(0, size))
                                                    : 0x10000;
    if (size == 0) {
      out += for_json ? "\\\\x" : "\\x";
      append_hex(out, static_cast<unsigned char>(text[0]), 2);
    } else if (point == '\n') {
      out += "\\n";
    } else if (is_control(point)) {
      out += "\\u";
      append_hex(out, point, 4);
    } else {
      if (for_json && (point == '"' || point == '\\')) out += '\\';
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text, false);
  return out;
}

bool holds_secret(std::string_view text) {
  return text.find("SharedAccessKey=") != std::string_view::npos ||
         text.find("SharedAccessSignature ") != std::string_view::npos;
}

std::string_view shown(std::string_view text) {
  constexpr std::size_t bytes_max = 256;
  return holds_secret(text) ? "(a connection string or token)" : text.substr(0, bytes_max);
}

}  // namespace hub
