// The statements of AMQP 1.0 that no other test shows, as bytes of a peer of our own:
// docs/amqp-conformance.md. A name has its statement in brackets.
#include <proton/disposition.h>

#include <doctest/doctest.h>

#include "emulator/core/base/encoding.hpp"
#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string d2c = "/devices/dev1/messages/events";
const std::string devicebound = "/devices/dev1/messages/devicebound";

// The fields of a performative, in order.
class Fields {
 public:
  Fields& null() { return add("\x40"); }
  Fields& uint(std::uint32_t value) {
    std::string out;
    put_uint(out, value);
    return add(out);
  }
  Fields& ushort(std::uint16_t value) {
    std::string out;
    put_ushort(out, value);
    return add(out);
  }
  Fields& flag(bool value) { return add(value ? "\x41" : "\x42"); }
  Fields& string(std::string_view text) {
    return written([&](Writer& w) { w.string(text); });
  }
  Fields& binary(std::string_view bytes) {
    return written([&](Writer& w) { w.binary(bytes); });
  }
  Fields& bytes(std::string_view as_hex) { return add(hex(as_hex)); }
  Fields& accepted() { return bytes("00 53 24 45"); }
  Fields& address(std::uint8_t terminus, std::string_view text) {
    return written([&](Writer& w) {
      w.descriptor(static_cast<Descriptor>(terminus));
      const auto list = w.begin_list(1);
      w.string(text);
      w.end(list);
    });
  }

  std::string frame(Descriptor code, std::uint16_t channel = 0,
                    std::string_view payload = {}) const {
    std::string body("\0\x53", 2);
    body.push_back(static_cast<char>(code));
    body.push_back('\xd0');
    for (const std::size_t number : {bytes_.size() + 4, count_}) {
      for (int shift = 24; shift >= 0; shift -= 8)
        body.push_back(static_cast<char>(number >> shift));
    }
    return raw_frame(0, channel, body.append(bytes_).append(payload));
  }

 private:
  template <class Write>
  Fields& written(Write write) {
    std::string out;
    Writer writer(out);
    write(writer);
    return add(out);
  }
  Fields& add(std::string_view bytes) {
    bytes_.append(bytes);
    ++count_;
    return *this;
  }
  std::string bytes_;
  std::size_t count_ = 0;
};

std::string begin_with_window(std::uint32_t incoming, std::uint16_t channel = 0) {
  return Fields().null().uint(0).uint(incoming).uint(2048).frame(Descriptor::begin, channel);
}
// Of a session, or of a link whose receiver the peer is.
std::string flow(std::uint32_t next_incoming, std::uint32_t window) {
  return Fields().uint(next_incoming).uint(window).uint(0).uint(2048).frame(Descriptor::flow);
}
struct LinkFlow {
  std::uint32_t handle = 0, delivery_count = 0, credit = 0;
  bool drain = false, echo = false;
  std::uint32_t next_incoming = 0, window = 2048;
};
std::string flow(const LinkFlow& f) {
  return Fields()
      .uint(f.next_incoming)
      .uint(f.window)
      .uint(0)
      .uint(2048)
      .uint(f.handle)
      .uint(f.delivery_count)
      .uint(f.credit)
      .null()
      .flag(f.drain)
      .flag(f.echo)
      .frame(Descriptor::flow);
}
std::string detach_frame(std::uint32_t handle, bool closed) {
  return Fields().uint(handle).flag(closed).frame(Descriptor::detach);
}
std::string end_frame(std::uint16_t channel = 0) {
  return Fields().frame(Descriptor::end, channel);
}
// The peer settles what it received, from `first` to `last`.
std::string accepted_from_to(std::uint32_t first, std::uint32_t last) {
  return Fields().flag(true).uint(first).uint(last).flag(true).accepted().frame(
      Descriptor::disposition);
}
std::string data(std::string_view body) { return Message().body(body).encode(); }

