// A module that has its device's key, over each protocol: the C SDK's suite and the identity
// service do it so.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

using namespace security;

namespace {

const std::string module_events = "/devices/d1/modules/m/messages/events";

struct Bench : HttpHub {
  Bench() {
    create("d1");
    create_module("d1", "m");
    REQUIRE(hub.registry().create(keys("d2", key_of_d2), now));
    create_module("d2", "m");
  }
  std::string token(const std::string& sr, std::string_view key = device_key) {
    return hub::make_sas_token("localhost" + sr, key, now + 1h);
  }
  bool over_https(const std::string& credential) {
    return https(*this, "POST", module_events, credential, "x") == 204;
  }
  bool over_mqtt(const std::string& credential) {
    Mqtt mqtt(*this, {.device = "d1/m", .password = credential});
    return mqtt.accepted() &&
           mqtt.publish("devices/d1/modules/m/messages/events/").take().back() == "PUBACK";
  }
  bool over_amqp_cbs(const std::string& credential) {
    Amqp amqp(*this, credential);
    return amqp.sender(module_events) != nullptr;
  }
  bool over_amqp_plain(const std::string& credential) {
    Client::Options plain;
    plain.mechanism = "PLAIN";
    plain.user = "d1/modules/m@sas.localhost";
    plain.password = credential;
    Client client(*this, plain);
    return client.is_open() && Client::is_attached(client.sender("link", module_events));
  }

  const std::string key_of_d2 = hub::base64_encode("the key of d2, of 32 bytes -----");
};

}  // namespace

TEST_CASE(
    "MOD-23 a module gets in with its device's key over every protocol, in a token for either") {
  Bench bench;
  for (const std::string sr : {"/devices/d1", "/devices/d1/modules/m"}) {
    CAPTURE(sr);
    const std::string token = bench.token(sr);
    CHECK(bench.over_https(token));
    CHECK(bench.over_mqtt(token));
    CHECK(bench.over_amqp_cbs(token));
    CHECK(bench.over_amqp_plain(token));
  }
  for (const std::string& token :
       {bench.token("/devices/d2", bench.key_of_d2),
        bench.token("/devices/d2/modules/m", bench.key_of_d2),
        bench.token("/devices/d1/modules/m", bench.key_of_d2),
        bench.token("/devices/d1", bench.key_of_d2), bench.token("/devices/d1/modules/n"),
        bench.token("/devices/d1/messages/events"), bench.token("")}) {
    CAPTURE(token);
    CHECK_FALSE(bench.over_https(token));
    CHECK_FALSE(bench.over_mqtt(token));
    CHECK_FALSE(bench.over_amqp_cbs(token));
    CHECK_FALSE(bench.over_amqp_plain(token));
  }
}

TEST_CASE("MOD-23 a token for a module alone opens nothing of its device, whoever signed it") {
  Bench bench;
  const std::string token = bench.token("/devices/d1/modules/m");
  CHECK(https(bench, "GET", "/devices/d1/messages/deviceBound", token) == 401);
  CHECK_FALSE(Mqtt(bench, {.device = "d1", .password = token}).accepted());
  Amqp amqp(bench, token);
  CHECK(amqp.receiver(devicebound("d1")) == nullptr);
  CHECK(amqp.sender(events("d1")) == nullptr);
}

TEST_CASE("MOD-23 on one AMQP connection each token opens what it covers, and its end ends that") {
  Bench bench;
  const std::string short_lived =
      hub::make_sas_token("localhost/devices/d1", device_key, bench.now + 60s);
  Amqp amqp(bench, bench.token("/devices/d1/modules/m"));
  CHECK(amqp.sender(events("d1")) == nullptr);
  CHECK((*amqp).put_token(short_lived) == 200);
  pn_link_t* device = amqp.sender(events("d1"));
  pn_link_t* module = amqp.sender(module_events);
  REQUIRE(device != nullptr);
  REQUIRE(module != nullptr);
  bench.now += 60s;
  (*amqp).run();
  CHECK_FALSE(Client::is_attached(device));
  CHECK(Client::is_attached(module));
}
