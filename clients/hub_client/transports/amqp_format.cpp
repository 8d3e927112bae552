#include "clients/hub_client/transports/amqp_format.hpp"

#include "clients/hub_client/error.hpp"

#include <optional>

namespace iothub {
namespace {

constexpr std::size_t kHeader = 8;

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  if (at >= bytes.size())
    throw Error{ErrorKind::protocol_error, "an AMQP frame of Proton's is cut"};
  return static_cast<unsigned char>(bytes[at]);
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 |
         byte_at(bytes, at + 3);
}

std::string u32(std::uint32_t value) {
  std::string out;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(value >> shift);
  return out;
}

// Where the value at `at` ends; the upper half of its format code says how wide it is.
std::size_t end_of_value(std::string_view frame, std::size_t at) {
  switch (byte_at(frame, at) >> 4) {
    case 0x4:
      return at + 1;
    case 0x5:
      return at + 2;
    case 0x6:
      return at + 3;
    case 0x7:
      return at + 5;
    case 0x8:
      return at + 9;
    case 0x9:
      return at + 17;
    case 0xA:
    case 0xC:
    case 0xE:
      return at + 2 + byte_at(frame, at + 1);
    default:
      return at + 5 + read_u32(frame, at + 1);
  }
}

// The frame with its message-format changed; as it was if it is no transfer.
std::string stamped(std::string_view frame, std::uint32_t format) {
  const std::size_t body = byte_at(frame, 4) * 4;
  if (frame.substr(body, 3) != std::string_view{"\0S\x14", 3}) return std::string{frame};
  const bool wide = byte_at(frame, body + 3) == 0xD0;
  const std::size_t fields = body + (wide ? 12 : 6);
  std::size_t at = fields;
  for (int field = 0; field < 3; ++field) at = end_of_value(frame, at);
  const std::size_t end = end_of_value(frame, at);

  const auto values = std::string{frame.substr(fields, at - fields)} + 'p' + u32(format) +
                      // The list goes on after it, and the payload after the list.
                      std::string{frame.substr(end)};
  const std::uint32_t grown = static_cast<std::uint32_t>(5 - (end - at));
  const std::uint32_t list_size =
      (wide ? read_u32(frame, body + 4) - 4 : byte_at(frame, body + 4) - 1) + grown;
  const std::uint32_t count = wide ? read_u32(frame, body + 8) : byte_at(frame, body + 5);

  // Always a list of four-byte sizes, since the size may have outgrown one byte.
  std::string out{frame.substr(4, body - 4)};
  out += std::string{"\0S\x14\xD0", 4} + u32(list_size + 4) + u32(count) + values;
  return u32(static_cast<std::uint32_t>(out.size() + 4)) + out;
}

}  // namespace

std::string TransferFormat::stamp(std::string_view output) {
  partial_ += output;
  std::string out;
  std::size_t at = 0;
  while (partial_.size() - at >= kHeader) {
    const std::size_t size = read_u32(partial_, at);
    if (size < kHeader)
      throw Error{ErrorKind::protocol_error, "an AMQP frame of Proton's is empty"};
    if (partial_.size() - at < size) break;
    out += stamped(std::string_view{partial_}.substr(at, size), format_);
    at += size;
  }
  partial_.erase(0, at);
  return out;
}

}  // namespace iothub