// A peer that dev1's key let in with PLAIN, on a session of its own.
struct Peer {
  explicit Peer(const std::string& begin = begin_frame()) {
    hub.create("dev1");
    const std::string response = std::string("\0", 1) + "dev1@sas.localhost" +
                                 std::string("\0", 1) + device_token(hub, "dev1");
    say(sasl_header + sasl_init("PLAIN", &response) + amqp_header + open_frame() + begin);
    REQUIRE(count(seen, Descriptor::begin) == 1);
  }
  const std::vector<Seen>& say(const std::string& bytes) {
    server.bytes(bytes);
    return seen = frames_of(server.take_output());
  }
  std::string close_condition() const {
    if (count(seen, Descriptor::close) == 0) return {};
    const auto text = first(seen, Descriptor::close).body;
    for (const char* condition : {"amqp:not-allowed", "amqp:decode-error", "amqp:invalid-field",
                                  "amqp:session:invalid-field", "amqp:connection:framing-error",
                                  "amqp:session:unattached-handle", "amqp:session:handle-in-use"}) {
      if (text.find(condition) != text.npos) return condition;
    }
    return "another";
  }
  std::size_t events() {
    std::size_t all = 0;
    for (std::uint32_t p = 0; p < hub.hub.events().partition_count(); ++p) {
      all += hub.hub.events().read(p, 0, 1000).size();
    }
    return all;
  }
  TestHub hub;
  Server server{hub};
  std::vector<Seen> seen;
};

}  // namespace

// ---- types -------------------------------------------------------------------------------------

TEST_CASE("A-20 [AMQP-1.3-b] the short and long forms of a value are read alike") {
  // open: container-id as str32, max-frame-size as uint, channel-max as ushort, idle as smalluint.
  TestHub hub;
  Server server(hub);
  server.bytes(amqp_header +
               Fields()
                   .bytes("b1 00000001 78")
                   .null()
                   .uint(65536)
                   .ushort(10)
                   .bytes("43")
                   .frame(Descriptor::open) +
               begin_frame());
  CHECK(count(frames_of(server.take_output()), Descriptor::begin) == 1);
}

TEST_CASE("A-21 [AMQP-1.4-a] fields at the end may be left out, and null is the default") {
  TestHub hub;
  Server server(hub);
  server.bytes(
      amqp_header + Fields().string("c").frame(Descriptor::open) +
      Fields().null().uint(0).uint(1).uint(1).null().null().null().null().frame(Descriptor::begin));
  const auto frames = frames_of(server.take_output());
  CHECK(count(frames, Descriptor::open) == 1);
  CHECK(count(frames, Descriptor::begin) == 1);
  CHECK_FALSE(server.wants_close());
}

TEST_CASE("A-20 [AMQP-1.4-b] what may come several times is one symbol or an array of them") {
  for (const char* capabilities : {"a3 01 61", "e0 06 02 a3 01 61 01 62", "40"}) {
    TestHub hub;
    Server server(hub);
    Fields open;
    open.string("c").null().null().null().null().null().null();
    server.bytes(amqp_header +
                 open.bytes(capabilities).bytes(capabilities).frame(Descriptor::open) +
                 begin_frame());
    CHECK(count(frames_of(server.take_output()), Descriptor::begin) == 1);
  }
}

TEST_CASE("A-20 [AMQP-1.3-c] a performative with a symbolic descriptor is refused") {
  TestHub hub;
  Server server(hub);
  server.bytes(amqp_header +
               raw_frame(0, 0, hex("00 a3 0e 616d71703a6f70656e3a6c697374 c0 04 01 a1 01 78")));
  const auto frames = frames_of(server.take_output());
  CHECK(first(frames, Descriptor::close).body.find("amqp:decode-error") != std::string_view::npos);
}

// ---- transport: frames, open, close ------------------------------------------------------------

TEST_CASE("A-20 [AMQP-2.3.1-b] an extended frame header is passed over") {
  Peer peer;
  std::string begin = begin_frame(1);
  begin.insert(8, "\1\2\3\4");  // 4 bytes more, data offset 3
  begin[3] = static_cast<char>(begin[3] + 4);
  begin[4] = 3;
  CHECK(count(peer.say(begin), Descriptor::begin) == 1);
}

TEST_CASE("A-20 [AMQP-2.4.1-a] [AMQP-2.4.1-b] open is the first frame, once") {
  TestHub hub;
  Server early(hub);
  early.bytes(amqp_header + begin_frame());
  auto frames = frames_of(early.take_output());
  CHECK(count(frames, Descriptor::begin) == 0);
  CHECK(first(frames, Descriptor::close).body.find("amqp:not-allowed") != std::string_view::npos);
  Peer twice;
  twice.say(open_frame());
  CHECK(twice.close_condition() == "amqp:not-allowed");
}

