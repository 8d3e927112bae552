// A token that ends while its owner is connected, over each protocol (spec/c2d.md 6.3, contract.md
// 6).
#include "tests/security/doors.hpp"

#include <proton/disposition.h>

#include <functional>

using namespace security;

namespace {

hub::Settings with(hub::Duration skew, hub::Duration grace) {
  hub::Settings settings;
  settings.sas_clock_skew = skew;
  settings.token_expiry_grace = grace;
  settings.mqtt_backlog =
      hub::MqttBacklog::keep;  // what was sent before a subscription is not rejected
  return settings;
}

struct Bench : HttpHub {
  explicit Bench(hub::Settings settings = {}) : HttpHub(settings) {
    create("d1");
    REQUIRE(send("d1", "one"));
  }
  std::string device_token(hub::Duration life) {
    return hub::make_sas_token("localhost/devices/d1", device_key, now + life);
  }
  std::string policy_token(hub::Duration life) {
    return hub::make_sas_token("localhost", well_known_key, now + life, "iothubowner");
  }
  std::size_t locked() { return hub.registry().get({"d1"}, now)->c2d_locked_count; }
};

const std::string filter = "devices/d1/messages/devicebound/#";

}  // namespace

TEST_CASE(
    "SEC-19 MQTT is cut at se, skew and grace, a policy's token like a device's; its locks "
    "return") {
  for (const auto& [skew, grace] : {std::pair{0s, 0s}, {0s, 60s}, {30s, 0s}, {30s, 60s}}) {
    for (const bool policy : {false, true}) {
      Bench bench(with(skew, grace));
      Mqtt mqtt(bench, {.device = "d1",
                        .password = policy ? bench.policy_token(10s) : bench.device_token(10s)});
      mqtt.subscribe(filter);
      REQUIRE(bench.send("d1", "two"));
      mqtt.run();
      CHECK(bench.locked() == 1);
      bench.advance(10s + skew + grace - 1ms);
      CHECK(mqtt.run().open());
      bench.advance(1ms);
      CHECK_FALSE(mqtt.run().open());
      CHECK(bench.locked() == 0);
      CHECK(bench.depth("d1") == 2);
      CHECK_FALSE(bench.hub.registry().get({"d1"}, bench.now)->connected);
    }
  }
}

TEST_CASE(
    "SEC-19 AMQP detaches what lives on the token, of devices and of the service, and nothing "
    "else") {
  for (const auto& [skew, grace] : {std::pair{0s, 0s}, {0s, 60s}, {30s, 0s}, {30s, 60s}}) {
    Bench bench(with(skew, grace));
    bench.create("d2");
    Amqp amqp(bench, bench.device_token(10s));
    REQUIRE((*amqp).put_token(hub::make_sas_token("localhost", well_known_key, bench.now + 20s,
                                                  "service")) == 200);
    REQUIRE((*amqp).put_token(
                hub::make_sas_token("localhost/devices/d2", device_key, bench.now + 30s)) == 200);
    pn_link_t* const device[] = {amqp.receiver(devicebound("d1")), amqp.sender(events("d1")),
                                 amqp.receiver("/devices/d1/twin"),
                                 amqp.sender("/devices/d1/methods/devicebound")};
    pn_link_t* const service[] = {amqp.sender("/messages/devicebound"),
                                  amqp.receiver("/messages/serviceBound/feedback"),
                                  amqp.receiver("/messages/serviceBound/filenotifications")};
    pn_link_t* const other[] = {amqp.receiver(devicebound("d2"))};
    CHECK((*amqp).receive(device[0]).size() == 1);
    CHECK(bench.locked() == 1);
    const auto attached = [&](auto& links) {
      (*amqp).run();
      for (pn_link_t* link : links) {
        if (!Client::is_attached(link)) {
          CHECK(Client::condition_of(link) == "amqp:unauthorized-access");
          return false;
        }
      }
      return true;
    };
    bench.advance(10s + skew + grace - 1ms);
    CHECK(attached(device));
    bench.advance(1ms);
    CHECK_FALSE(attached(device));
    CHECK(bench.locked() == 0);
    CHECK(amqp.receiver(devicebound("d1")) == nullptr);
    CHECK(attached(service));
    bench.advance(10s);
    CHECK_FALSE(attached(service));
    CHECK(amqp.sender("/messages/devicebound") == nullptr);
    CHECK(attached(other));
    bench.advance(10s);
    CHECK_FALSE(attached(other));
    CHECK((*amqp).is_open());  // a new token, and all goes on
    CHECK((*amqp).put_token(bench.device_token(10s)) == 200);
    CHECK(amqp.receiver(devicebound("d1")) != nullptr);
  }
}

