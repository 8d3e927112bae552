// One AMQP connection. The first byte is the login: none, then any bytes; or one of those that
// work, then frames that are well-formed, nearly so, or not at all, with time and the hub going on
// beside.
#include "protocols/amqp/session.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"
#include "tests/unit/amqp/support/frames.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace {

using namespace fuzz;
using amqp::Descriptor;
using amqp::Writer;

constexpr std::array<std::string_view, 16> addresses{
    "$cbs",
    "/devices/dev1/messages/events",
    "/devices/dev1/messages/devicebound",
    "/devices/victim/messages/devicebound",
    "/devices/victim/messages/events",
    "/messages/devicebound",
    "/messages/serviceBound/feedback",
    "/devices/dev1/twin",
    "/devices/victim/twin",
    "/devices/dev1/methods/devicebound",
    "/messages/events/ConsumerGroups/$Default/Partitions/0",
    "$management",
    "/messages/servicebound/filenotifications",
    "/devices/dev1/modules/m/messages/events",
    "amqps://localhost/devices/dev%31/messages/events?x",
    ""};

std::string some_address(Input& input) {
  return std::string(addresses[input.byte() % addresses.size()]).append(input.text());
}

std::unique_ptr<protocols::Session> make(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker,
                                         hub::TimePoint now) {
  return std::make_unique<amqp::Session>(hub, std::move(peer), std::move(waker), now);
}

// A frame of this performative with fields that `write` encodes.
std::string frame(std::uint16_t channel, Descriptor code, std::uint8_t count,
                  const std::function<void(std::string&)>& write, std::string_view payload = {}) {
  std::string fields;
  write(fields);
  std::string body("\0\x53", 2);
  body += static_cast<char>(code);
  body += '\xd0';
  const auto size = static_cast<std::uint32_t>(fields.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8) body += static_cast<char>(size >> shift);
  body.append(3, '\0') += static_cast<char>(count);
  return amqp_test::raw_frame(0, channel, body.append(fields).append(payload));
}

void section(std::string& out, Descriptor code, const std::function<void(Writer&)>& write) {
  Writer writer(out);
  writer.descriptor(code);
  write(writer);
}

// A message that the links read: a put-token, a c2d message, telemetry.
std::string message(Input& input) {
  std::string out;
  const auto kind = input.byte() % 4;
  if (kind == 3) return std::string(input.take(input.u16()));
  section(out, Descriptor::properties, [&](Writer& writer) {
    const auto list = writer.begin_list(5);
    writer.string("id");
    writer.null();
    writer.string(kind == 0 ? "$cbs" : some_address(input));
    writer.null();
    writer.string("cbs");
    writer.end(list);
  });
  section(out, Descriptor::application_properties, [&](Writer& writer) {
    const auto map = writer.begin_map(6);
    writer.string(kind == 0 ? "operation" : input.text());
    writer.string("put-token");
    writer.string(kind == 1 ? "iothub-ack" : "type");
    writer.string(kind == 1 ? "full" : "servicebus.windows.net:sastoken");
    writer.string("name");
    writer.string(kind == 0 ? "localhost/devices/dev1" : input.text());
    writer.end(map);
  });
  if (kind == 0) {
    section(out, Descriptor::amqp_value, [&](Writer& writer) {
      const std::string_view token = World::attacker_token();
      writer.string(token.substr(std::min<std::size_t>(input.byte(), token.size())));  // 0: whole
    });
  } else {
    section(out, Descriptor::data, [&](Writer& writer) { writer.binary(input.text()); });
  }
  return out;
}

