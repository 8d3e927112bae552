// What an administrator changes, and what that means for those who come, those who are there, and
// the queue: each row of spec/c2d.md 6.5 over each protocol.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

#include <functional>

using namespace security;

namespace {

const std::string other_key = hub::base64_encode("another-key-of-32-bytes-.-.-.-.-");

// d1 with two messages that want feedback for everything.
struct Bench : HttpHub {
  explicit Bench(hub::Settings settings = {}) : HttpHub(keeping(settings)) {
    REQUIRE(hub.registry().create(keys("d1", device_key), now));
    REQUIRE(send("d1", "one"));
    REQUIRE(send("d1", "two"));
  }
  // Nobody's subscription rejects what was sent before it.
  static hub::Settings keeping(hub::Settings settings) {
    settings.mqtt_backlog = hub::MqttBacklog::keep;
    return settings;
  }
  std::string token(std::string_view key = device_key, hub::Duration life = 1h) {
    return hub::make_sas_token("localhost/devices/d1", key, now + life);
  }
  void update(const std::function<void(hub::DeviceSpec&)>& change) {
    hub::DeviceSpec spec;
    spec.id = {"d1"};
    change(spec);
    REQUIRE(hub.registry().update(spec, "*", now));
  }
  // New connections and calls: all of them, or none.
  bool lets_in(const std::string& credential) {
    const bool https_in =
        https(*this, "GET", "/devices/d1/messages/deviceBound", credential) != 401;
    CHECK((Amqp(*this, credential).status() == 200) == https_in);
    CHECK(Mqtt(*this, {.device = "d1", .password = credential}).accepted() == https_in);
    return https_in;
  }
  bool lets_in(const hub::ClientCertificate& certificate) {
    const bool https_in =
        call({"GET", "/devices/d1/messages/deviceBound" + api_version, {}, {}, {}}, certificate)
            .status != 401;
    CHECK((Amqp(*this, certificate).receiver(devicebound("d1")) != nullptr) == https_in);
    CHECK(Mqtt(*this, {.device = "d1", .certificate = certificate}).accepted() == https_in);
    return https_in;
  }
};

// A device that is connected over AMQP: one link each way.
struct LiveAmqp {
  explicit LiveAmqp(Bench& bench) : LiveAmqp(bench, bench.token()) {}
  template <class Credential>
  LiveAmqp(Bench& bench, const Credential& credential) : amqp(bench, credential) {
    in = amqp.receiver(devicebound("d1"));
    out = amqp.sender(events("d1"));
    REQUIRE(in != nullptr);
    REQUIRE(out != nullptr);
  }
  void run() { (*amqp).run(); }
  bool up() {
    run();
    CHECK(Client::is_attached(in) == Client::is_attached(out));
    return Client::is_attached(in);
  }
  Amqp amqp;
  pn_link_t *in, *out;
};

struct LiveMqtt : Mqtt {
  explicit LiveMqtt(Bench& bench) : LiveMqtt(bench, bench.token()) {}
  LiveMqtt(Bench& bench, const std::string& token)
      : Mqtt(bench, {.device = "d1", .password = token}) {
    subscribe("devices/d1/messages/devicebound/#");
    REQUIRE(open());
  }
  bool up() { return run().open(); }
};

const hub::ClientCertificate certificate{std::string(40, 'a'), std::string(64, 'b'), "d1"};

void to_certificate(hub::DeviceSpec& spec) {
  spec.authentication_type = hub::AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(40, 'a');
}

}  // namespace