TEST_CASE(
    "SEC-19 AMQP: what comes when the token has ended does nothing, be it before the timer fires") {
  Bench bench;
  Amqp amqp(bench, bench.device_token(10s));
  pn_link_t* in = amqp.receiver(devicebound("d1"));
  pn_link_t* out = amqp.sender(events("d1"));
  const auto received = (*amqp).receive(in);
  REQUIRE(received.size() == 1);
  bench.now += 10s;
  (*amqp).settle(received[0], PN_ACCEPTED);
  CHECK(bench.depth("d1") == 1);
  CHECK_FALSE(Client::is_attached(in));
  CHECK_FALSE(Client::is_attached(out));

  REQUIRE((*amqp).put_token(bench.device_token(10s)) == 200);
  out = amqp.sender(events("d1"));
  REQUIRE(out != nullptr);
  bench.now += 10s;
  CHECK((*amqp).send(out, amqp_test::Message().body("late")).state != PN_ACCEPTED);
  CHECK(bench.events().empty());
}

TEST_CASE("SEC-19 AMQP by SASL PLAIN ends with its token too") {
  Bench bench;
  Client::Options options;
  options.mechanism = "PLAIN";
  options.user = "d1@sas.localhost";
  options.password = bench.device_token(10s);
  Client client(bench, options);
  pn_link_t* link = client.receiver("c2d", devicebound("d1"));
  REQUIRE(Client::is_attached(link));
  bench.advance(10s);
  client.run();
  CHECK_FALSE(Client::is_attached(link));
}

TEST_CASE(
    "SEC-19 HTTPS looks at each call: the lock stays until its time, its owner needs a new token") {
  Bench bench(with(30s, 60s));  // the grace is for live connections only
  auto session = bench.connect();
  std::string lock;
  const auto status = [&](const std::string& method, const std::string& below,
                          const std::string& token) {
    session->on_bytes(
        http::test::to_wire({method, "/devices/d1/messages" + below + api_version, token, {}, {}}),
        bench.now);
    const auto answer = http::test::parse_answers(http::test::take_output(*session)).at(0);
    if (answer.status == 200) lock = answer.header("ETag").value();
    return answer.status;
  };
  const std::string token = bench.device_token(10s);
  CHECK(status("GET", "/deviceBound", token) == 200);
  bench.advance(40s - 1ms);
  CHECK(status("GET", "/deviceBound", token) == 204);
  bench.advance(1ms);
  CHECK(status("GET", "/deviceBound", token) == 401);
  CHECK(status("DELETE", "/deviceBound/" + lock, token) == 401);
  CHECK(bench.locked() == 1);
  CHECK_FALSE(session->wants_close());
  CHECK(status("DELETE", "/deviceBound/" + lock, bench.device_token(10s)) == 204);
}

TEST_CASE("SEC-19 a certificate does not end by itself") {
  Bench bench;
  hub::DeviceSpec spec;
  spec.id = {"x1"};
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(bench.hub.registry().create(spec, bench.now));
  const hub::ClientCertificate certificate{std::string(40, 'a'), std::string(64, 'b'), "x1"};
  Mqtt mqtt(bench, {.device = "x1", .certificate = certificate});
  REQUIRE(mqtt.open());
  for (int hour = 0; hour < 100; ++hour) {
    bench.advance(20min);  // below the keep-alive's cap
    mqtt.send(mqtt::Pingreq{});
  }
  CHECK(mqtt.open());
}
