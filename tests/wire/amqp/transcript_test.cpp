// Whole exchanges as bytes, and hostile ones. Each runs in one read and byte by byte.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

// What the hub answers to `stream`, the same in one read and byte by byte.
struct Answer {
  std::string bytes;
  bool closed = false;
};
Answer answer_to(const std::string& stream) {
  std::vector<Answer> answers;
  for (const bool piece_by_piece : {false, true}) {
    TestHub hub;
    hub.create("dev1");
    Server server(hub);
    piece_by_piece ? server.bytes_one_by_one(stream) : server.bytes(stream);
    answers.push_back({server.take_output(), server.wants_close()});
    server.session->on_peer_closed(hub.now);
    CHECK(server.wants_close());
    CHECK(server.session->output().empty());
  }
  CHECK(answers[0].bytes == answers[1].bytes);
  CHECK(answers[0].closed == answers[1].closed);
  return answers[0];
}

std::string service_login(const TestHub& hub) {
  const std::string response = std::string("\0", 1) + "iothubowner@sas.root.localhost" +
                               std::string("\0", 1) + service_token(hub, "iothubowner");
  return sasl_header + sasl_init("PLAIN", &response) + amqp_header;
}

std::string message_to_dev1() {
  return Message()
      .id("1")
      .to("/devices/dev1/messages/devicebound")
      .property("k", "v")
      .body("x")
      .encode();
}

}  // namespace

TEST_CASE("A-02 transcript: SASL MSSBCBS as uamqp writes it") {
  const std::string init =
      hex("00 00 00 17 02 01 00 00"
          "00 53 41 c0 0a 01 a3 07 4d 53 53 42 43 42 53");
  const Answer answer = answer_to(hex("41 4d 51 50 03 01 00 00") + init);
  CHECK(answer.bytes.substr(0, 8) == sasl_header);
  const auto frames = frames_of(answer.bytes);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].code == Descriptor::sasl_mechanisms);
  CHECK(frames[0].type == 1);
  CHECK(frames[1].code == Descriptor::sasl_outcome);
  CHECK_FALSE(answer.closed);
}

TEST_CASE("A-01 transcript: open with rhea's encodings, begin, close") {
  const std::string open =
      hex("00 00 00 21 02 00 00 00"
          "00 53 10 c0 14 02 a1 06 72 68 65 61 2d 31 a1 09 6c 6f 63 61 6c 68 6f 73 74");
  const std::string begin =
      hex("00 00 00 1b 02 00 00 00"
          "00 53 11 c0 0e 04 40 43 70 00 00 08 00 70 ff ff ff ff");
  const std::string close = hex("00 00 00 0c 02 00 00 00 00 53 18 45");
  const Answer answer = answer_to(amqp_header + open + begin + close);
  const auto frames = frames_of(answer.bytes);
  CHECK(count(frames, Descriptor::open) == 1);
  CHECK(count(frames, Descriptor::close) == 1);
  CHECK(answer.closed);
}

TEST_CASE("A-20 transcript: what is not AMQP gets our header and the door") {
  for (const std::string& stream :
       {std::string(
            "GET / HTTP/1.1\r\nAuthorization: SharedAccessSignature sr=x&sig=secret\r\n\r\n"),
        hex("16 03 01 02 00 01 00 01 fc 03 03"), hex("10 0e 00 04 4d 51 54 54 04 02"),
        hex("41 4d 51 50 01 01 00 0a"), hex("41 4d 51 50 02 01 00 00"),
        hex("41 4d 51 51 00 01 00 00")}) {
    const Answer answer = answer_to(stream);
    CHECK(answer.bytes == amqp_header);
    CHECK(answer.closed);
  }
}

