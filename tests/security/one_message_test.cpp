// One message looks the same everywhere: names that one protocol takes for a system property, and a
// null, sent over each protocol and read over each other.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

#include <proton/disposition.h>

using namespace security;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What a user may call a property, and what some protocol means by it.
const Pairs suspicious = {{"iothub-creation-time-utc", "2024-01-01T00:00:00.1234567Z"},
                          {"iothub-creationtimeutc", "yesterday"},
                          {"iothub-message-schema", "v1"},
                          {"iothub-messageid", "mine"},
                          {"iothub-correlationid", "mine"},
                          {"iothub-contenttype", "text/plain"},
                          {"iothub-interface-id", "urn:x"},
                          {"iothub-connection-device-id", "other"},
                          {"iothub-app-x", "twice"},
                          {"content-type", "text/plain"},
                          {"ContentType", "text/plain"},
                          {"message-id", "mine"},
                          {"dt-subject", "thermostat"},
                          {"ETag", "mine"},
                          {"to", "elsewhere"},
                          {"mid", "mine"}};

struct Bench : HttpHub {
  Bench() { create("d1"); }

  hub::MessageContent last_event() {
    const auto all = events();
    REQUIRE_FALSE(all.empty());
    return all.back()->content;
  }
};

amqp_test::Message amqp_message(const std::string& to) {
  amqp_test::Message message;
  message.to(to).body("x");
  for (const auto& [name, value] : suspicious) message.property(name, value);
  return message;
}

Pairs http_headers() {
  Pairs headers{{"iothub-to", "/devices/d1/messages/devicebound"}};
  for (const auto& [name, value] : suspicious) headers.emplace_back("iothub-app-" + name, value);
  return headers;
}

std::string bag() {
  std::string text;
  for (const auto& [name, value] : suspicious) {
    text +=
        (text.empty() ? "" : "&") + hub::percent_encode(name) + "=" + hub::percent_encode(value);
  }
  return text;
}

void send_over_amqp(Bench& bench) {
  Amqp service(bench, bench.policy_token());
  pn_link_t* link = service.sender("/messages/devicebound");
  REQUIRE(link != nullptr);
  CHECK((*service).send(link, amqp_message("/devices/d1/messages/devicebound")).state ==
        PN_ACCEPTED);
}

void send_over_https(Bench& bench) {
  CHECK(bench.call({"POST", "/messages/deviceBound", bench.policy_token(), http_headers(), "x"})
            .status == 204);
}

}  // namespace

TEST_CASE(
    "H-81 a cloud-to-device message has its properties over each protocol as they were sent") {
  for (const auto send : {send_over_amqp, send_over_https}) {
    Bench bench;
    for (int i = 0; i < 2; ++i) send(bench);
    const auto over_https = bench.call({"GET",
                                        "/devices/d1/messages/deviceBound" + api_version,
                                        bench.device_token("d1"),
                                        {},
                                        {}});
    CHECK(over_https.status == 200);
    for (const auto& [name, value] : suspicious) {
      CAPTURE(name);
      CHECK(over_https.header("iothub-app-" + name) == value);
    }
    CHECK(over_https.header("iothub-messageid") == "");
    CHECK_FALSE(over_https.header("ContentType"));

    Amqp device(bench, bench.device_token("d1"));
    pn_link_t* link = device.receiver(devicebound("d1"));
    REQUIRE(link != nullptr);
    const auto received = (*device).receive(link);
    REQUIRE(received.size() == 1);
    const auto over_amqp = received[0].message();
    for (const auto& [name, value] : suspicious) CHECK(over_amqp.property_text(name) == value);
  }
  for (const auto send : {send_over_amqp, send_over_https}) {
    Bench bench;
    Mqtt device(bench, {.device = "d1", .password = bench.device_token("d1")});
    device.subscribe("devices/d1/messages/devicebound/#").take();
    send(bench);
    const auto topics = device.take();
    REQUIRE(topics.size() == 1);
    CHECK(topics[0].ends_with("&" + bag()));
    CHECK(::test::count(topics[0], "%24.") == 1);  // $.to
  }
}

