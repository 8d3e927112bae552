// Peers that take instead of talking: what one connection can make the hub keep is bounded, and
// whoever else is there has his service.
#include <doctest/doctest.h>
#include <proton/disposition.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string hello = amqp_header + open_frame() + begin_frame(0);

// Says `stream` and answers with what the hub closed the connection for; "": it did not.
std::string condition_after(Server& server, const std::string& stream) {
  server.bytes(stream);
  const auto frames = frames_of(server.take_output());
  if (!server.wants_close()) return "";
  const auto body = std::string(first(frames, Descriptor::close).body);
  const auto at = body.find("amqp:");
  REQUIRE(at != std::string::npos);
  return body.substr(at, body.find('\xa1', at) - at);
}

void check_that_others_are_served(TestHub& hub) {
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1")) == 200);
  pn_link_t* link = client.sender("d2c", "/devices/dev1/messages/events");
  CHECK(client.send(link, Message().body("x")).state == PN_ACCEPTED);
}

std::string unfinished(std::uint32_t handle, std::size_t size) {
  return transfer_frame({0, handle, handle, 0, false, true}, std::string(size, 'x'));
}

}  // namespace

TEST_CASE("A-45 messages that begin and do not end are bounded over all links") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello) == "");
  constexpr std::size_t piece = 65'000;
  std::string condition;
  std::size_t pieces = 0;
  for (std::uint32_t handle = 0; handle < 60 && condition.empty(); ++handle) {
    condition = condition_after(server, attach_sender_frame(0, handle, "l" + std::to_string(handle), "$cbs"));
    for (int i = 0; i < 16 && condition.empty(); ++i, ++pieces) {
      condition = condition_after(server, unfinished(handle, piece));
    }
  }
  CHECK(condition == "amqp:resource-limit-exceeded");
  CHECK(pieces * piece > 15u * 1024 * 1024);
  CHECK(pieces * piece < 17u * 1024 * 1024);
  check_that_others_are_served(hub);
}

TEST_CASE("A-45 what has ended, was aborted or detached does not count") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello) == "");
  const std::string abort =
      raw_frame(0, 0, hex("00 53 14 d0 00000011 0000000a 52 00 40 a0 01 74 43 42 42 40 40 40 41"));
  const std::string detach = raw_frame(0, 0, hex("00 53 16 d0 00000006 00000002 43 41"));
  const std::string end = raw_frame(0, 0, hex("00 53 17 45"));
  std::uint32_t delivery = 0;
  for (int round = 0; round < 12; ++round) {
    std::string condition = condition_after(server, attach_sender_frame(0, 0, "l", "$cbs"));
    for (int message = 0; message < 2; ++message, ++delivery) {
      for (int i = 0; i < 10 && condition.empty(); ++i) {
        condition = condition_after(
            server, transfer_frame({0, 0, delivery, 0, false, true}, std::string(65'000, 'x')));
      }
      if (condition.empty()) {
        condition = condition_after(
            server, message == 0
                        ? transfer_frame({0, 0, std::nullopt, 0, false, false}, "x")
                        : round % 3 == 0 ? abort : round % 3 == 1 ? detach : end + begin_frame(0));
      }
    }
    if (round % 3 == 0 && condition.empty()) condition = condition_after(server, detach);
    if (round % 3 == 2) delivery = 0;
    REQUIRE(condition == "");
  }
}

TEST_CASE("A-45 a message without end costs its link a megabyte, and the connection nothing more") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello + attach_sender_frame(0, 0, "l", "$cbs")) == "");
  for (int i = 0; i < 400; ++i) {  // 26 MB
    REQUIRE(condition_after(server, transfer_frame({0, 0, 0, 0, false, true}, std::string(65'000, 'x'))) == "");
  }
}

TEST_CASE("A-45 replies that wait are bounded in bytes: the request's id comes back in each") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello + attach_sender_frame(0, 0, "l", "$cbs")) == "");
  const std::string request = Message().id_binary(std::string(50'000, 'i')).value_body("t").encode();
  std::uint32_t sent = 0;
  int detached = 0;
  for (; sent < 100 && detached == 0; ++sent) {
    server.bytes(transfer_frame({0, 0, sent, 0, false, false}, request));
    detached = count(frames_of(server.take_output()), Descriptor::detach);
  }
  CHECK(detached == 1);
  CHECK(sent > 20);
  CHECK(sent < 24);
  CHECK_FALSE(server.wants_close());
  check_that_others_are_served(hub);
}

TEST_CASE("A-46 a peer without a token gets no flood of links") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello) == "");
  std::string condition;
  std::uint32_t links = 0;
  for (; links < 1000 && condition.empty(); ++links) {
    condition = condition_after(
        server, attach_sender_frame(0, links, "l" + std::to_string(links), links % 2 == 0 ? "$cbs" : "nowhere"));
  }
  CHECK(condition == "amqp:resource-limit-exceeded");
  CHECK(links == 65);
  check_that_others_are_served(hub);
}

TEST_CASE("A-46 nor one of sessions") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, amqp_header + open_frame()) == "");
  std::string condition;
  std::uint16_t sessions = 0;
  for (; sessions < 2000 && condition.empty(); ++sessions) {
    condition = condition_after(server, begin_frame(sessions));
  }
  CHECK(condition == "amqp:resource-limit-exceeded");
  CHECK(sessions == 1025);
  check_that_others_are_served(hub);
}

TEST_CASE("A-46 with a token, many links and sessions stand side by side") {
  TestHub hub;
  hub.create("dev1");
  const std::string response = std::string("\0", 1) + "iothubowner@sas.root.localhost" +
                               std::string("\0", 1) + service_token(hub, "iothubowner");
  Server server(hub);
  REQUIRE(condition_after(server, sasl_header + sasl_init("PLAIN", &response) + amqp_header + open_frame()) == "");
  for (std::uint16_t channel = 0; channel < 1100; ++channel) {
    REQUIRE(condition_after(server, begin_frame(channel) +
                                        attach_sender_frame(channel, 0, "l", "/messages/devicebound")) == "");
  }
  check_that_others_are_served(hub);
}
