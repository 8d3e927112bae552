// The connection itself: keep-alive, pipelining, time limits, back-pressure, upgrade, shutdown.
#include <boost/json/parse.hpp>

#include "protocols/http/limits.hpp"
#include "tests/unit/http/support.hpp"

namespace http::test {

namespace {

const std::string get_root = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string upgrade_request(const std::string& path, const std::string& protocols,
                            const std::string& more = "Sec-WebSocket-Version: 13\r\n") {
  return "GET " + path +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\n"
         "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         more + "Sec-WebSocket-Protocol: " + protocols + "\r\n\r\n";
}

}  // namespace

TEST_CASE(
    "T-05 keep-alive: the connection stays, answers come in order, Connection: close ends it") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes(get_root, hub.now);
  auto answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status_line == "HTTP/1.1 200 OK");
  CHECK_FALSE(answers[0].header("Connection"));
  CHECK_FALSE(session->wants_close());

  session->on_bytes(get_root + "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" +
                        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get_root,
                    hub.now);
  answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 3);  // what follows `close` is not looked at
  CHECK(answers[0].status == 200);
  CHECK(answers[1].status == 404);
  CHECK(answers[2].header("Connection") == "close");
  CHECK(session->wants_close());
  CHECK_FALSE(session->next_deadline());
}

TEST_CASE("H-62 an error that shows what a peer wrote is UTF-8, whatever that was") {
  HttpHub hub;
  const auto session = hub.connect();
  session->on_bytes("GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", hub.now);
  const auto answer = parse_answers(take_output(*session)).at(0);
  CHECK(answer.body.find('\xff') == std::string::npos);
  CHECK_NOTHROW(boost::json::parse(answer.body));
}

TEST_CASE("T-05 HTTP/1.0 closes unless it asks to stay") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).header("Connection") == "keep-alive");
  CHECK_FALSE(session->wants_close());
  session->on_bytes("GET / HTTP/1.0\r\n\r\n", hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).header("Connection") == "close");
  CHECK(session->wants_close());
}

TEST_CASE("T-05 Expect: 100-continue gets its 100 before the body, and none when refused already") {
  HttpHub hub;
  hub.create("d1");
  auto session = hub.connect();
  const std::string head =
      "POST /devices/d1/messages/events?api-version=2021-04-12 HTTP/1.1\r\n"
      "Host: localhost\r\nExpect: 100-continue\r\nAuthorization: " +
      hub.device_token("d1") + "\r\nContent-Length: ";
  session->on_bytes(head + "3\r\n\r\n", hub.now);
  CHECK(take_output(*session) == "HTTP/1.1 100 Continue\r\n\r\n");
  session->on_bytes("abc", hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).status == 204);
  session->on_bytes(head + "5000000\r\n\r\n", hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).status == 413);
}

TEST_CASE("T-01 HEAD / has the headers of GET and no body; elsewhere HEAD is 405") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /devices HTTP/1.1\r\nHost: x\r\n\r\n",
                    hub.now);
  const std::string out = take_output(*session);
  CHECK(out.starts_with("HTTP/1.1 200 OK\r\nContent-Length: "));
  CHECK(out.find("HTTP/1.1 405 Method Not Allowed\r\n") != std::string::npos);
  CHECK(out.find('{') == std::string::npos);
}

TEST_CASE("H-22 a head must be whole 30 s after its first byte, however busily it drips") {
  HttpHub hub;
  auto session = hub.connect();
  CHECK(session->next_deadline() == hub.now + idle_timeout);
  hub.now += 100s;
  session->on_bytes("G", hub.now);
  CHECK(session->next_deadline() == hub.now + head_timeout);
  const auto begun = hub.now;
  for (int i = 0; i < 29; ++i) {
    hub.now += 1s;
    session->on_bytes("X", hub.now);
    session->on_time(hub.now);
  }
  CHECK(session->output().empty());
  hub.now = begun + head_timeout;
  session->on_time(hub.now);
  const auto answer = parse_answers(take_output(*session)).at(0);
  CHECK(answer.status == 408);
  CHECK(answer.header("Connection") == "close");
  CHECK(session->wants_close());
  CHECK_FALSE(session->next_deadline());
}

TEST_CASE("H-22 a body has 120 s, an idle connection too") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", hub.now);
  CHECK(session->next_deadline() == hub.now + body_timeout);
  session->on_time(hub.now + body_timeout - 1ms);
  CHECK(session->output().empty());
  session->on_time(hub.now + body_timeout);
  CHECK(parse_answers(take_output(*session)).at(0).status == 408);

  auto idle = hub.connect();
  idle->on_bytes(get_root, hub.now);
  take_output(*idle);
  idle->on_bytes("\r\n", hub.now + 1s);  // a stray blank line starts no request
  CHECK(idle->next_deadline() == hub.now + idle_timeout);
  idle->on_time(hub.now + idle_timeout - 1ms);
  CHECK_FALSE(idle->wants_close());
  idle->on_time(hub.now + idle_timeout);
  CHECK(idle->output().empty());
  CHECK(idle->wants_close());
}

