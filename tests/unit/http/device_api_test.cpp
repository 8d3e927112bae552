// Device operations over a session with a real hub (spec/https.md section 2).
#include "tests/unit/http/support.hpp"

#include <boost/json/parse.hpp>

namespace http::test {

namespace {

const std::string version = "?api-version=2021-04-12";
constexpr std::string_view no_such_token = "00000000-0000-4000-8000-000000000000";

struct Device {
  explicit Device(hub::Settings settings = {}) : hub(settings) { hub.create("d1"); }

  Answer call(const std::string& method, const std::string& path,
              std::vector<std::pair<std::string, std::string>> headers = {},
              std::string body = {}) {
    return hub.call({method, "/devices/d1/messages/" + path, hub.device_token("d1"),
                     std::move(headers), std::move(body)});
  }
  Answer get() { return call("GET", "deviceBound" + version); }
  // The lock token as CD takes it: between the quotes.
  static std::string token(const Answer& answer) {
    const std::string etag = answer.header("ETag").value();
    REQUIRE(etag.size() == 38);
    CHECK(etag.front() == '"');
    CHECK(etag.back() == '"');
    return etag.substr(1, 36);
  }
  Answer settle(const std::string& token, const std::string& query = {}) {
    return call("DELETE", "deviceBound/" + token + version + query);
  }
  Answer abandon(const std::string& token) {
    return call("POST", "deviceBound/" + token + "/abandon" + version);
  }
  hub::SendRequest message(const std::string& body) {
    hub::SendRequest request;
    request.device = {"d1"};
    request.content.body = body;
    return request;
  }