TEST_CASE("A-20 transcript: garbage behind the header closes with a condition") {
  struct Row {
    std::string what;
    std::string stream;
    const char* condition;
  };
  for (const Row& row : {
           Row{"garbage", std::string(64, '\xff'), "amqp:connection:framing-error"},
           Row{"oversized frame", hex("00 10 00 00 02 00 00 00"), "amqp:connection:framing-error"},
           Row{"undersized frame", hex("00 00 00 04 02 00 00 00"), "amqp:connection:framing-error"},
           Row{"unknown frame type", hex("00 00 00 08 02 07 00 00"),
               "amqp:connection:framing-error"},
           Row{"no performative", raw_frame(0, 0, hex("a1 01 61")), "amqp:decode-error"},
           Row{"broken list", raw_frame(0, 0, hex("00 53 10 c0 ff 01")), "amqp:decode-error"},
           Row{"second header", amqp_header, "amqp:connection:framing-error"},
           Row{"unknown performative", open_frame() + raw_frame(0, 0, hex("00 53 30 45")),
               "amqp:decode-error"},
           Row{"flow without session",
               open_frame() + raw_frame(0, 5, hex("00 53 13 c0 05 04 43 43 43 43")),
               "amqp:not-allowed"},
           Row{"end without session", open_frame() + raw_frame(0, 5, hex("00 53 17 45")),
               "amqp:not-allowed"},
       }) {
    CAPTURE(row.what);
    const Answer answer = answer_to(amqp_header + row.stream);
    CHECK(answer.bytes.substr(0, 8) == amqp_header);
    const auto frames = frames_of(answer.bytes);
    CHECK(count(frames, Descriptor::open) == 1);
    CHECK(answer.closed);
    CHECK(first(frames, Descriptor::close).body.find(row.condition) != std::string::npos);
  }
}

TEST_CASE("A-20 transcript: cut off anywhere, the session ends and keeps nothing") {
  const std::string response = "nobody";
  const std::string stream = sasl_header + sasl_init("ANONYMOUS", &response) + amqp_header +
                             open_frame() + begin_frame() + attach_sender_frame(0, 0, "c", "$cbs") +
                             transfer_frame({}, Message().id("1").value_body("t").encode());
  for (std::size_t size = 0; size <= stream.size(); ++size) {
    TestHub hub;
    Server server(hub);
    server.bytes(std::string_view(stream).substr(0, size));
    server.take_output();
    server.session->on_peer_closed(hub.now);
    CHECK(server.wants_close());
    server.session->on_time(hub.now);
    server.session->on_wake(hub.now);
    server.session->on_shutdown(hub.now);
    server.session->end_turn(hub.now);
    CHECK(server.session->output().empty());
  }
}

// What pyamqp takes for granted, by position: every performative with all its fields.
void check_full_length(const std::string& bytes) {
  const std::map<Descriptor, std::size_t> fields = {
      {Descriptor::open, 10},  {Descriptor::begin, 8},     {Descriptor::attach, 14},
      {Descriptor::flow, 11},  {Descriptor::transfer, 11}, {Descriptor::disposition, 6},
      {Descriptor::detach, 3}, {Descriptor::end, 1},       {Descriptor::close, 1}};
  for (const Seen& seen : frames_of(bytes)) {
    if (seen.type != 0 || seen.body.empty()) continue;
    CAPTURE(static_cast<int>(seen.code));
    CHECK(seen.fields.size() == fields.at(seen.code));
  }
}

TEST_CASE("A-47 a whole exchange: each of the nine performatives has all its fields") {
  const std::string flow =
      raw_frame(0, 0, hex("00 53 13 c0 15 07 43 70 00000800 43 70 00000800 52 01 43 70 00000064"));
  const std::string accept_all =
      raw_frame(0, 0, hex("00 53 15 c0 0b 05 41 43 52 ff 41 00 53 24 45"));
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  std::string answer;
  for (const std::string& said :
       {service_login(hub) + open_frame() + begin_frame() +
            attach_sender_frame(0, 0, "send", "/messages/devicebound") +
            attach_receiver_frame(0, 1, "c2d", "/devices/dev1/messages/devicebound") + flow,
        transfer_frame({}, message_to_dev1()),
        transfer_frame({0, 0, 1, 0, false, false}, "no message"), accept_all,
        raw_frame(0, 0, hex("00 53 16 d0 00000006 00000002 43 41")),
        raw_frame(0, 0, hex("00 53 17 45")), close_frame()}) {
    server.bytes(said);
    answer += server.take_output();
  }
  const auto frames = frames_of(answer);
  for (const Descriptor code : {Descriptor::open, Descriptor::begin, Descriptor::attach,
                                Descriptor::flow, Descriptor::transfer, Descriptor::disposition,
                                Descriptor::detach, Descriptor::end, Descriptor::close}) {
    CAPTURE(static_cast<int>(code));
    CHECK(count(frames, code) > 0);
  }
  check_full_length(answer);
}