TEST_CASE("H-25 a refusal ends the connection; what still comes is dropped") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes("GET / HTTP/1.1\nHost: x\n\n", hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).status == 400);
  session->on_bytes(get_root + get_root, hub.now);
  CHECK(session->output().empty());
  CHECK(session->wants_close());
}

TEST_CASE("H-54 pipelined requests wait while answers wait to be written") {
  HttpHub hub;
  auto session = hub.connect();
  std::string many;
  for (int i = 0; i < 2000; ++i) many += get_root;
  session->on_bytes(many, hub.now);
  CHECK_FALSE(session->wants_input());
  CHECK(session->output().size() < output_bytes_high + 64 * 1024);
  std::string all = take_output(*session);
  int turns = 0;
  while (!session->wants_input()) {
    REQUIRE(++turns < 100);
    CHECK(session->next_deadline() <= hub.now);  // at once
    session->on_time(hub.now);
    all += take_output(*session);
  }
  CHECK(turns > 1);
  CHECK(parse_answers(all).size() == 2000);
}

TEST_CASE(
    "H-60 who may not come in is told so without his body being kept, and the connection goes on") {
  HttpHub hub;
  hub.create("d1");
  auto session = hub.connect();
  const std::string head =
      "POST /devices/d1/messages/events?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\n";
  // Larger than any body that is kept: else it would be told that (H-21).
  session->on_bytes(head + "Content-Length: 2000000\r\n\r\n", hub.now);
  for (int i = 0; i < 200; ++i) {
    CHECK(session->output().empty());
    session->on_bytes(std::string(10'000, 'x'), hub.now);
  }
  session->on_bytes(head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get_root,
                    hub.now);
  const auto answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].status == 401);
  CHECK(answers[1].status == 401);
  CHECK(answers[2].status == 200);
  CHECK_FALSE(session->wants_close());
}

TEST_CASE("H-60 who may not come in gets his refusal in place of the 100 that he waits for") {
  HttpHub hub;
  for (const std::string& line : {"POST /devices/d1/messages/events?api-version=2021-04-12"s,
                                  "POST /nowhere"s, "PATCH /devices"s}) {
    CAPTURE(line);
    auto session = hub.connect();
    session->on_bytes(
        line + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        hub.now);
    const auto answers = parse_answers(take_output(*session));
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].status >= 401);
    CHECK(answers[0].header("Connection") == "close");
    CHECK(session->wants_close());
  }
}

TEST_CASE(
    "H-61 requests that wait for a peer that does not read ask for no time, however long it "
    "takes") {
  HttpHub hub;
  auto session = hub.connect();
  std::string many;
  for (int i = 0; i < 2000; ++i) many += get_root;
  session->on_bytes(many, hub.now);
  REQUIRE_FALSE(session->wants_input());
  for (int i = 0; i < 3; ++i) {
    CHECK(session->next_deadline().value_or(hub::TimePoint::max()) > hub.now);
    session->on_time(hub.now);
    CHECK_FALSE(session->wants_close());
    hub.now += 121s;
  }
}

TEST_CASE("N-46 an answer that depends on nothing stored says so") {
  HttpHub hub;
  hub.create("d1");
  auto session = hub.connect();
  session->on_bytes("GET /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\n\r\n", hub.now);
  CHECK(parse_answers(std::string(session->output())).at(0).status == 401);
  CHECK_FALSE(session->output_promises());
  session->on_bytes(
      "GET /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\nAuthorization: " +
          hub.policy_token() + "\r\n\r\n",
      hub.now);
  CHECK(session->output_promises());  // one of them does
  CHECK(parse_answers(take_output(*session)).at(1).status == 200);
  CHECK_FALSE(session->output_promises());
}

TEST_CASE("H-46 an upgrade hands over head, leftover and the client's spelling (M-02)") {
  HttpHub hub;
  struct {
    std::string path, offered, chosen, echoed;
  } cases[] = {
      {"/$iothub/websocket", "mqtt", "mqtt", "mqtt"},
      {"/$iothub/websocket?iothub-no-client-cert=true", "MQTT", "mqtt", "MQTT"},
      {"/$IotHub/WebSocket/", "AMQPWSB10", "AMQPWSB10", "AMQPWSB10"},
      {"/$iothub/websocket", "foo, amqpwsb10, mqtt", "AMQPWSB10", "amqpwsb10"},
      {"/%24iothub/websocket", "mqttv3.1, mqtt", "mqtt", "mqtt"},
      {"/$servicebus/websocket", "AMQPWSB10", "AMQPWSB10", "AMQPWSB10"},
      {"/$servicebus/websocket/", "mqtt, AMQPWSB10", "AMQPWSB10", "AMQPWSB10"},
  };
  for (const auto& [path, offered, chosen, echoed] : cases) {
    CAPTURE(path);
    CAPTURE(offered);
    auto session = hub.connect();
    const std::string request = upgrade_request(path, offered);
    session->on_bytes(request + "\x82\x80", hub.now);
    session->on_bytes("frames", hub.now);
    CHECK(session->output().empty());
    CHECK_FALSE(session->wants_close());
    const auto upgrade = session->take_upgrade();
    REQUIRE(upgrade);
    CHECK(upgrade->request_head == request);
    CHECK(upgrade->leftover ==
          "\x82\x80"
          "frames");
    CHECK(upgrade->subprotocol == chosen);
    CHECK(upgrade->echoed_subprotocol == echoed);
    CHECK_FALSE(session->take_upgrade());
    CHECK_FALSE(session->next_deadline());
  }
}