TEST_CASE("A-21 A-47 [AMQP-2.4.1-c] the hub's frames are no larger than the client allows") {
  for (const std::uint32_t max_frame : {512u, 519u, 520u, 600u, 4096u}) {
    CAPTURE(max_frame);
    TestHub hub;
    hub.create("dev1");
    Client::Options options;
    options.max_frame = max_frame;
    Client client(hub, options);
    REQUIRE(client.put_token(device_token(hub, "dev1")) == 200);
    pn_link_t* link = client.receiver("c2d", devicebound);
    hub::SendRequest request;
    request.device = {"dev1"};
    request.content.body = std::string(20'000, 'x');
    REQUIRE(hub.hub.c2d().send(std::move(request), hub.now));
    client.run();
    const auto got = client.receive(link);
    REQUIRE(got.size() == 1);
    CHECK(got[0].message().body_bytes() == std::string(20'000, 'x'));
    const auto frames = frames_of(client.from_hub);
    CHECK(count(frames, Descriptor::transfer) > 4);
    for (const Seen& seen : frames) {
      CHECK(seen.body.size() + 8 <= max_frame);
      // A frame that is full and may be no larger keeps the form that Proton gave it.
      if (seen.code == Descriptor::transfer && max_frame >= 520) CHECK(seen.fields.size() == 11);
    }
  }
}

TEST_CASE("A-21 [AMQP-2.4.1-d] a channel above the channel-max ends the connection") {
  Peer peer;
  CHECK(count(peer.say(begin_frame(8191)), Descriptor::begin) == 1);
  peer.say(begin_frame(8192));
  CHECK(peer.close_condition() == "amqp:connection:framing-error");
  CHECK(peer.server.wants_close());
}

TEST_CASE("A-20 [AMQP-2.4.3-a] [AMQP-2.4.3-b] close is answered, and nothing behind it is read") {
  Peer peer;
  peer.say(close_frame() + begin_frame(1));
  CHECK(count(peer.seen, Descriptor::close) == 1);
  CHECK(count(peer.seen, Descriptor::begin) == 0);
  CHECK(peer.server.wants_close());
}

TEST_CASE("A-20 [AMQP-2.7-a] a performative without a field it must have ends the connection") {
  for (const std::string& frame :
       {Fields().null().frame(Descriptor::begin, 1), Fields().frame(Descriptor::attach),
        Fields().string("x").frame(Descriptor::attach),
        Fields().uint(0).frame(Descriptor::transfer), Fields().frame(Descriptor::detach),
        Fields().frame(Descriptor::flow), Fields().frame(Descriptor::disposition)}) {
    Peer peer;
    peer.say(frame);
    CHECK_FALSE(peer.close_condition().empty());
    CHECK(peer.server.wants_close());
  }
  TestHub hub;
  Server no_container(hub);
  no_container.bytes(amqp_header + Fields().frame(Descriptor::open));
  CHECK(no_container.wants_close());
}

// ---- transport: sessions -----------------------------------------------------------------------

TEST_CASE("A-21 [AMQP-2.5.1-a] begin is answered with the client's channel as remote-channel") {
  Peer peer;
  const auto reply = first(peer.say(begin_frame(7)), Descriptor::begin);
  REQUIRE(reply.fields.size() >= 4);
  CHECK(reply.fields[0].type == amqp::Type::ushort);
  CHECK(reply.fields[0].bits == 7);
  for (int mandatory : {1, 2, 3}) CHECK_FALSE(reply.fields[mandatory].is_null());
}

TEST_CASE("A-20 [AMQP-2.5.1-b] a channel in use cannot be begun again") {
  Peer peer;
  peer.say(begin_frame());
  CHECK(peer.close_condition() == "amqp:not-allowed");
}

TEST_CASE("A-25 [AMQP-2.5.2-a] end is answered with end, its links are gone, the channel is free") {
  Peer peer;
  REQUIRE(peer.hub.send("dev1", "m"));
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound) + flow({.credit = 1}));
  REQUIRE(count(peer.seen, Descriptor::transfer) == 1);
  CHECK(count(peer.say(end_frame()), Descriptor::end) == 1);
  CHECK_FALSE(peer.server.wants_close());
  peer.say(begin_frame() + attach_receiver_frame(0, 0, "c2d", devicebound) + flow({.credit = 1}));
  CHECK(count(peer.seen, Descriptor::transfer) == 1);  // its lock returned at once
}

TEST_CASE("A-20 [AMQP-2.5.6-a] the hub sends no more transfers than the client's window allows") {
  Peer peer(begin_with_window(1));
  for (const char* body : {"a", "b", "c"}) REQUIRE(peer.hub.send("dev1", body));
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound) + flow({.credit = 10, .window = 1}));
  CHECK(count(peer.seen, Descriptor::transfer) == 1);
  CHECK(count(peer.say(flow(1, 1)), Descriptor::transfer) == 1);
  CHECK(count(peer.say(flow(2, 5)), Descriptor::transfer) == 1);
}

