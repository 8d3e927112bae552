// Oversized property bags over each protocol: the error that the hub has for them, nothing kept,
// the connection as it should be, and others served.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

#include <proton/disposition.h>

using namespace security;

namespace {

struct Bench : HttpHub {
  Bench() {
    create("d1");
    create("d2");
  }
  // After each attempt: nothing of it is there, and a neighbour has his service.
  void check_untouched() {
    CHECK(events().empty());
    CHECK(depth("d1") == 0);
    CHECK(Mqtt(*this, {.device = "d2", .password = device_token("d2")}).accepted());
  }
};

// n properties; each name is `size` long.
std::vector<std::pair<std::string, std::string>> properties(std::size_t n, std::size_t size = 6) {
  std::vector<std::pair<std::string, std::string>> all;
  for (std::size_t i = 0; i < n; ++i) {
    std::string name = std::to_string(i);
    all.emplace_back(std::string(size - name.size(), 'p') + name, "");
  }
  return all;
}

amqp_test::Message with(const std::vector<std::pair<std::string, std::string>>& properties) {
  amqp_test::Message message;
  message.to("/devices/d1/messages/devicebound").body("x");
  for (const auto& [name, value] : properties) message.property(name, value);
  return message;
}

}  // namespace

TEST_CASE(
    "N-23 AMQP: a bag of too many properties is rejected as an argument, one too large by its "
    "size") {
  Bench bench;
  Amqp amqp(bench, bench.policy_token());
  for (const std::string& address : {std::string("/messages/devicebound"), events("d1")}) {
    CAPTURE(address);
    pn_link_t* link = amqp.sender(address);
    REQUIRE(link != nullptr);
    const bool c2d = address == "/messages/devicebound";
    const auto refused = [&](const amqp_test::Message& message, std::string_view condition) {
      const auto sent = (*amqp).send(link, message);
      CHECK(sent.state == PN_REJECTED);
      CHECK(sent.condition == condition);
      CHECK_FALSE(sent.description.empty());
      CHECK(Client::is_attached(link));
      bench.check_untouched();
    };
    refused(with(properties(1001)), "com.microsoft:argument-error");
    const std::size_t most = c2d ? 64 * 1024 : 256 * 1024;
    refused(with(properties(1000, most / 1000 + 1)), "amqp:link:message-size-exceeded");
    refused(with({{"name", std::string(most, 'v')}}), "amqp:link:message-size-exceeded");
    refused(with({{std::string(most, 'n'), ""}}), "amqp:link:message-size-exceeded");
  }
  // A bag that is no message any more ends its link, before it is whole.
  pn_link_t* link = amqp.sender(events("d1"));
  (*amqp).send(link, with({{"name", std::string(1'100'000, 'v')}}));
  CHECK(Client::condition_of(link) == "amqp:link:message-size-exceeded");
  CHECK((*amqp).is_open());
  bench.check_untouched();
  // The most that is allowed goes through.
  link = amqp.sender(events("d1"));
  CHECK((*amqp).send(link, with(properties(1000))).state == PN_ACCEPTED);
  CHECK(bench.events().at(0)->content.properties.size() == 1000);
}