TEST_CASE(
    "SEC-18 disabled: nobody comes in, who is there is closed, the queue stays and its times run") {
  const auto disable = [](hub::DeviceSpec& spec) { spec.status = hub::DeviceStatus::disabled; };
  Bench bench;
  {
    LiveAmqp amqp(bench);
    bench.update(disable);
    CHECK_FALSE(amqp.up());
    CHECK(Client::condition_of(amqp.in) == "amqp:link:detach-forced");
    CHECK(amqp.amqp.receiver(devicebound("d1")) == nullptr);  // the connection is there still
    bench.update([](hub::DeviceSpec& spec) { spec.status = hub::DeviceStatus::enabled; });
    CHECK(amqp.amqp.receiver(devicebound("d1")) != nullptr);
  }
  {
    LiveMqtt mqtt(bench);
    bench.update(disable);
    CHECK_FALSE(mqtt.up());
  }
  CHECK_FALSE(bench.lets_in(bench.token()));
  CHECK(bench.depth("d1") == 2);
  CHECK_FALSE(bench.hub.registry().get({"d1"}, bench.now)->connected);
  CHECK(bench.send("d1", "three").error().code == hub::HubErrc::device_not_found);
  bench.advance(2h);  // beyond the default time to live
  CHECK(bench.depth("d1") == 0);
  const auto feedback = bench.feedback();
  REQUIRE(feedback.size() == 1);
  CHECK(::test::count(feedback[0], "\"statusCode\":\"Expired\"") == 2);

  bench.update(to_certificate);  // a certificate opens no disabled device either
  CHECK_FALSE(bench.lets_in(certificate));
  bench.update([](hub::DeviceSpec& spec) { spec.status = hub::DeviceStatus::enabled; });
  CHECK(bench.lets_in(certificate));
}

TEST_CASE(
    "SEC-18 deleted: nobody comes in, who is there is closed, the queue goes without a word") {
  for (const bool over_amqp : {true, false}) {
    Bench bench;
    std::optional<LiveAmqp> amqp;
    std::optional<LiveMqtt> mqtt;
    if (over_amqp) {
      amqp.emplace(bench);
    } else {
      mqtt.emplace(bench);
    }
    REQUIRE(bench.hub.registry().remove({"d1"}, "*", bench.now));
    CHECK_FALSE((over_amqp ? amqp->up() : mqtt->up()));
    if (over_amqp) CHECK(amqp->amqp.receiver(devicebound("d1")) == nullptr);
    CHECK_FALSE(bench.lets_in(bench.token()));
    const std::string owner = bench.policy_token();
    CHECK(https(bench, "GET", "/devices/d1", owner) == 404);
    CHECK(https(bench, "DELETE", "/devices/d1/commands", owner) == 404);
    CHECK(https(bench, "GET", "/devices/d1/messages/deviceBound", owner) == 401);
    bench.advance(49h);
    CHECK(bench.feedback().empty());
  }
}

TEST_CASE("SEC-18 made anew: the old keys, locks, links and subscriptions are worth nothing") {
  Bench bench;
  const std::string old_token = bench.token(device_key, 100h);
  {
    LiveMqtt mqtt(bench);  // leaves a stored session
  }
  const auto old_lock = bench.get("d1")->lock_token.to_text();
  const auto generation = bench.hub.registry().get({"d1"}, bench.now)->identity.generation_id;
  LiveAmqp amqp(bench);
  REQUIRE(bench.hub.registry().remove({"d1"}, "*", bench.now));
  REQUIRE(bench.hub.registry().create(keys("d1", other_key), bench.now));
  CHECK(bench.hub.registry().get({"d1"}, bench.now)->identity.generation_id != generation);
  CHECK(bench.depth("d1") == 0);
  CHECK_FALSE(bench.lets_in(old_token));
  CHECK_FALSE(amqp.up());
  CHECK(amqp.amqp.receiver(devicebound("d1")) == nullptr);
  CHECK(https(bench, "DELETE", "/devices/d1/messages/deviceBound/" + old_lock,
              bench.token(other_key)) == 412);

  REQUIRE(bench.send("d1", "three"));
  Mqtt mqtt(bench, {.device = "d1", .password = bench.token(other_key)});
  CHECK(mqtt.accepted());
  CHECK(mqtt.take().empty());  // no subscription, no message
  mqtt.subscribe("devices/d1/messages/devicebound/#");
  REQUIRE(bench.send("d1", "four"));
  CHECK(mqtt.take().size() == 2);  // SUBACK, and the message that came after it

  // With the same key too: a proof of who somebody was is no proof for his successor.
  LiveAmqp second(bench, bench.token(other_key));
  REQUIRE(bench.hub.registry().remove({"d1"}, "*", bench.now));
  REQUIRE(bench.hub.registry().create(keys("d1", other_key), bench.now));
  CHECK_FALSE(second.up());
  CHECK(second.amqp.receiver(devicebound("d1")) == nullptr);
  CHECK((*second.amqp).put_token(bench.token(other_key)) == 200);
  CHECK(second.amqp.receiver(devicebound("d1")) != nullptr);
}