// ---- transport: links --------------------------------------------------------------------------

TEST_CASE("A-08 [AMQP-2.6.3-a] [AMQP-2.6.3-b] attach is answered by name in the other role") {
  Peer peer;
  auto reply = first(peer.say(attach_sender_frame(0, 3, "up", d2c)), Descriptor::attach);
  CHECK(reply.fields.at(0).bytes == "up");
  CHECK(reply.fields.at(2).bits == 1);  // the hub receives
  reply = first(peer.say(attach_receiver_frame(0, 4, "up", devicebound)), Descriptor::attach);
  CHECK(reply.fields.at(0).bytes == "up");  // the same name in the other direction
  CHECK(reply.fields.at(2).bits == 0);
  CHECK_FALSE(reply.fields.at(9).is_null());  // a sender says its initial-delivery-count
}

TEST_CASE("A-25 [AMQP-2.6.4-a] detach is answered alike, closed or not") {
  for (const bool closed : {false, true}) {
    Peer peer;
    peer.say(attach_sender_frame(0, 0, "up", d2c));
    const auto reply = first(peer.say(detach_frame(0, closed)), Descriptor::detach);
    CHECK((reply.fields.size() > 1 && reply.fields[1].bits == 1) == closed);
    CHECK(count(peer.say(attach_sender_frame(0, 0, "up", d2c)), Descriptor::attach) == 1);
  }
}

TEST_CASE("A-25 [AMQP-2.6.5-a] a detached link is not resumed: what was unsettled is sent anew") {
  Peer peer;
  REQUIRE(peer.hub.send("dev1", "m"));
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound) + flow({.credit = 1}));
  const std::string tag(first(peer.seen, Descriptor::transfer).fields.at(2).bytes);
  peer.say(detach_frame(0, false));
  const auto again = first(peer.say(attach_receiver_frame(0, 0, "c2d", devicebound) +
                                    flow({.credit = 1, .next_incoming = 1})),
                           Descriptor::transfer);
  CHECK(again.fields.at(2).bytes != tag);                         // another lock, another delivery
  CHECK((again.fields.size() < 9 || again.fields[8].bits == 0));  // no resume flag
}

TEST_CASE("A-25 [AMQP-2.6.7-a] [AMQP-2.6.7-b] credit bounds what is sent; drain uses it up") {
  Peer peer;
  for (const char* body : {"a", "b", "c"}) REQUIRE(peer.hub.send("dev1", body));
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound));
  CHECK(count(peer.seen, Descriptor::transfer) == 0);
  CHECK(count(peer.say(flow({.credit = 2})), Descriptor::transfer) == 2);
  // credit 2 minus 2 sent; 5 more with drain: one message, and the rest of the credit is gone.
  peer.say(flow({.delivery_count = 2, .credit = 5, .drain = true, .next_incoming = 2}));
  CHECK(count(peer.seen, Descriptor::transfer) == 1);
  const auto drained = first(peer.seen, Descriptor::flow);
  CHECK(drained.fields.at(5).bits == 7);  // delivery-count
  CHECK(drained.fields.at(6).bits == 0);  // link-credit
}