TEST_CASE("H-81 telemetry has its properties as they were sent, whichever protocol it came by") {
  Bench bench;
  const std::string token = bench.device_token("d1");
  std::vector<hub::Property> expected;
  for (const auto& [name, value] : suspicious) expected.emplace_back(name, value);
  const auto check = [&] {
    const auto content = bench.last_event();
    CHECK(content.properties == expected);
    CHECK(content.message_id.empty());
    CHECK(content.content_type.empty());
  };
  Amqp device(bench, token);
  pn_link_t* link = device.sender(events("d1"));
  REQUIRE(link != nullptr);
  CHECK((*device).send(link, amqp_message(events("d1"))).state == PN_ACCEPTED);
  check();
  CHECK(bench.call({"POST", events("d1") + api_version, token, http_headers(), "x"}).status == 204);
  check();
  Mqtt(bench, {.device = "d1", .password = token}).publish("devices/d1/messages/events/" + bag());
  check();
}

TEST_CASE(
    "H-81 what each protocol calls the creation time and the schema is one property in telemetry") {
  Bench bench;
  const std::string token = bench.device_token("d1"), at = "2023-09-05T18:53:42.1509021Z";
  const std::vector<hub::Property> expected{{"iothub-creation-time-utc", at},
                                            {"iothub-message-schema", "v1"}};
  Mqtt(bench, {.device = "d1", .password = token})
      .publish("devices/d1/messages/events/%24.ctime=" + hub::percent_encode(at) + "&$.schema=v1");
  CHECK(bench.last_event().properties == expected);
  for (const char* name : {"iothub-creationtimeutc", "iothub-creation-time-utc"}) {
    CHECK(bench
              .call({"POST",
                     events("d1") + api_version,
                     token,
                     {{name, at}, {"iothub-messageschema", "v1"}},
                     "x"})
              .status == 204);
    CHECK(bench.last_event().properties == expected);
  }
}

TEST_CASE("H-81 iothub-ack asks for feedback, be it sent over AMQP or as a property over HTTPS") {
  Bench bench;
  CHECK(bench
            .call({"POST",
                   "/messages/deviceBound",
                   bench.policy_token(),
                   {{"iothub-to", devicebound("d1")}, {"iothub-app-IoTHub-Ack", "full"}},
                   "x"})
            .status == 204);
  const auto received = bench.call(
      {"GET", "/devices/d1/messages/deviceBound" + api_version, bench.device_token("d1"), {}, {}});
  CHECK(received.header("iothub-ack") == "full");
  CHECK_FALSE(received.header("iothub-app-IoTHub-Ack"));
}

TEST_CASE("H-80 a null property is null over AMQP, has no = over MQTT and no text over HTTPS") {
  Bench bench;
  Mqtt mqtt(bench, {.device = "d1", .password = bench.device_token("d1")});
  mqtt.subscribe("devices/d1/messages/devicebound/#").take();
  hub::SendRequest request;
  request.device = {"d1"};
  request.content.properties = {{"n", std::nullopt}, {"e", ""}};
  REQUIRE(bench.hub.c2d().send(hub::SendRequest(request), bench.now));
  const auto topics = mqtt.take();
  REQUIRE(topics.size() == 1);
  CHECK(topics[0].ends_with("&n&e="));

  bench.create("d2");
  request.device = {"d2"};
  REQUIRE(bench.hub.c2d().send(std::move(request), bench.now));
  const auto received = bench.call(
      {"GET", "/devices/d2/messages/deviceBound" + api_version, bench.device_token("d2"), {}, {}});
  CHECK(received.header("iothub-app-n") == "");
  CHECK(received.header("iothub-app-e") == "");
}