TEST_CASE("SEC-18 a new key: the old one opens nothing; who is there stays until his token ends") {
  Bench bench;
  LiveAmqp amqp(bench);
  bench.update([](hub::DeviceSpec& spec) {
    spec.primary_key = other_key;
    spec.secondary_key = other_key;
  });
  CHECK(amqp.up());
  CHECK((*amqp.amqp).put_token(bench.token()) == 401);  // no renewal with the old key
  CHECK(amqp.up());
  CHECK((*amqp.amqp).put_token(bench.token(other_key, 400s)) == 200);
  bench.advance(400s - 1ms);
  CHECK(amqp.up());
  bench.advance(1ms);
  CHECK_FALSE(amqp.up());

  REQUIRE(bench.send("d1", "three"));
  LiveMqtt mqtt(bench, bench.token(other_key, 400s));
  bench.update([](hub::DeviceSpec& spec) { spec.primary_key = spec.secondary_key = device_key; });
  CHECK(mqtt.up());
  bench.advance(400s - 1ms);
  CHECK(mqtt.up());
  CHECK(bench.depth("d1") == 3);  // kept
  bench.advance(1ms);
  CHECK_FALSE(mqtt.up());
  CHECK_FALSE(bench.lets_in(bench.token(other_key)));
  CHECK(bench.lets_in(bench.token()));
}

TEST_CASE(
    "SEC-18 another authentication type: the old method opens nothing, who is there is closed") {
  Bench bench;
  {
    LiveAmqp amqp(bench);
    bench.update(to_certificate);
    CHECK_FALSE(amqp.up());
    CHECK(amqp.amqp.receiver(devicebound("d1")) ==
          nullptr);  // nor a link with the token put before
    CHECK(amqp.amqp.sender(events("d1")) == nullptr);
  }
  CHECK(bench.depth("d1") == 2);
  CHECK_FALSE(bench.lets_in(bench.token()));
  CHECK(bench.lets_in(certificate));
  {
    LiveAmqp amqp(bench, certificate);
    bench.update([](hub::DeviceSpec& spec) {
      spec.authentication_type = hub::AuthenticationType::sas;
      spec.primary_key = spec.secondary_key = device_key;
    });
    CHECK_FALSE(amqp.up());
    CHECK(amqp.amqp.receiver(devicebound("d1")) == nullptr);
  }
  CHECK(bench.lets_in(bench.token()));
  CHECK_FALSE(bench.lets_in(certificate));
  LiveMqtt mqtt(bench);
  bench.update(to_certificate);
  CHECK_FALSE(mqtt.up());
  CHECK(bench.depth("d1") == 2);
}

TEST_CASE("SEC-18 another thumbprint: the old certificate opens nothing, who is there stays") {
  Bench bench;
  bench.update(to_certificate);
  LiveAmqp amqp(bench, certificate);
  bench.update([](hub::DeviceSpec& spec) { spec.primary_thumbprint = std::string(40, 'c'); });
  CHECK(amqp.up());
  CHECK_FALSE(bench.lets_in(certificate));
  CHECK(bench.lets_in(hub::ClientCertificate{std::string(40, 'c'), std::string(64, 'd'), "d1"}));
}

TEST_CASE("SEC-18 a policy with a new key or gone: its old tokens open nothing after the restart") {
  Bench before;
  const std::string old_policy = before.policy_token();
  auto policies = hub::default_policies(well_known_key);
  policies[0].primary_key = policies[0].secondary_key = other_key;  // iothubowner
  policies.pop_back();                                              // registryReadWrite
  HttpHub after({}, false, policies);  // policies are those of the start: flags and seed
  CHECK(https(after, "GET", "/devices", old_policy) == 401);
  CHECK(Amqp(after, old_policy).status() == 401);
  CHECK(https(after, "GET", "/devices",
              hub::make_sas_token("localhost", other_key, after.now + 1h, "iothubowner")) == 200);
  CHECK(https(after, "GET", "/devices", after.policy_token("registryRead")) == 200);
  CHECK(https(after, "GET", "/devices", after.policy_token("registryReadWrite")) == 401);
}