TEST_CASE("A-25 [AMQP-2.6.7-c] a flow that asks for an echo gets none of its own") {
  Peer peer;
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound));
  CHECK(count(peer.say(flow({.credit = 3, .echo = true})), Descriptor::flow) == 0);
  CHECK_FALSE(peer.server.wants_close());
}

// ---- transport: deliveries ---------------------------------------------------------------------

TEST_CASE("A-20 [AMQP-2.6.12-a] delivery-ids rise by one; a gap ends the connection") {
  Peer peer;
  peer.say(attach_sender_frame(0, 0, "up", d2c));
  peer.say(transfer_frame({0, 0, 0}, data("a")) + transfer_frame({0, 0, 1}, data("b")));
  CHECK(peer.events() == 2);
  peer.say(transfer_frame({0, 0, 5}, data("c")));
  CHECK(peer.close_condition() == "amqp:session:invalid-field");
  CHECK(peer.events() == 2);
}

TEST_CASE("A-40 [AMQP-2.6.14-a] transfers of two links may interleave") {
  Peer peer;
  peer.say(attach_sender_frame(0, 0, "one", d2c) + attach_sender_frame(0, 1, "two", d2c));
  const std::string a = data("aaaa"), b = data("bbbb");
  peer.say(transfer_frame({0, 0, 0, 0, false, true}, a.substr(0, 3)) +
           transfer_frame({0, 1, 1, 0, false, true}, b.substr(0, 5)));
  CHECK(peer.events() == 0);
  peer.say(transfer_frame({0, 0, std::nullopt}, a.substr(3)) +
           transfer_frame({0, 1, std::nullopt}, b.substr(5)));
  CHECK(peer.events() == 2);
  CHECK_FALSE(peer.server.wants_close());
}

TEST_CASE("A-25 [AMQP-2.7.6-a] one disposition settles a range, and unknown ids are passed over") {
  Peer peer;
  for (const char* body : {"a", "b", "c"}) REQUIRE(peer.hub.send("dev1", body));
  peer.say(attach_receiver_frame(0, 0, "c2d", devicebound) + flow({.credit = 3}));
  REQUIRE(count(peer.seen, Descriptor::transfer) == 3);
  peer.say(accepted_from_to(0, 1));
  CHECK(peer.hub.depth("dev1") == 1);
  peer.say(accepted_from_to(1, 40));
  CHECK(peer.hub.depth("dev1") == 0);
  CHECK_FALSE(peer.server.wants_close());
}

TEST_CASE(
    "A-40 [AMQP-2.6.13-a] a settled transfer gets no disposition, an unsettled one a settled") {
  Peer peer;
  peer.say(attach_sender_frame(0, 0, "up", d2c));
  peer.say(transfer_frame({.delivery_id = 0, .settled = true}, data("a")));
  CHECK(count(peer.seen, Descriptor::disposition) == 0);
  const auto outcome =
      first(peer.say(transfer_frame({.delivery_id = 1}, data("b"))), Descriptor::disposition);
  CHECK(outcome.fields.at(0).bits == 1);  // the hub is the receiver
  CHECK(outcome.fields.at(1).bits == 1);
  CHECK(outcome.fields.at(3).bits == 1);  // settled
}

// ---- messaging ---------------------------------------------------------------------------------

TEST_CASE("A-37 [AMQP-3.2.1-a] header, delivery-annotations and footer do not reach the device") {
  TestHub hub;
  hub.create("dev1");
  Client::Options plain;
  plain.mechanism = "PLAIN";
  plain.user = "service@sas.root.localhost";
  plain.password = service_token(hub);
  Client service(hub, plain);
  Client device(hub);
  REQUIRE(device.put_token(device_token(hub, "dev1")) == 200);
  pn_link_t* link = device.receiver("c2d", devicebound);
  std::string wire = hex("00 53 70 c0 04 02 41 50 09");      // header: durable, priority 9
  wire += hex("00 53 71 c1 09 02 a3 04 78 2d 6f 70 52 01");  // delivery-annotations
  wire += Message().id("m").to("/devices/dev1/messages/devicebound").body("b").encode();
  wire += hex("00 53 78 c1 09 02 a3 04 78 2d 6f 70 52 01");  // footer
  CHECK(service.send_bytes(service.sender("s", "/messages/devicebound"), wire).state ==
        PN_ACCEPTED);
  device.run();
  const auto got = device.receive(link);
  REQUIRE(got.size() == 1);
  for (const char* section : {"\x53\x70", "\x53\x71", "\x53\x78"}) {
    CHECK(got[0].bytes.find(std::string("\0", 1) + section) == std::string::npos);
  }
  CHECK(got[0].message().body_bytes() == "b");
}