  HttpHub hub;
};

}  // namespace

TEST_CASE("T-01 H-37 a received message has the ten headers, exactly cased, even if empty") {
  Device device;
  REQUIRE(device.hub.hub.c2d().send(device.message("hello"), device.hub.now));
  const auto answer = device.get();
  CHECK(answer.status == 200);
  CHECK(answer.body == "hello");
  Device::token(answer);
  for (const char* empty : {"iothub-messageid", "iothub-correlationid", "iothub-userid",
                            "iothub-to", "iothub-expiry"}) {
    CHECK(answer.header(empty) == "");
  }
  CHECK(answer.header("iothub-ack") == "none");
  CHECK(answer.header("iothub-sequencenumber") == "1");
  CHECK(answer.header("iothub-deliverycount") == "0");
  CHECK(answer.header("iothub-enqueuedtime") == hub::to_iso8601(device.hub.now));
  CHECK(answer.header("Content-Type") == "application/octet-stream");
  CHECK(answer.header("Content-Length") == "5");
  CHECK_FALSE(answer.header("ContentType"));
  CHECK_FALSE(answer.header("ContentEncoding"));
}

TEST_CASE("T-01 H-37 system properties, content type and application properties arrive as sent") {
  Device device;
  auto request = device.message("\x1f\x8b\x00\xff\r\n"s);
  request.ack = hub::Ack::full;
  request.content.message_id = hub::MessageId::of("My Message ID");
  request.content.correlation_id = hub::MessageId::of("c");
  request.content.user_id = "u";
  request.content.to = "/devices/d1/messages/deviceBound";
  request.content.content_type = "text/plain";
  request.content.content_encoding = "gzip";
  request.content.absolute_expiry = device.hub.now + 1min;
  request.content.properties = {
      {"MyProp", "a value"}, {"caf\xC3\xA9", "\xC3\xA9"}, {"x", "1\r\ny: 2"}};
  REQUIRE(device.hub.hub.c2d().send(std::move(request), device.hub.now));
  const auto answer = device.get();
  CHECK(answer.body == "\x1f\x8b\x00\xff\r\n"s);
  CHECK(answer.header("iothub-messageid") == "My Message ID");
  CHECK(answer.header("iothub-correlationid") == "c");
  CHECK(answer.header("iothub-userid") == "u");
  CHECK(answer.header("iothub-to") == "/devices/d1/messages/deviceBound");
  CHECK(answer.header("iothub-ack") == "full");
  CHECK(answer.header("iothub-expiry") == hub::to_iso8601(device.hub.now + 1min));
  CHECK(answer.header("ContentType") == "text/plain");
  CHECK(answer.header("ContentEncoding") == "gzip");
  CHECK_FALSE(answer.header("Content-Encoding"));  // so that no client inflates it
  CHECK(answer.header("iothub-app-MyProp") == "a value");
  CHECK(answer.header("iothub-app-caf%C3%A9") == "\xC3\xA9");
  CHECK(answer.header("iothub-app-x") == "1%0D%0Ay: 2");
  CHECK_FALSE(answer.header("y"));
}

TEST_CASE("T-10 an empty queue answers 204 at once, an empty body 200") {
  Device device;
  const auto nothing = device.get();
  CHECK(nothing.status == 204);
  CHECK_FALSE(nothing.header("Content-Type"));
  CHECK_FALSE(nothing.header("Content-Length"));
  REQUIRE(device.hub.hub.c2d().send(device.message(""), device.hub.now));
  const auto empty = device.get();
  CHECK(empty.status == 200);
  CHECK(empty.header("Content-Length") == "0");
}

TEST_CASE("H-38 the lock lasts as long as header or query ask, 60 s without, 1..300 allowed") {
  Device device;
  device.hub.send("d1", "a");
  const auto get = [&](const std::string& query,
                       std::vector<std::pair<std::string, std::string>> headers) {
    return device.call("GET", "deviceBound" + version + query, std::move(headers));
  };
  const auto locked_for = [&](hub::Duration lock) {
    device.hub.advance(lock - 1ms);
    CHECK(device.get().status == 204);
    device.hub.advance(1ms);
  };
  CHECK(get("", {}).status == 200);
  locked_for(60s);
  CHECK(get("", {{"IotHub-MessageLockTimeout", "180"}}).status == 200);
  locked_for(180s);
  CHECK(get("&iothub-messagelocktimeout=5", {}).status == 200);
  locked_for(5s);
  CHECK(get("", {{"iothub-messagelocktimeout", "1"}}).status == 200);
  locked_for(1s);
  for (const std::string bad : {"0", "301", "-5", "abc", "5s", "99999999999"}) {
    CAPTURE(bad);
    CHECK(get("", {{"IotHub-MessageLockTimeout", bad}}).error() == "ArgumentInvalid");
    CHECK(get("&iothub-messagelocktimeout=" + bad, {}).status == 400);
  }
  CHECK(device.get().status == 200);  // none of those locked anything
}

TEST_CASE(
    "H-39 complete answers exactly 204; the path's token is the authority, If-Match ignored") {
  Device device;
  for (const std::string if_match : {"", "\"{}\"", "{}", "wrong"}) {
    device.hub.send("d1", "a");
    const auto token = Device::token(device.get());
    std::vector<std::pair<std::string, std::string>> headers;
    if (!if_match.empty()) headers.emplace_back("If-Match", if_match);
    headers.emplace_back("IfMatch", token);
    CHECK(device.call("DELETE", "deviceBound/" + token + version, headers).status == 204);
    CHECK(device.hub.depth("d1") == 0);
  }
  device.hub.send("d1", "a");
  const auto token = Device::token(device.get());
  CHECK(device.settle("%22" + token + "%22").status == 204);
}

TEST_CASE("H-40 reject has three spellings") {
  Device device;
  for (const std::string spelling : {"&reject", "&reject=", "&reject=true", "&%3Freject=true"}) {
    device.hub.send("d1", "a", hub::Ack::full);
    CHECK(device.settle(Device::token(device.get()), spelling).status == 204);
    device.hub.advance(16s);
    const auto feedback = device.hub.feedback();
    REQUIRE(feedback.size() == 1);
    CHECK(feedback[0].find("\"statusCode\":\"Rejected\"") != std::string::npos);
  }
  device.hub.send("d1", "a", hub::Ack::full);
  CHECK(device.settle(Device::token(device.get()), "&rejected=1").status == 204);
  device.hub.advance(16s);
  CHECK(device.hub.feedback().at(0).find("\"statusCode\":\"Success\"") != std::string::npos);
}

TEST_CASE("H-39 abandon returns the message with its count; one zero byte as body is fine") {
  Device device;
  device.hub.send("d1", "a");
  const auto token = Device::token(device.get());
  const auto answer = device.call("POST", "deviceBound/" + token + "/abandon" + version, {}, "\0"s);
  CHECK(answer.status == 204);
  const auto again = device.get();
  CHECK(again.header("iothub-deliverycount") == "1");
  CHECK(again.header("iothub-sequencenumber") == "1");
  CHECK(Device::token(again) != token);
}

TEST_CASE("H-39 a token that is not current is 412 and changes nothing, a malformed one 400") {
  Device device;
  device.hub.create("d2");
  device.hub.send("d1", "a");
  device.hub.send("d2", "b");
  const auto token = Device::token(device.get());
  const auto foreign = device.hub.get("d2")->lock_token.to_text();
  for (const std::string& bad : {foreign, std::string(no_such_token)}) {
    CHECK(device.settle(bad).error() == "DeviceMessageLockLost");
    CHECK(device.settle(bad, "&reject").status == 412);
    CHECK(device.abandon(bad).status == 412);
  }
  for (const std::string bad : {"x", "%00", "00000000-0000-4000-8000-00000000000g"}) {
    CHECK(device.settle(bad).error() == "ArgumentInvalid");
    CHECK(device.abandon(bad).status == 400);
  }
  CHECK(device.hub.depth("d1") == 1);
  CHECK(device.settle(token).status == 204);
  CHECK(device.settle(token).status == 412);  // settled already
  CHECK(device.abandon(token).status == 412);
}

TEST_CASE("H-39 S3 a lock that timed out is lost, the newer one stays") {
  Device device;
  device.hub.send("d1", "a");
  const auto first = Device::token(device.get());
  device.hub.advance(30s);
  CHECK(device.get().status == 204);
  device.hub.advance(30s);
  const auto again = device.get();
  CHECK(again.status == 200);
  CHECK(again.header("iothub-deliverycount") == "0");
  device.hub.advance(1s);
  CHECK(device.settle(first).status == 412);
  CHECK(device.settle(Device::token(again)).status == 204);
}

TEST_CASE("H-39 a dropped connection frees no lock (C2D-09)") {
  Device device;
  device.hub.send("d1", "a");
  auto session = device.hub.connect();
  session->on_bytes(to_wire({"GET",
                             "/devices/d1/messages/deviceBound" + version,
                             device.hub.device_token("d1"),
                             {},
                             {}}),
                    device.hub.now);
  session->on_peer_closed(device.hub.now);
  session.reset();
  CHECK(device.get().status == 204);
}

TEST_CASE("H-36 telemetry: headers in any case become properties; the hub stamps the sender") {
  Device device;
  const auto answer = device.call("POST", "events" + version,
                                  {{"IoTHub-MessageId", "m1"},
                                   {"iothub-correlationid", "c1"},
                                   {"IOTHUB-USERID", "u1"},
                                   {"iothub-to", "/devices/d1/messages/events"},
                                   {"iothub-contenttype", "application/json"},
                                   {"iothub-contentencoding", "utf-8"},
                                   {"iothub-creation-time-utc", "2025-11-24T06:00:00.1234567Z"},
                                   {"iothub-interface-id", "urn:azureiot:Security:SecurityAgent:1"},
                                   {"dt-subject", "thermostat"},
                                   {"iothub-messageschema", "v1"},
                                   {"iothub-operation", "d2c"},
                                   {"iothub-app-Temp", "caf\xE9"},
                                   {"iothub-expiry", "whenever"},
                                   {"iothub-ack", "sure"},
                                   {"Content-Type", "text/html"}},
                                  "body\0\xff"s);
  CHECK(answer.status == 204);
  const auto events = device.hub.events();
  REQUIRE(events.size() == 1);
  const auto& event = *events[0];
  CHECK(event.content.body == "body\0\xff"s);
  CHECK(event.content.message_id.text == "m1");
  CHECK(event.content.correlation_id.text == "c1");
  CHECK(event.content.user_id == "u1");
  CHECK(event.content.content_type == "application/json");
  CHECK(event.content.content_encoding == "utf-8");
  CHECK(event.interface_id == "urn:azureiot:Security:SecurityAgent:1");
  CHECK(event.subject == "thermostat");
  CHECK(event.content.properties ==
        std::vector<hub::Property>{{"iothub-creation-time-utc", "2025-11-24T06:00:00.1234567Z"},
                                   {"iothub-message-schema", "v1"},
                                   {"Temp", "caf\xC3\xA9"},
                                   {"iothub-ack", "sure"},
                                   {"iothub-expiry", "whenever"}});
  CHECK(event.origin->device.text == "d1");
  CHECK(event.origin->auth_method ==
        R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  CHECK_FALSE(event.origin->auth_generation_id.empty());
}

TEST_CASE("H-36 Content-Type and Content-Encoding are the transport's, not the message's") {
  Device device;
  for (const char* type : {"application/octet-stream", "application/json", "text/plain"}) {
    CHECK(device
              .call("POST", "events" + version,
                    {{"Content-Type", type}, {"Content-Encoding", "utf-8"}}, "x")
              .status == 204);
    CHECK(device.hub.events().back()->content.content_type.empty());
    CHECK(device.hub.events().back()->content.content_encoding.empty());
  }
}

TEST_CASE("H-81 iothub-expiry of telemetry is its expiry when it is a time") {
  Device device;
  const std::string at = hub::to_iso8601(device.hub.now + 1min);
  CHECK(device.call("POST", "events" + version, {{"iothub-expiry", at}}, "x").status == 204);
  CHECK(device.hub.events().back()->content.absolute_expiry == device.hub.now + 1min);
  CHECK(device.hub.events().back()->content.properties.empty());
}

TEST_CASE("H-41 a batch is stored whole or not at all") {
  Device device;
  const auto batch = [&](const std::string& body) {
    return device.call("POST", "events" + version,
                       {{"Content-Type", "application/vnd.microsoft.iothub.json; charset=utf-8"}},
                       body);
  };
  CHECK(batch(R"([{"body":"YQ=="},{"body":"b","base64Encoded":false,)"
              R"("properties":{"iothub-app-p":"1"}}])")
            .status == 204);
  auto events = device.hub.events();
  REQUIRE(events.size() == 2);
  CHECK(events[0]->content.body == "a");
  CHECK(events[0]->content.content_type == "");
  CHECK(events[1]->content.properties == std::vector<hub::Property>{{"p", "1"}});

  CHECK(batch(R"([{"body":"YQ=="},{"body":1}])").error() == "IotHubFormatError");
  const std::string half(150'000, 'x');
  CHECK(batch(R"([{"base64Encoded":false,"body":")" + half +
              R"("},{"base64Encoded":false,"body":")" + half + "\"}]")
            .error() == "MessageTooLarge");
  CHECK(device.hub.events().size() == 2);
  CHECK(batch("[]").status == 204);
}

TEST_CASE("H-21 256 KiB of telemetry are taken, more is 413") {
  Device device;
  CHECK(device.call("POST", "events" + version, {}, std::string(256 * 1024, 'x')).status == 204);
  const auto answer = device.call("POST", "events" + version, {}, std::string(256 * 1024 + 1, 'x'));
  CHECK(answer.status == 413);
  CHECK(answer.error() == "MessageTooLarge");
  CHECK(device.call("POST", "events" + version, {}, std::string(3 * 1024 * 1024, 'x')).status ==
        413);
  CHECK(device.hub.events().size() == 1);
}

TEST_CASE("T-05 telemetry in chunks, of no byte and of one byte") {
  Device device;
  auto session = device.hub.connect();
  const std::string head =
      "POST /devices/d1/messages/events" + version +
      " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + device.hub.device_token("d1") + "\r\n";
  session->on_bytes(head +
                        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" +
                        head + "Content-Length: 0\r\n\r\n" + head + "Content-Length: 1\r\n\r\nx",
                    device.hub.now);
  const auto answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 3);
  for (const auto& answer : answers) CHECK(answer.status == 204);
  const auto events = device.hub.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0]->content.body == "abcde");
  CHECK(events[1]->content.body == "");
  CHECK(events[2]->content.body == "x");
}

}  // namespace http::test