std::string frame_of(std::uint8_t kind, Input& input) {
  const auto put_uint = amqp_test::put_uint;
  const auto put_bool = amqp_test::put_bool;
  const auto channel = static_cast<std::uint16_t>(input.byte() % 4);
  switch (kind) {
    case 0: {
      const auto type = static_cast<std::uint8_t>(input.byte() % 3);
      return amqp_test::raw_frame(type, channel, input.take(input.u16()));
    }
    case 1: {  // any fields for a performative
      const auto code = static_cast<Descriptor>(0x10 + input.byte() % 10);
      const auto count = input.byte();
      const auto fields = input.text();
      const auto payload = input.text();
      return frame(
          channel, code, count, [&](std::string& out) { out += fields; }, payload);
    }
    case 2:
      return amqp_test::begin_frame(channel);
    case 3:
    case 4: {
      const auto handle = static_cast<std::uint32_t>(input.byte() % 8);
      const std::string name = "link-" + std::to_string(input.byte() % 8);
      const auto address = some_address(input);
      return kind == 3 ? amqp_test::attach_sender_frame(channel, handle, name, address)
                       : amqp_test::attach_receiver_frame(channel, handle, name, address);
    }
    case 5: {
      const auto flags = input.byte();
      amqp_test::Transfer transfer;
      transfer.channel = channel;
      transfer.handle = input.byte() % 8;
      if ((flags & 1) != 0)
        transfer.delivery_id.reset();
      else
        transfer.delivery_id = input.byte();
      transfer.settled = (flags & 2) != 0;
      transfer.more = (flags & 4) != 0;
      transfer.message_format = (flags & 8) != 0 ? 0x80013700 : 0;
      return amqp_test::transfer_frame(transfer, message(input));
    }
    case 6: {  // flow: next-incoming-id, windows, handle, delivery-count, credit, …, drain, echo
      const auto flags = input.byte();
      return frame(channel, Descriptor::flow, 10, [&](std::string& out) {
        put_uint(out, input.byte());
        put_uint(out, (flags & 1) != 0 ? input.byte() : 2048);
        put_uint(out, input.byte());
        put_uint(out, 2048);
        if ((flags & 2) != 0) {
          out.append(3, '\x40');
        } else {
          put_uint(out, input.byte() % 8);
          put_uint(out, input.byte());
          put_uint(out, (flags & 16) != 0 ? 0xffffffff : input.byte());
        }
        out += '\x40';
        put_bool(out, (flags & 4) != 0);
        put_bool(out, (flags & 8) != 0);
      });
    }
    case 7: {  // disposition: role, first, last, settled, state
      const auto flags = input.byte();
      return frame(channel, Descriptor::disposition, 5, [&](std::string& out) {
        put_bool(out, (flags & 1) != 0);
        put_uint(out, input.byte());
        if ((flags & 2) != 0)
          out += '\x40';
        else
          put_uint(out, (flags & 8) != 0 ? 0xffffffff : input.byte());
        put_bool(out, (flags & 4) != 0);
        out += std::string("\0\x53", 2) + static_cast<char>(0x23 + input.byte() % 6) + '\x45';
      });
    }
    case 8:
      return frame(channel, Descriptor::detach, 2, [&](std::string& out) {
        put_uint(out, input.byte() % 8);
        put_bool(out, input.flag());
      });
    case 9:
      return frame(channel, Descriptor::end, 0, [](std::string&) {});
    case 10:
      return input.byte() % 8 == 0 ? amqp_test::close_frame() : amqp_test::raw_frame(0, 0, {});
    default:
      return std::string(input.take(input.u16()));
  }
}

std::string plain(std::string_view user, std::string_view password) {
  std::string response(1, '\0');
  response.append(user).append(1, '\0').append(password);
  return amqp_test::sasl_header + amqp_test::sasl_init("PLAIN", &response) +
         amqp_test::amqp_header + amqp_test::open_frame() + amqp_test::begin_frame(0);
}

}  // namespace

FUZZ_TARGET(amqp_session) {
  Input in(input);
  const auto login = in.byte() % 6;
  const bool is_owner = login == 1;
  World world;
  Runner runner(world, make, !is_owner);
  switch (login) {
    case 1:
      runner.bytes(plain("iothubowner@sas.root.localhost", World::owner_token()));
      break;
    case 2:
      runner.bytes(plain("dev1@sas.localhost", World::attacker_token()));
      break;
    case 3:
      runner.bytes(amqp_test::amqp_header + amqp_test::open_frame(in.u16() * 16u) +
                   amqp_test::begin_frame(0));
      break;
    case 4: {
      const std::string response(in.text());
      runner.bytes(amqp_test::sasl_header + amqp_test::sasl_init(in.text(), &response) +
                   amqp_test::amqp_header);
      break;
    }
    default: {  // any bytes at all, whole or in pieces
      const std::size_t step = login == 0 ? input.size() + 1 : 1 + in.byte();
      while (!in.empty() && !runner.closed()) runner.bytes(in.take(step));
      return;
    }
  }
  while (!in.empty()) {
    const auto operation = in.byte() % 16;
    if (operation < 12) {
      runner.bytes(frame_of(static_cast<std::uint8_t>(operation), in));
    } else if (operation == 12) {
      runner.set_reading(in.flag());
    } else if (operation == 13 && in.byte() % 8 == 0) {
      in.flag() ? runner.shut_down() : runner.peer_closed();
    } else {
      world.event(in);
    }
    if (!runner.closed()) runner.settle();
  }
}