TEST_CASE("A-39 [AMQP-3.5.1-a] [AMQP-3.5.2-a] a dynamic node is refused") {
  Peer peer;
  const std::string receiver = Fields()
                                   .string("r")
                                   .uint(0)
                                   .flag(true)
                                   .null()
                                   .null()
                                   .bytes("00 53 28 c0 06 05 40 40 40 40 41")
                                   .address(0x29, "own")
                                   .frame(Descriptor::attach);
  const std::string sender = Fields()
                                 .string("s")
                                 .uint(1)
                                 .flag(false)
                                 .null()
                                 .null()
                                 .address(0x28, "own")
                                 .bytes("00 53 29 c0 06 05 40 40 40 40 41")
                                 .null()
                                 .null()
                                 .uint(0)
                                 .frame(Descriptor::attach);
  for (const std::string& attach : {receiver, sender}) {
    peer.say(attach);
    CHECK(count(peer.seen, Descriptor::attach) == 1);
    CHECK(first(peer.seen, Descriptor::detach).body.find("amqp:not-found") !=
          std::string_view::npos);
  }
}

TEST_CASE("A-08 [AMQP-3.5.3-a] a filter is not claimed to be in place") {
  Peer peer;
  // source: address, 6 nulls, filter {"f": "x"}
  std::string source;
  {
    Writer w(source);
    w.descriptor(static_cast<Descriptor>(0x28));
    const auto list = w.begin_list(8);
    w.string(devicebound);
    for (int i = 0; i < 6; ++i) w.null();
    const auto map = w.begin_map(2);
    w.symbol("no-such-filter");
    w.string("x");
    w.end(map);
    w.end(list);
  }
  std::string as_hex = hub::hex_encode(source);
  const auto reply = first(peer.say(Fields()
                                        .string("r")
                                        .uint(0)
                                        .flag(true)
                                        .null()
                                        .null()
                                        .bytes(as_hex)
                                        .address(0x29, "own")
                                        .frame(Descriptor::attach)),
                           Descriptor::attach);
  CHECK(reply.body.find(devicebound) != std::string_view::npos);
  CHECK(reply.body.find("no-such-filter") == std::string_view::npos);
}

// ---- transactions, security --------------------------------------------------------------------

TEST_CASE("A-39 [AMQP-4.2-a] a coordinator is refused: there are no transactions") {
  Peer peer;
  peer.say(Fields()
               .string("t")
               .uint(0)
               .flag(false)
               .null()
               .null()
               .address(0x28, "own")
               .bytes("00 53 30 45")
               .null()
               .null()
               .uint(0)
               .frame(Descriptor::attach));
  CHECK(first(peer.seen, Descriptor::detach).body.find("amqp:not-implemented") !=
        std::string_view::npos);
  CHECK_FALSE(peer.server.wants_close());
}

TEST_CASE("A-02 [AMQP-5.3.1-a] the channel of a SASL frame is passed over") {
  TestHub hub;
  Server server(hub);
  std::string init = sasl_init("ANONYMOUS", nullptr);
  init[7] = 9;
  server.bytes(sasl_header + init + amqp_header + open_frame());
  const auto frames = frames_of(server.take_output());
  CHECK(first(frames, Descriptor::sasl_outcome).fields.at(0).bits == 0);
  CHECK(count(frames, Descriptor::open) == 1);
}

TEST_CASE("A-22 [AMQP-5.3.1-b] a SASL frame of more than 512 bytes is read") {
  TestHub hub;
  Server server(hub);
  const std::string response = std::string("\0", 1) + "service@sas.root.localhost" +
                               std::string("\0", 1) + service_token(hub) +
                               "&x=" + std::string(600, 'x');
  server.bytes(sasl_header + sasl_init("PLAIN", &response));
  CHECK(first(frames_of(server.take_output()), Descriptor::sasl_outcome).fields.at(0).bits == 0);
}
