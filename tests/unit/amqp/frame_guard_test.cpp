#include "protocols/amqp/frame_guard.hpp"

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/frames.hpp"

using amqp::FrameGuard;
using namespace amqp_test;

namespace {

// Feeds `stream` in pieces of `piece` bytes; the units that come out, joined.
struct Fed {
  std::string out;
  int units = 0;
  std::string condition, description;
};
Fed feed(FrameGuard& guard, std::string_view stream, std::size_t piece) {
  Fed fed;
  while (!stream.empty() && guard.fault().condition == nullptr) {
    std::string_view input = stream.substr(0, piece);
    stream.remove_prefix(input.size());
    while (true) {
      const std::string_view unit = guard.next(input);
      if (unit.empty()) break;
      fed.out.append(unit);
      ++fed.units;
    }
  }
  if (guard.fault().condition != nullptr) {
    fed.condition = guard.fault().condition;
    fed.description = guard.fault().description;
  }
  return fed;
}

std::string prologue() { return amqp_header + open_frame() + begin_frame(0); }

std::string fault_of(const std::string& stream) {
  FrameGuard whole;
  FrameGuard bytewise;
  const Fed a = feed(whole, stream, stream.size());
  const Fed b = feed(bytewise, stream, 1);
  CHECK(a.condition == b.condition);
  CHECK(a.description == b.description);
  CHECK(a.out == b.out);
  return a.condition;
}

}  // namespace

TEST_CASE("A-20 headers and frames come out whole, in whatever pieces they came in") {
  const std::string stream = sasl_header + sasl_init("MSSBCBS", nullptr) + prologue() +
                             attach_sender_frame(0, 0, "s", "$cbs") +
                             transfer_frame({}, std::string(20'000, 'x')) + raw_frame(0, 0, "") +
                             close_frame();
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{4096}, stream.size()}) {
    FrameGuard guard;
    const Fed fed = feed(guard, stream, piece);
    CAPTURE(piece);
    CHECK(fed.condition == "");
    CHECK(fed.out == stream);
    CHECK(fed.units == 9);
  }
}

TEST_CASE("A-11 the message format is that of the delivery, also in its later transfers") {
  FrameGuard guard;
  const auto after = [&](const std::string& bytes) {
    const Fed fed = feed(guard, bytes, bytes.size());
    REQUIRE(fed.condition == "");
    return guard.message_format();
  };
  after(prologue() + attach_sender_frame(0, 0, "a", "x") + attach_sender_frame(0, 1, "b", "y"));
  CHECK(after(transfer_frame({0, 0, 0, FrameGuard::batch_format, false, true}, "1")) ==
        FrameGuard::batch_format);
  CHECK(after(transfer_frame({0, 1, 1, 0, false, false}, "2")) == 0);
  CHECK(after(transfer_frame({0, 0, std::nullopt, 0, false, false}, "3")) ==
        FrameGuard::batch_format);
  CHECK(after(transfer_frame({0, 0, 2, 0, false, false}, "4")) == 0);
}

TEST_CASE("A-20 what Proton 0.37 cannot stand is refused before it") {
  CHECK(fault_of(prologue() + begin_frame(0)) == "amqp:not-allowed");  // channel in use
  CHECK(fault_of(prologue() + attach_sender_frame(0, 0, "a", "x") +
                 attach_sender_frame(0, 0, "b", "y")) == "amqp:session:handle-in-use");
  CHECK(fault_of(prologue() + attach_sender_frame(0, 0, "a", "x") +
                 transfer_frame({0, 0, std::nullopt, 0, false, true}, "")) == "amqp:invalid-field");
  CHECK(fault_of(amqp_header + begin_frame()) == "amqp:not-allowed");  // before open
  CHECK(fault_of(amqp_header + open_frame() + open_frame()) == "amqp:not-allowed");
  CHECK(fault_of(amqp_header + open_frame() + attach_sender_frame(0, 0, "a", "x")) ==
        "amqp:not-allowed");  // no session
  CHECK(fault_of(prologue() + transfer_frame({}, "")) == "amqp:session:unattached-handle");
  CHECK(fault_of(prologue() + attach_receiver_frame(0, 0, "a", "x") + transfer_frame({}, "")) ==
        "amqp:not-allowed");  // the hub is this link's sender
  const std::string begin_reply = raw_frame(0, 1, hex("00 53 11 d0 00000007 00000001 60 0000"));
  CHECK(fault_of(prologue() + begin_reply) == "amqp:not-allowed");
}

TEST_CASE("A-20 a described value where a number belongs shifts no field behind it") {
  // transfer: handle, delivery-id, tag, format (described), settled, not more; then one that would
  // be its continuation, had `more` been read one field off.
  const std::string transfer = raw_frame(
      0, 0, hex("00 53 14 d0 00000013 00000006 52 00 52 00 a0 01 74 00 a1 01 78 52 00 41 42"));
  CHECK(fault_of(prologue() + attach_sender_frame(0, 0, "a", "x") + transfer +
                 transfer_frame({0, 0, std::nullopt, 0, false, false}, "")) ==
        "amqp:invalid-field");
}

TEST_CASE("A-20 malformed frames") {
  const std::string framing = "amqp:connection:framing-error";
  CHECK(fault_of("GET / HTTP/1.1\r\n\r\n") == framing);
  CHECK(fault_of(hex("41 4d 51 50 00 00 09 01")) == framing);  // AMQP 0-9-1
  CHECK(fault_of(hex("41 4d 51 50 02 01 00 00")) == framing);  // TLS inside TLS
  CHECK(fault_of(amqp_header + amqp_header) == framing);
  CHECK(fault_of(amqp_header + hex("00 00 00 07 02 00 00 00")) == framing);
  CHECK(fault_of(amqp_header + hex("00 01 00 01 02 00 00 00")) == framing);  // 65537 bytes
  CHECK(fault_of(amqp_header + hex("ff ff ff ff 02 00 00 00")) == framing);
  CHECK(fault_of(amqp_header + hex("00 00 00 08 01 00 00 00")) == framing);  // doff inside header
  CHECK(fault_of(amqp_header + hex("00 00 00 08 ff 00 00 00")) == framing);
  CHECK(fault_of(amqp_header + sasl_init("PLAIN", nullptr)) == framing);  // SASL without SASL
  CHECK(fault_of(sasl_header + open_frame()) == framing);                 // AMQP inside SASL
  CHECK(fault_of(amqp_header + raw_frame(0, 0, hex("41"))) == "amqp:decode-error");
  CHECK(fault_of(amqp_header + raw_frame(0, 0, hex("00 53 10 c0 05 01"))) == "amqp:decode-error");
  CHECK(fault_of(amqp_header + raw_frame(0, 0, std::string(60'000, '\0'))) == "amqp:decode-error");
}

TEST_CASE("A-20 a channel and a handle may be used again after end and detach") {
  const std::string detach = raw_frame(0, 0, hex("00 53 16 d0 00000005 00000001 43"));
  const std::string end = raw_frame(0, 0, hex("00 53 17 45"));
  CHECK(fault_of(prologue() + attach_sender_frame(0, 0, "a", "x") + detach +
                 attach_sender_frame(0, 0, "a", "x") + end + begin_frame(0) +
                 attach_sender_frame(0, 0, "a", "x")) == "");
  CHECK(fault_of(prologue() + detach) == "amqp:session:unattached-handle");
}