TEST_CASE("H-46 an upgrade without a known subprotocol, key or version is a 400") {
  HttpHub hub;
  for (const std::string& request :
       {upgrade_request("/$iothub/websocket", "mqttv5x"),
        upgrade_request("/$servicebus/websocket", "mqtt"),
        upgrade_request("/$iothub/websocket", "mqtt", ""),
        upgrade_request("/$iothub/websocket", "mqtt", "Sec-WebSocket-Version: 8\r\n"),
        upgrade_request("/$iothub/websocket", "mqtt",
                        "Sec-WebSocket-Version: 13\r\nContent-Length: 2\r\n")}) {
    CAPTURE(request);
    auto session = hub.connect();
    session->on_bytes(request, hub.now);
    CHECK_FALSE(session->take_upgrade());
    CHECK(parse_answers(take_output(*session)).at(0).status == 400);
  }
  // The path without an upgrade says what it wants.
  auto session = hub.connect();
  session->on_bytes("GET /$iothub/websocket HTTP/1.1\r\nHost: x\r\n\r\n", hub.now);
  const auto answer = parse_answers(take_output(*session)).at(0);
  CHECK(answer.status == 400);
  CHECK(answer.body.find("WebSocket") != std::string::npos);
}

TEST_CASE("H-73 an upgrade at a path without a WebSocket is a 400 that names the right one") {
  HttpHub hub;
  for (const std::string path : {"/", "/mqtt", "/$iothub", "/$iothub/websockets", "/devices/d1",
                                 "/ws/mqtt", "/$iothub/websocket/x"}) {
    CAPTURE(path);
    hub.log.lines.clear();
    auto session = hub.connect();
    session->on_bytes(upgrade_request(path, "mqtt"), hub.now);
    CHECK_FALSE(session->take_upgrade());
    const auto answer = parse_answers(take_output(*session)).at(0);
    CHECK(answer.status == 400);
    CHECK(answer.body.find("/$iothub/websocket") != std::string::npos);
    CHECK(session->wants_close());
    CHECK(hub.log.contains("path=" + path));
    CHECK(hub.log.contains("there is no WebSocket at " + path +
                           ": MQTT and AMQP are at "
                           "/$iothub/websocket"));
  }
  // An upgrade to anything else is not ours to take: the request is answered.
  auto session = hub.connect();
  session->on_bytes("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                    hub.now);
  CHECK(parse_answers(take_output(*session)).at(0).status == 200);
}

TEST_CASE("H-55 shutdown: an idle connection just closes, a half request gets 503") {
  HttpHub hub;
  auto idle = hub.connect();
  idle->on_shutdown(hub.now);
  CHECK(idle->output().empty());
  CHECK(idle->wants_close());
  auto busy = hub.connect();
  busy->on_bytes("GET / HT", hub.now);
  busy->on_shutdown(hub.now);
  CHECK(parse_answers(take_output(*busy)).at(0).error() == "ServiceUnavailable");
  CHECK(busy->wants_close());
}

TEST_CASE("H-56 every answer has a request id of its own; no log line has a token or a query") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes(
      "GET /x?sig=secret HTTP/1.1\r\nHost: x\r\nAuthorization: SharedAccessSignature "
      "sr=a&sig=verysecret&se=1\r\n\r\nGET /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\n"
      "Authorization: SharedAccessSignature sr=a&sig=verysecret&se=1\r\n\r\n",
      hub.now);
  const auto answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].header("x-ms-request-id")->size() == 36);
  CHECK(answers[0].header("x-ms-request-id") != answers[1].header("x-ms-request-id"));
  CHECK_FALSE(hub.log.contains("secret"));
  CHECK(hub.log.contains("path=/devices"));
}

TEST_CASE("H-56 bytes may come in any cut and state of the session without harm") {
  HttpHub hub;
  auto session = hub.connect();
  session->on_bytes("", hub.now);
  session->on_wake(hub.now);
  session->on_time(hub.now);
  CHECK(session->output().empty());
  session->on_peer_closed(hub.now);
  session->on_bytes(get_root, hub.now);
  session->on_time(hub.now + 1h);
  session->on_shutdown(hub.now + 1h);
  CHECK(session->output().empty());
  CHECK(session->wants_close());
}

}  // namespace http::test