TEST_CASE(
    "N-23 HTTPS: a bag in headers ends at the head's bound with 431, one in a batch with 400 or "
    "413") {
  Bench bench;
  const std::string token = bench.policy_token();
  const auto status = [&](const std::string& path,
                          const std::vector<std::pair<std::string, std::string>>& headers,
                          const std::string& body = "x") {
    const int code = bench.call({"POST", path + api_version, token, headers, body}).status;
    bench.check_untouched();
    return code;
  };
  std::vector<std::pair<std::string, std::string>> headers{
      {"iothub-to", "/devices/d1/messages/devicebound"}};
  for (const auto& [name, value] : properties(1001))
    headers.emplace_back("iothub-app-" + name, value);
  for (const std::string path : {"/messages/deviceBound", "/devices/d1/messages/events"}) {
    CHECK(status(path, headers) == 431);
    CHECK(status(path, {{"iothub-app-name", std::string(20'000, 'v')}}) == 431);
    CHECK(status(path, {{"iothub-app-" + std::string(20'000, 'n'), "v"}}) == 431);
  }
  const auto batch = [](std::size_t count, std::size_t size) {
    std::string text;
    for (const auto& [name, value] : properties(count, size)) {
      text += (text.empty() ? "\"iothub-app-" : ",\"iothub-app-") + name + "\":\"\"";
    }
    return R"([{"body":"eA==","properties":{)" + text + "}}]";
  };
  const std::vector<std::pair<std::string, std::string>> type{
      {"Content-Type", "application/vnd.microsoft.iothub.json"}};
  CHECK(status("/devices/d1/messages/events", type, batch(1001, 6)) == 400);
  CHECK(status("/devices/d1/messages/events", type, batch(20'000, 6)) == 400);
  CHECK(status("/devices/d1/messages/events", type, batch(1000, 300)) == 413);
  CHECK(
      bench.call({"POST", "/devices/d1/messages/events" + api_version, token, type, batch(1000, 6)})
          .status == 204);
  CHECK(bench.events().at(0)->content.properties.size() == 1000);
}

TEST_CASE(
    "N-23 MQTT: a bag of too many properties closes, as every violation does; a topic full of one "
    "is taken") {
  Bench bench;
  const auto login = [&] {
    return Mqtt::Login{.device = "d1", .password = bench.device_token("d1")};
  };
  const auto topic = [](std::size_t count, std::size_t size) {
    std::string text = "devices/d1/messages/events/";
    for (const auto& [name, value] : properties(count, size)) text += name + "=&";
    return text;
  };
  for (const std::string& bag :
       {topic(1001, 6), topic(6000, 5), "devices/d1/messages/events/" + [] {
          std::string pairs;
          for (int i = 0; i < 16'000; ++i) pairs += "a=&";
          return pairs;
        }()}) {
    Mqtt client(bench, login());
    CHECK(client.publish(bag).take().empty());
    CHECK_FALSE(client.open());
    bench.check_untouched();
  }
  Mqtt client(bench, login());
  CHECK(client.publish(topic(1000, 60)).take() == std::vector<std::string>{"PUBACK"});
  CHECK(client.publish("devices/d1/messages/events/name=" + std::string(65'000, 'v')).take() ==
        std::vector<std::string>{"PUBACK"});
  CHECK(bench.events().size() == 2);
}

TEST_CASE(
    "N-24 nothing is unpacked: a compressed body is the message's own, whatever it would become") {
  // A bomb: 45 bytes of gzip that say they are a gigabyte.
  const std::string bomb = std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10) +
                           std::string(31, '\xed') + std::string("\x00\x00\x00\x40", 4);
  Bench bench;
  const auto call = [&](const std::string& header, const std::string& value) {
    return bench.call({"POST",
                       "/devices/d1/messages/events" + api_version,
                       bench.device_token("d1"),
                       {{header, value}},
                       bomb});
  };
  CHECK(call("iothub-contentencoding", "gzip").status == 204);
  const auto stored = bench.events();
  REQUIRE(stored.size() == 1);
  CHECK(stored[0]->content.body == bomb);
  CHECK(stored[0]->content.content_encoding == "gzip");
  // A coding of the transfer would be ours to undo: it is refused (H-24).
  auto session = bench.connect();
  session->on_bytes(
      "POST /devices/d1/messages/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, "
      "chunked\r\n\r\n",
      bench.now);
  CHECK(http::test::parse_answers(http::test::take_output(*session)).at(0).status == 501);
  CHECK(session->wants_close());
  // Nor is an answer packed for who would take it so.
  const auto answer = bench.call({"GET", "/", {}, {{"Accept-Encoding", "gzip, deflate, br"}}, {}});
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.header("Content-Encoding"));
}