TEST_CASE("A-47 a refused open and a broken one are answered in full too") {
  check_full_length(answer_to(amqp_header + close_frame()).bytes);
  check_full_length(answer_to(amqp_header + open_frame(100)).bytes);
}

TEST_CASE("A-48 begin has the real hub's windows and handle-max") {
  const Answer answer = answer_to(amqp_header + open_frame() + begin_frame(3));
  const Seen begin = first(frames_of(answer.bytes), Descriptor::begin);
  REQUIRE(begin.fields.size() == 8);
  CHECK(begin.fields[0].bits == 3);
  CHECK(begin.fields[2].bits == 5000);
  CHECK(begin.fields[3].bits == 0xffffffff);
  CHECK(begin.fields[4].bits == 262'143);
}

TEST_CASE("N-33 a sender is answered at the end of the turn, when its message is queued") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  server.bytes(service_login(hub) + open_frame() + begin_frame() +
               attach_sender_frame(0, 0, "send", "/messages/devicebound"));
  server.take_output();
  server.session->on_bytes(transfer_frame({}, message_to_dev1()), hub.now);
  CHECK(hub.depth("dev1") == 1);
  CHECK(server.session->output().empty());
  server.session->end_turn(hub.now);
  CHECK(count(frames_of(server.take_output()), Descriptor::disposition) == 1);
}

TEST_CASE("A-20 mutated conversations of an authenticated client never hurt") {
  TestHub hub;
  hub.create("dev1");
  const std::string login = service_login(hub);
  const std::string message = message_to_dev1();
  const std::string flow =
      raw_frame(0, 0, hex("00 53 13 c0 15 07 43 70 00000800 43 70 00000800 52 01 43 70 00000064"));
  const std::string accept_all =
      raw_frame(0, 0, hex("00 53 15 c0 0b 05 41 43 52 ff 41 00 53 24 45"));
  const std::string detach = raw_frame(0, 0, hex("00 53 16 d0 00000007 00000002 52 01 41"));
  const std::vector<std::string> frames = {
      open_frame(),
      begin_frame(0),
      begin_frame(1),
      attach_sender_frame(0, 0, "send", "/messages/devicebound"),
      attach_receiver_frame(0, 1, "c2d", "/devices/dev1/messages/devicebound"),
      attach_sender_frame(1, 0, "d2c", "/devices/dev1/messages/events"),
      flow,
      transfer_frame({}, message),
      transfer_frame({0, 0, 1, 0, false, true}, message.substr(0, 9)),
      transfer_frame({0, 0, std::nullopt, 0, false, false}, message.substr(9)),
      transfer_frame({1, 0, 0, 0x80013700, false, false}, message),
      accept_all,
      detach,
      raw_frame(0, 1, hex("00 53 17 45")),
      close_frame()};
  std::mt19937 random(77);
  for (int round = 0; round < 1000; ++round) {
    Server server(hub);
    server.bytes(login);
    std::vector<std::string> talk = frames;
    for (unsigned edits = random() % 3; edits > 0; --edits) {
      std::string& frame = talk[random() % talk.size()];
      switch (random() % 4) {
        case 0:
          std::swap(frame, talk[random() % talk.size()]);
          break;
        case 1:
          frame += frame;
          break;
        case 2:
          frame.clear();
          break;
        default:
          if (frame.size() > 8)
            frame[8 + random() % (frame.size() - 8)] = static_cast<char>(random());
      }
    }
    for (const std::string& frame : talk) {
      server.bytes(frame);
      server.take_output();
    }
    hub.log.lines.clear();
    // Sometimes it is simply destroyed.
    if (random() % 2 == 0) server.session->on_peer_closed(hub.now);
    if (round % 50 == 0) (void)hub.hub.c2d().purge({"dev1"}, hub.now);
  }
  CHECK(hub.hub.connections().connected_device_count(hub.now) == 0);
}
