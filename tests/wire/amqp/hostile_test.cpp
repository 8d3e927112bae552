// Peers that take instead of talking: what one connection can make the hub keep is bounded, and
// whoever else is there has his service.
#include <doctest/doctest.h>
#include <proton/disposition.h>

#include <functional>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string hello = amqp_header + open_frame() + begin_frame(0);

// The same of a client that has said who it is.
std::string hello_of(const std::string& user, const std::string& token) {
  const std::string response = std::string("\0", 1) + user + std::string("\0", 1) + token;
  return sasl_header + sasl_init("PLAIN", &response) + hello;
}
std::string owner_hello(const TestHub& hub) {
  return hello_of("iothubowner@sas.root.localhost", service_token(hub, "iothubowner"));
}
std::string device_hello(const TestHub& hub) {
  return hello_of("dev1@sas.localhost", device_token(hub, "dev1"));
}

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
  REQUIRE(condition_after(server, owner_hello(hub)) == "");
  constexpr std::size_t piece = 65'000;
  std::string condition;
  std::size_t pieces = 0;
  for (std::uint32_t handle = 0; handle < 60 && condition.empty(); ++handle) {
    condition = condition_after(server, attach_sender_frame(0, handle, "l" + std::to_string(handle),
                                                            "/messages/devicebound"));
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
            server, message == 0     ? transfer_frame({0, 0, std::nullopt, 0, false, false}, "x")
                    : round % 3 == 0 ? abort
                    : round % 3 == 1 ? detach
                                     : end + begin_frame(0));
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
    REQUIRE(condition_after(
                server, transfer_frame({0, 0, 0, 0, false, true}, std::string(65'000, 'x'))) == "");
  }
}

TEST_CASE("A-45 replies that wait are bounded in bytes: the request's id comes back in each") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, hello + attach_sender_frame(0, 0, "l", "$cbs")) == "");
  const std::string request =
      Message().id_binary(std::string(50'000, 'i')).value_body("t").encode();
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

TEST_CASE(
    "A-49 sessions, links, unfinished messages and replies without a token have one bound (N-49)") {
  struct Row {
    const char* what;
    std::string first;
    std::function<std::string(std::uint32_t)> next;
    std::size_t most, least;
  };
  const std::string request = Message().id_binary(std::string(9'000, 'i')).value_body("t").encode();
  for (const Row& row : {
           Row{"links", "",
               [](std::uint32_t i) {
                 return attach_sender_frame(0, i, "l" + std::to_string(i),
                                            i < 50 ? "$cbs" : "nowhere");
               },
               1600, 900},
           Row{"large links", "",
               [](std::uint32_t i) {
                 return attach_sender_frame(0, i, "l" + std::to_string(i),
                                            "nowhere/" + std::string(60'000, 'x'));
               },
               30, 15},
           Row{"unfinished messages", "",
               [](std::uint32_t i) {
                 return attach_sender_frame(0, i, "l" + std::to_string(i), "$cbs") +
                        unfinished(i, 60'000);
               },
               80, 50},
           Row{"replies that wait", attach_sender_frame(0, 0, "l", "$cbs"),
               [&](std::uint32_t i) {
                 return transfer_frame({0, 0, i, 0, false, false}, request);
               },
               500, 100},
       }) {
    CAPTURE(std::string(row.what));
    TestHub hub;
    hub.create("dev1");
    Server server(hub);
    REQUIRE(condition_after(server, hello + row.first) == "");
    std::string condition;
    std::size_t said = 0;
    for (; said < 3000 && condition.empty(); ++said) {
      server.bytes(row.next(static_cast<std::uint32_t>(said)));
      const auto frames = frames_of(server.take_output());
      if (server.wants_close()) condition = first(frames, Descriptor::close).body;
      // Of one link it is the link that ends: A-45.
      if (condition.empty() && said > 50 && count(frames, Descriptor::detach) > 0 &&
          !row.first.empty()) {
        condition = first(frames, Descriptor::detach).body;
      }
    }
    CHECK(condition.find("amqp:resource-limit-exceeded") != std::string::npos);
    CHECK(said <= row.most);
    CHECK(said >= row.least);
    check_that_others_are_served(hub);
  }
}

TEST_CASE("A-49 a client that settles no reply gets the next ones settled") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  const std::string credit =
      raw_frame(0, 0, hex("00 53 13 c0 15 07 43 70 00010000 43 70 00010000 52 01 43 70 00001000"));
  REQUIRE(condition_after(server, hello + attach_sender_frame(0, 0, "s", "$cbs") +
                                      attach_receiver_frame(0, 1, "r", "$cbs") + credit) == "");
  int unsettled = 0;
  const std::string request = Message().id("i").value_body("t").encode();
  for (std::uint32_t i = 0; i < 300; ++i) {
    server.bytes(transfer_frame({0, 0, i, 0, false, false}, request));
    const auto frames = frames_of(server.take_output());
    if (first(frames, Descriptor::transfer).fields[4].bits == 0) ++unsettled;
  }
  CHECK(unsettled == 100);
}

TEST_CASE("A-50 a thousand sessions are enough for everybody") {
  for (const bool with_token : {false, true}) {
    TestHub hub;
    hub.create("dev1");
    Server server(hub);
    std::string condition = condition_after(server, with_token ? owner_hello(hub) : hello);
    std::uint16_t sessions = 1;
    for (; sessions < 2000 && condition.empty(); ++sessions) {
      condition = condition_after(server, begin_frame(sessions));
    }
    CHECK(condition == "amqp:resource-limit-exceeded");
    CHECK(sessions == 1025);
    check_that_others_are_served(hub);
  }
}

TEST_CASE("A-50 one identity has at most 64 links, and so has $cbs") {
  for (const std::string address : {"/devices/dev1/messages/events", "$cbs"}) {
    CAPTURE(address);
    TestHub hub;
    hub.create("dev1");
    Server server(hub);
    REQUIRE(condition_after(server, device_hello(hub)) == "");
    int refused = 0;
    for (std::uint32_t i = 0; i < 66; ++i) {
      server.bytes(attach_sender_frame(0, i, "l" + std::to_string(i), address));
      refused += count(frames_of(server.take_output()), Descriptor::detach);
    }
    CHECK(refused == 2);
    CHECK(hub.log.contains("more than 64 links"));
    CHECK_FALSE(server.wants_close());
  }
}

TEST_CASE("A-50 links that were refused and are not detached end the connection") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, device_hello(hub)) == "");
  std::string condition;
  std::uint32_t refused = 0;
  for (; refused < 3000 && condition.empty(); ++refused) {
    condition = condition_after(
        server, attach_sender_frame(0, refused, "l" + std::to_string(refused), "nowhere"));
  }
  CHECK(condition == "amqp:resource-limit-exceeded");
  CHECK(refused == 1025);
}

TEST_CASE("A-50 links that were refused and are detached do not count") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, device_hello(hub)) == "");
  const std::string detach = raw_frame(0, 0, hex("00 53 16 d0 00000006 00000002 43 41"));
  for (int i = 0; i < 1500; ++i) {
    REQUIRE(condition_after(server, attach_sender_frame(0, 0, "l" + std::to_string(i), "nowhere") +
                                        detach) == "");
  }
}

TEST_CASE("A-50 with a token, six links in each of a thousand sessions stand side by side") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  REQUIRE(condition_after(server, owner_hello(hub)) == "");
  std::uint32_t links = 0;
  for (std::uint16_t channel = 1; channel < 1024; ++channel) {
    std::string said = begin_frame(channel);
    for (std::uint32_t handle = 0; handle < 6; ++handle, ++links) {
      said += attach_sender_frame(channel, handle, "l" + std::to_string(handle),
                                  "/messages/devicebound");
    }
    REQUIRE(condition_after(server, said) == "");
  }
  CHECK(links == 6138);
  check_that_others_are_served(hub);
}

TEST_CASE("A-53 a handle above the handle-max ends the connection") {
  TestHub hub;
  hub.create("dev1");
  for (const std::uint32_t handle : {262'143u, 262'144u}) {
    Server server(hub);
    CHECK(
        condition_after(server, device_hello(hub) + attach_sender_frame(0, handle, "l", "$cbs")) ==
        (handle == 262'143 ? "" : "amqp:connection:framing-error"));
  }
}
