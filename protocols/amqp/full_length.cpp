#include "protocols/amqp/full_length.hpp"

#include <algorithm>

#include "protocols/amqp/codec.hpp"

namespace amqp {

namespace {

constexpr std::size_t frame_header_bytes = 8;
constexpr std::string_view magic = "AMQP";
constexpr char null = '\x40';

constexpr std::uint8_t list0 = 0x45;
constexpr std::uint8_t list8 = 0xc0;
constexpr std::uint8_t list32 = 0xd0;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | byte_at(bytes, at + i);
  return value;
}

void put_u32(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

// Of AMQP 1.0 part 2, section 2.7; 0: no performative.
std::uint32_t fields_of(std::uint8_t code) {
  switch (static_cast<Descriptor>(code)) {
    case Descriptor::open:
      return 10;
    case Descriptor::begin:
      return 8;
    case Descriptor::attach:
      return 14;
    case Descriptor::flow:
    case Descriptor::transfer:
      return 11;
    case Descriptor::disposition:
      return 6;
    case Descriptor::detach:
      return 3;
    case Descriptor::end:
    case Descriptor::close:
      return 1;
    default:
      return 0;
  }
}

// The list of a performative, taken apart.
struct Fields {
  std::uint32_t count = 0;
  std::string_view bytes;
  std::size_t end = 0;  // in the frame
};

bool read_list(std::string_view frame, std::size_t at, Fields& out) {
  if (at >= frame.size()) return false;
  const std::uint8_t format = byte_at(frame, at++);
  if (format == list0) {
    out = {0, {}, at};
    return true;
  }
  const std::size_t width = format == list8 ? 1 : 4;
  if ((format != list8 && format != list32) || frame.size() - at < 2 * width) return false;
  const std::size_t size = width == 1 ? byte_at(frame, at) : u32_at(frame, at);
  const std::size_t fields_at = at + 2 * width;
  if (size < width || size - width > frame.size() - fields_at) return false;
  out.count = width == 1 ? byte_at(frame, at + 1) : u32_at(frame, at + 4);
  out.bytes = frame.substr(fields_at, size - width);
  out.end = fields_at + out.bytes.size();
  return true;
}

void append_frame(std::string& out, std::string_view frame, std::size_t frame_bytes_max) {
  constexpr std::string_view descriptor("\0\x53", 2);
  const std::size_t body_at = std::size_t{4} * byte_at(frame, 4);
  const std::size_t list_at = body_at + descriptor.size() + 1;
  Fields fields;
  std::uint32_t wanted = 0;
  if (byte_at(frame, 5) == 0 && body_at >= frame_header_bytes && list_at < frame.size() &&
      frame.substr(body_at, descriptor.size()) == descriptor && read_list(frame, list_at, fields)) {
    wanted = fields_of(byte_at(frame, list_at - 1));
  }
  if (fields.count >= wanted) {
    out.append(frame);
    return;
  }
  // A begin without handle-max is one of four fields.
  constexpr std::string_view handle_max("\x70\x00\x03\xff\xff", 5);
  static_assert(FullLength::handle_max == 0x0003ffff);
  const bool add_handle_max =
      byte_at(frame, list_at - 1) == static_cast<std::uint8_t>(Descriptor::begin) &&
      fields.count == 4;
  const std::string_view added = add_handle_max ? handle_max : std::string_view{};
  const std::size_t nulls = wanted - fields.count - (add_handle_max ? 1 : 0);

  const std::size_t inside = fields.bytes.size() + added.size() + nulls;
  const bool is_short = inside + 1 <= 0xff;
  const std::size_t size = list_at + (is_short ? 3 : 9) + inside + (frame.size() - fields.end);
  if (size > frame_bytes_max) {
    out.append(frame);
    return;
  }
  put_u32(out, size);
  out.append(frame.substr(4, list_at - 4));
  if (is_short) {
    out.push_back(static_cast<char>(list8));
    out.push_back(static_cast<char>(inside + 1));
    out.push_back(static_cast<char>(wanted));
  } else {
    out.push_back(static_cast<char>(list32));
    put_u32(out, inside + 4);
    put_u32(out, wanted);
  }
  out.append(fields.bytes).append(added).append(nulls, null).append(frame.substr(fields.end));
}

// Of the header or frame that begins so; 0: cannot be told yet.
std::size_t unit_size(std::string_view begin) {
  if (begin.size() < magic.size()) return 0;
  if (begin.starts_with(magic)) return frame_header_bytes;
  return std::max<std::size_t>(u32_at(begin, 0), frame_header_bytes);
}

void append_unit(std::string& out, std::string_view unit, std::size_t frame_bytes_max) {
  if (unit.starts_with(magic)) {
    out.append(unit);
  } else {
    append_frame(out, unit, frame_bytes_max);
  }
}

}  // namespace

void FullLength::append(std::string& out, std::string_view bytes, std::size_t frame_bytes_max) {
  while (!bytes.empty()) {
    if (partial_.empty()) {
      const std::size_t size = unit_size(bytes);
      if (size != 0 && size <= bytes.size()) {
        append_unit(out, bytes.substr(0, size), frame_bytes_max);
        bytes.remove_prefix(size);
        continue;
      }
    }
    const std::size_t known = unit_size(partial_);
    const std::size_t wanted = known != 0 ? known : magic.size();
    const std::size_t taken = std::min(wanted - partial_.size(), bytes.size());
    partial_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (unit_size(partial_) != partial_.size()) continue;
    append_unit(out, partial_, frame_bytes_max);
    std::string().swap(partial_);  // an idle connection keeps no large buffer
  }
}

}  // namespace amqp
