#pragma once
// AMQP 1.0 values as bytes: a bounds-checked reader and a writer.
//
//   value       = constructor payload
//   constructor = format-code | %x00 value(descriptor) constructor
//   payload     = fixed:0,1,2,4,8,16 | size:u8|u32 bytes | compound | array       (by format code)
//   compound    = size:u8|u32 count:u8|u32 value*       array = size count constructor payload*
//
// The reader accepts every format code of the specification and trusts no length; nesting is
// bounded. Views point into the bytes given.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace amqp {

enum class Type : std::uint8_t {
  null,
  boolean,
  ubyte,
  ushort,
  uint,
  ulong,
  byte,
  short_,
  int_,
  long_,
  float_,
  double_,
  decimal,
  character,
  timestamp,
  uuid,
  binary,
  string,
  symbol,
  list,
  map,
  array,
};

struct Value {
  Type type = Type::null;
  std::uint64_t bits = 0;   // numbers and booleans; signed ones sign-extended, floats as their bits
  std::string_view bytes;   // uuid, binary, string, symbol, decimal; the inside of list, map, array
  std::uint32_t count = 0;  // elements of a list or array; keys and values of a map

  bool is_null() const { return type == Type::null; }
  // Strings and symbols alike: peers are free with the two.
  std::optional<std::string_view> text() const;
};

// Section and performative descriptors (AMQP 1.0 parts 2 and 3).
enum class Descriptor : std::uint64_t {
  open = 0x10,
  begin,
  attach,
  flow,
  transfer,
  disposition,
  detach,
  end,
  close,
  sasl_mechanisms = 0x40,
  sasl_init,
  sasl_challenge,
  sasl_response,
  sasl_outcome,
  header = 0x70,
  delivery_annotations,
  message_annotations,
  properties,
  application_properties,
  data,
  amqp_sequence,
  amqp_value,
  footer,
};

class Reader {
 public:
  static constexpr int depth_max = 16;

  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  // The next value. False: truncated, malformed, or described.
  bool read(Value& value);
  // `%x00` and a numeric descriptor; the described value follows.
  bool read_descriptor(std::uint64_t& code);
  // Any value, described or not, checked all the way down.
  bool skip(int depth = depth_max);

 private:
  bool take(std::size_t size, std::string_view& out);
  bool read_unsigned(std::size_t size, std::uint64_t& out);
  bool read_payload(std::uint8_t format, Value& value);
  bool skip_payload(std::uint8_t format, int depth);
  bool skip_constructor(std::uint8_t& format, int depth);
  bool skip_array(std::string_view inside, std::uint64_t count, int depth);

  std::string_view rest_;
};

// Appends to a string; always a short form where one fits.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void descriptor(Descriptor code);
  void null() { put(0x40); }
  void ubyte(std::uint8_t value);
  void int32(std::int32_t value);
  void int64(std::int64_t value);
  void uint64(std::uint64_t value);
  void timestamp(std::int64_t unix_ms);
  void uuid(std::string_view sixteen_bytes);
  void binary(std::string_view bytes) { variable(0xa0, bytes); }
  void string(std::string_view text) { variable(0xa1, text); }
  void symbol(std::string_view text) { variable(0xa3, text); }

  // begin_list/begin_map ... end. `count` of a map is keys plus values. Returns a mark for end().
  std::size_t begin_list(std::uint32_t count) { return begin(0xd0, count); }
  std::size_t begin_map(std::uint32_t count) { return begin(0xd1, count); }
  void end(std::size_t mark);

 private:
  void put(std::uint8_t byte) { out_.push_back(static_cast<char>(byte)); }
  void big_endian(std::uint64_t value, int bytes);
  void variable(std::uint8_t short_format, std::string_view bytes);
  std::size_t begin(std::uint8_t format, std::uint32_t count);

  std::string& out_;
};

}  // namespace amqp
