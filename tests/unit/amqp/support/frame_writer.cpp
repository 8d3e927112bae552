// The half of frames.hpp that writes; the fuzzers use it too, so no doctest here.
#include "tests/unit/amqp/support/frames.hpp"

namespace amqp_test {

namespace {

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void terminus(Writer& writer, std::uint8_t code, std::string_view address) {
  writer.descriptor(static_cast<Descriptor>(code));
  const auto list = writer.begin_list(1);
  writer.string(address);
  writer.end(list);
}

}  // namespace

std::string raw_frame(std::uint8_t type, std::uint16_t channel, std::string_view body) {
  std::string out;
  put_u32(out, static_cast<std::uint32_t>(8 + body.size()));
  out.push_back(2);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(channel >> 8));
  out.push_back(static_cast<char>(channel));
  out.append(body);
  return out;
}

std::string frame(std::uint16_t channel, Descriptor performative, std::uint32_t count,
                  const std::function<void(Writer&)>& fields, std::string_view payload,
                  std::uint8_t type) {
  std::string body;
  Writer writer(body);
  writer.descriptor(performative);
  const auto list = writer.begin_list(count);
  fields(writer);
  writer.end(list);
  body.append(payload);
  return raw_frame(type, channel, body);
}

void put_uint(std::string& out, std::uint32_t value) {
  out.push_back('\x70');
  put_u32(out, value);
}
void put_ushort(std::string& out, std::uint16_t value) {
  out.push_back('\x60');
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}
void put_bool(std::string& out, bool value) { out.push_back(value ? '\x41' : '\x42'); }

namespace {

// A frame whose fields are encoded already.
std::string frame_of(std::uint16_t channel, Descriptor performative, std::uint32_t count,
                     std::string_view fields, std::string_view payload = {}) {
  std::string body("\0\x53", 2);
  body.push_back(static_cast<char>(performative));
  body.push_back('\xd0');
  put_u32(body, static_cast<std::uint32_t>(fields.size() + 4));
  put_u32(body, count);
  body.append(fields).append(payload);
  return raw_frame(0, channel, body);
}

constexpr std::string_view null("\x40", 1);

}  // namespace

std::string sasl_init(std::string_view mechanism, const std::string* response) {
  return frame(
      0, Descriptor::sasl_init, 2,
      [&](Writer& writer) {
        writer.symbol(mechanism);
        response == nullptr ? writer.null() : writer.binary(*response);
      },
      {}, 1);
}

std::string open_frame(std::uint32_t idle_ms) {
  std::string fields;
  Writer writer(fields);
  writer.string("raw-client");
  writer.string("localhost");
  writer.null();
  writer.null();
  put_uint(fields, idle_ms);
  return frame_of(0, Descriptor::open, 5, fields);
}

std::string begin_frame(std::uint16_t channel) {
  std::string fields(null);
  put_uint(fields, 0);
  put_uint(fields, 2048);
  put_uint(fields, 2048);
  return frame_of(channel, Descriptor::begin, 4, fields);
}

namespace {

std::string attach_frame(std::uint16_t channel, std::uint32_t handle, std::string_view name,
                         bool is_receiver, std::string_view source, std::string_view target) {
  std::string fields;
  Writer writer(fields);
  writer.string(name);
  put_uint(fields, handle);
  put_bool(fields, is_receiver);
  writer.null();
  writer.null();
  terminus(writer, 0x28, source);
  terminus(writer, 0x29, target);
  writer.null();
  writer.null();
  put_uint(fields, 0);
  return frame_of(channel, Descriptor::attach, 10, fields);
}

}  // namespace

std::string attach_sender_frame(std::uint16_t channel, std::uint32_t handle, std::string_view name,
                                std::string_view target) {
  return attach_frame(channel, handle, name, false, "own", target);
}

std::string attach_receiver_frame(std::uint16_t channel, std::uint32_t handle,
                                  std::string_view name, std::string_view source) {
  return attach_frame(channel, handle, name, true, source, "own");
}

std::string transfer_frame(const Transfer& transfer, std::string_view payload) {
  std::string fields;
  Writer writer(fields);
  put_uint(fields, transfer.handle);
  if (transfer.delivery_id) {
    put_uint(fields, *transfer.delivery_id);
  } else {
    writer.null();
  }
  writer.binary("t");
  put_uint(fields, transfer.message_format);
  put_bool(fields, transfer.settled);
  put_bool(fields, transfer.more);
  return frame_of(transfer.channel, Descriptor::transfer, 6, fields, payload);
}

std::string close_frame() { return frame_of(0, Descriptor::close, 0, {}); }

}  // namespace amqp_test
