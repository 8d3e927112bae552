#include "protocols/amqp/codec.hpp"

#include "emulator/core/base/error.hpp"

namespace amqp {

namespace {

std::uint64_t sign_extend(std::uint64_t value, std::size_t size) {
  const unsigned shift = static_cast<unsigned>(64 - 8 * size);
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

}  // namespace

std::optional<std::string_view> Value::text() const {
  if (type == Type::string || type == Type::symbol) return bytes;
  return std::nullopt;
}

// ---- Reader ------------------------------------------------------------------------------------

bool Reader::take(std::size_t size, std::string_view& out) {
  if (size > rest_.size()) return false;
  out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool Reader::read_unsigned(std::size_t size, std::uint64_t& out) {
  if (size > rest_.size()) return false;
  out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<std::uint8_t>(rest_[i]);
  rest_.remove_prefix(size);
  return true;
}

bool Reader::read(Value& value) {
  std::uint64_t format = 0;
  return read_unsigned(1, format) && read_payload(static_cast<std::uint8_t>(format), value);
}

bool Reader::read_descriptor(std::uint64_t& code) {
  Value value;
  if (rest_.empty() || rest_[0] != '\0') return false;
  rest_.remove_prefix(1);
  if (!read(value) || value.type != Type::ulong) return false;
  code = value.bits;
  return true;
}

bool Reader::read_payload(std::uint8_t format, Value& value) {
  value = {};
  const auto number = [&](Type type, std::size_t size, bool is_signed = false) {
    value.type = type;
    if (!read_unsigned(size, value.bits)) return false;
    if (is_signed) value.bits = sign_extend(value.bits, size);
    return true;
  };
  const auto constant = [&](Type type, std::uint64_t bits) {
    value.type = type;
    value.bits = bits;
    return true;
  };
  const auto fixed = [&](Type type, std::size_t size) {
    value.type = type;
    return take(size, value.bytes);
  };
  const auto variable = [&](Type type, std::size_t width) {
    std::uint64_t size = 0;
    value.type = type;
    return read_unsigned(width, size) && take(size, value.bytes);
  };
  const auto compound = [&](Type type, std::size_t width) {
    std::uint64_t size = 0;
    std::uint64_t count = 0;
    value.type = type;
    if (!read_unsigned(width, size) || size < width || size > rest_.size()) return false;
    if (!read_unsigned(width, count) || !take(size - width, value.bytes)) return false;
    value.count = static_cast<std::uint32_t>(count);
    return true;
  };
  switch (format) {
    case 0x40:
      return constant(Type::null, 0);
    case 0x41:
      return constant(Type::boolean, 1);
    case 0x42:
      return constant(Type::boolean, 0);
    case 0x43:
      return constant(Type::uint, 0);
    case 0x44:
      return constant(Type::ulong, 0);
    case 0x45:
      return constant(Type::list, 0);
    case 0x50:
      return number(Type::ubyte, 1);
    case 0x51:
      return number(Type::byte, 1, true);
    case 0x52:
      return number(Type::uint, 1);
    case 0x53:
      return number(Type::ulong, 1);
    case 0x54:
      return number(Type::int_, 1, true);
    case 0x55:
      return number(Type::long_, 1, true);
    case 0x56:
      return number(Type::boolean, 1) && value.bits <= 1;
    case 0x60:
      return number(Type::ushort, 2);
    case 0x61:
      return number(Type::short_, 2, true);
    case 0x70:
      return number(Type::uint, 4);
    case 0x71:
      return number(Type::int_, 4, true);
    case 0x72:
      return number(Type::float_, 4);
    case 0x73:
      return number(Type::character, 4);
    case 0x74:
      return fixed(Type::decimal, 4);
    case 0x80:
      return number(Type::ulong, 8);
    case 0x81:
      return number(Type::long_, 8);
    case 0x82:
      return number(Type::double_, 8);
    case 0x83:
      return number(Type::timestamp, 8);
    case 0x84:
      return fixed(Type::decimal, 8);
    case 0x94:
      return fixed(Type::decimal, 16);
    case 0x98:
      return fixed(Type::uuid, 16);
    case 0xa0:
      return variable(Type::binary, 1);
    case 0xa1:
      return variable(Type::string, 1);
    case 0xa3:
      return variable(Type::symbol, 1);
    case 0xb0:
      return variable(Type::binary, 4);
    case 0xb1:
      return variable(Type::string, 4);
    case 0xb3:
      return variable(Type::symbol, 4);
    case 0xc0:
      return compound(Type::list, 1);
    case 0xc1:
      return compound(Type::map, 1);
    case 0xd0:
      return compound(Type::list, 4);
    case 0xd1:
      return compound(Type::map, 4);
    case 0xe0:
      return compound(Type::array, 1);
    case 0xf0:
      return compound(Type::array, 4);
    default:
      return false;
  }
}

bool Reader::skip_constructor(std::uint8_t& format, int depth) {
  for (;; --depth) {
    std::uint64_t byte = 0;
    if (depth <= 0 || !read_unsigned(1, byte)) return false;
    format = static_cast<std::uint8_t>(byte);
    if (format != 0x00) return true;
    if (!skip(depth - 1)) return false;
  }
}

bool Reader::skip(int depth) {
  std::uint8_t format = 0;
  return depth > 0 && skip_constructor(format, depth) && skip_payload(format, depth);
}

bool Reader::skip_payload(std::uint8_t format, int depth) {
  Value value;
  if (!read_payload(format, value)) return false;
  if (value.type == Type::array) return skip_array(value.bytes, value.count, depth - 1);
  if (value.type != Type::list && value.type != Type::map) return true;
  if (value.type == Type::map && value.count % 2 != 0) return false;
  Reader inside(value.bytes);
  // Each element has at least its format code, so the bytes bound the loop.
  for (std::uint32_t i = 0; i < value.count; ++i) {
    if (!inside.skip(depth - 1)) return false;
  }
  return inside.empty();
}

bool Reader::skip_array(std::string_view inside, std::uint64_t count, int depth) {
  if (count == 0 && inside.empty()) return true;
  if (depth <= 0) return false;
  Reader elements(inside);
  std::uint8_t format = 0;
  if (!elements.skip_constructor(format, depth)) return false;
  const bool no_payload = format >= 0x40 && format <= 0x4f;
  for (std::uint64_t i = 0; !no_payload && i < count; ++i) {
    if (!elements.skip_payload(format, depth)) return false;
  }
  return elements.empty();
}

// ---- Writer ------------------------------------------------------------------------------------

void Writer::big_endian(std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) put(static_cast<std::uint8_t>(value >> (8 * i)));
}

void Writer::descriptor(Descriptor code) {
  put(0x00);
  put(0x53);
  put(static_cast<std::uint8_t>(code));
}

void Writer::ubyte(std::uint8_t value) {
  put(0x50);
  put(value);
}

void Writer::int32(std::int32_t value) {
  put(0x71);
  big_endian(static_cast<std::uint32_t>(value), 4);
}

void Writer::int64(std::int64_t value) {
  put(0x81);
  big_endian(static_cast<std::uint64_t>(value), 8);
}

void Writer::uint64(std::uint64_t value) {
  if (value <= 0xff) {
    put(0x53);
    put(static_cast<std::uint8_t>(value));
  } else {
    put(0x80);
    big_endian(value, 8);
  }
}

void Writer::timestamp(std::int64_t unix_ms) {
  put(0x83);
  big_endian(static_cast<std::uint64_t>(unix_ms), 8);
}

void Writer::uuid(std::string_view sixteen_bytes) {
  HUB_ASSERT(sixteen_bytes.size() == 16);
  put(0x98);
  out_.append(sixteen_bytes);
}

void Writer::variable(std::uint8_t short_format, std::string_view bytes) {
  if (bytes.size() <= 0xff) {
    put(short_format);
    put(static_cast<std::uint8_t>(bytes.size()));
  } else {
    put(static_cast<std::uint8_t>(short_format + 0x10));
    big_endian(bytes.size(), 4);
  }
  out_.append(bytes);
}

std::size_t Writer::begin(std::uint8_t format, std::uint32_t count) {
  put(format);
  const std::size_t mark = out_.size();
  big_endian(0, 4);  // the size, known at end()
  big_endian(count, 4);
  return mark;
}

void Writer::end(std::size_t mark) {
  const auto size = static_cast<std::uint32_t>(out_.size() - mark - 4);
  for (int i = 0; i < 4; ++i) {
    out_[mark + static_cast<std::size_t>(i)] = static_cast<char>(size >> (8 * (3 - i)));
  }
}

}  // namespace amqp
