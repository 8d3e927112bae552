// AMQP values and messages; the frame guard and what lengthens performatives: whole and in pieces
// they hand out the same.
#include "protocols/amqp/address.hpp"
#include "protocols/amqp/codec.hpp"
#include "protocols/amqp/frame_guard.hpp"
#include "protocols/amqp/full_length.hpp"
#include "protocols/amqp/message_map.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/target.hpp"

#include "emulator/core/base/error.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace {

using namespace fuzz;

void check_values(std::string_view bytes) {
  amqp::Reader skipper(bytes), reader(bytes);
  amqp::Value value;
  while (reader.read(value)) {
    HUB_ASSERT(value.bytes.empty() ||
               (value.bytes.data() >= bytes.data() &&
                value.bytes.data() + value.bytes.size() <= bytes.data() + bytes.size()));
    (void)value.text();
  }
  while (!skipper.empty() && skipper.skip()) {
  }
}

void check_message(std::string_view bytes) {
  const auto sections = amqp::scan_sections(bytes);
  if (!sections) return;
  (void)amqp::read_ids(*sections);
  (void)amqp::find_text(sections->application_properties, "name");
  hub::MessageContent telemetry, content;
  (void)amqp::read_message(*sections, amqp::Direction::device_to_cloud, telemetry);
  const auto ack = amqp::read_message(*sections, amqp::Direction::cloud_to_device, content);
  if (!ack) return;
  // What is queued can be delivered, and says the same there.
  auto message = std::make_shared<hub::Message>();
  message->content = content;
  message->ack = ack->value_or(hub::Ack::none);
  hub::Delivery delivery;
  delivery.message = message;
  for (const bool encode_anew : {false, true}) {
    if (encode_anew) message->content.amqp_bare.clear();
    std::string out;
    amqp::append_delivery(out, delivery);
    const auto again = amqp::scan_sections(out);
    HUB_ASSERT(again);
    hub::MessageContent reread;
    HUB_ASSERT(amqp::read_message(*again, amqp::Direction::cloud_to_device, reread));
    HUB_ASSERT(reread.body == content.body);
    HUB_ASSERT(reread.message_id == content.message_id);
    HUB_ASSERT(reread.correlation_id == content.correlation_id);
    HUB_ASSERT(reread.properties == content.properties);
  }
}

// All that it lets through, with a mark between, and why it stopped.
std::string let_through(std::string_view bytes, std::size_t step) {
  amqp::FrameGuard guard;
  std::string out;
  while (!bytes.empty() && guard.fault().condition == nullptr) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    for (;;) {
      const auto unit = guard.next(piece);
      if (unit.empty()) break;
      HUB_ASSERT(unit.size() <= amqp::FrameGuard::frame_bytes_max);
      out.append(unit).append("|").append(std::to_string(guard.message_format()));
    }
  }
  if (guard.fault().condition != nullptr)
    out += guard.fault().condition + guard.fault().description;
  return out;
}

std::string lengthened(std::string_view bytes, std::size_t step, std::size_t frame_bytes_max) {
  amqp::FullLength full_length;
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    full_length.append(out, bytes.substr(0, step), frame_bytes_max);
  }
  return out;
}

void check_lengthened(std::string_view bytes, std::size_t step) {
  constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
  const std::string whole = lengthened(bytes, bytes.size() + 1, any);
  HUB_ASSERT(lengthened(bytes, step, any) == whole);
  HUB_ASSERT(lengthened(whole, step, any) == whole);  // it was long enough after the first time
  HUB_ASSERT(bytes.starts_with(lengthened(bytes, step, 0)));  // nothing may grow
}

}  // namespace

FUZZ_TARGET(amqp_codec) {
  Input in(input);
  const auto kind = in.byte() % 4;
  switch (kind) {
    case 0:
      return check_values(in.rest());
    case 1:
      return check_message(in.rest());
    case 2: {
      (void)amqp::parse_address(in.rest());
      if (const auto to = amqp::parse_c2d_to(in.rest())) HUB_ASSERT(!to->raw.text.empty());
      return;
    }
    default: {
      const std::size_t step = 1 + in.byte() % 8;
      HUB_ASSERT(let_through(in.rest(), in.rest().size() + 1) == let_through(in.rest(), step));
      check_lengthened(in.rest(), step);
    }
  }
}
