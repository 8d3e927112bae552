#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

const Lines accepted{"CONNACK 0 present=0"};
const Lines refused{"CONNACK 5 present=0"};

hub::ClientCertificate certificate(std::string sha1) {
  return {std::move(sha1), std::string(64, 'b'), "x509dev"};
}

}  // namespace

TEST_CASE("a device connects with a token of its own key") {
  World world;
  world.add_device("dev1");
  Client client(world);
  CHECK(client.connect("dev1").take() == accepted);
  CHECK_FALSE(client.closed());
  CHECK(world.hub.registry().get({"dev1"}, world.now)->connected);
  client.send(mqtt::Disconnect{});
  CHECK(client.closed());
  CHECK_FALSE(world.hub.registry().get({"dev1"}, world.now)->connected);
}

TEST_CASE("M-12 the signature is checked over the raw sr text") {
  World world;
  world.add_device("dev1");
  for (const auto* sr :
       {"hub.local/devices/dev1", "hub.local%2Fdevices%2Fdev1", "hub.local%2fdevices%2fdev1"}) {
    const std::string se = std::to_string(hub::to_unix_ms(world.now) / 1000 + 60);
    const std::string sig = hub::percent_encode(hub::base64_encode(
        hub::hmac_sha256(*hub::base64_decode(device_key), std::string(sr) + "\n" + se)));
    // Java's order of fields.
    const std::string token = "SharedAccessSignature sig=" + sig + "&se=" + se + "&sr=" + sr;
    Client client(world);
    CHECK(client.connect("dev1", {.password = token}).take() == accepted);
  }
}

TEST_CASE("M-04 M-10 any host name will do, and a user name without a query") {
  World world;
  world.add_device("dev1");
  for (const auto* username : {"hub.local/dev1", "127.0.0.1:8883/dev1/?api-version=1",
                               "localhost/dev1/api-version=x", "hub.azure-devices.net/dev1/"}) {
    Client client(world);
    CHECK(client.connect("dev1", {.username = username}).take() == accepted);
  }
}

TEST_CASE("M-13 a policy token with DeviceConnect stands for any device") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1", {.password = world.policy_token("device", "hub.local")});
  CHECK(client.take() == accepted);
  Client narrowed(world);
  narrowed.connect("dev1", {.password = world.policy_token("device", "hub.local/devices/dev2")});
  CHECK(narrowed.take() == refused);
  Client service(world);
  service.connect("dev1", {.password = world.policy_token("service", "hub.local")});
  CHECK(service.take() == refused);
}

TEST_CASE("CONNACK 5 for whatever is wrong with the identity, and the reason in the log") {
  World world;
  world.add_device("dev1");
  world.add_device("dev2");
  world.add_device("off");
  world.set_status("off", hub::DeviceStatus::disabled);
  const auto check = [&](const ConnectOptions& options, std::string_view device,
                         std::string_view reason) {
    CAPTURE(reason);
    world.log.lines.clear();
    Client client(world);
    CHECK(client.connect(device, options).take() == refused);
    CHECK(client.closed());
    CHECK(world.log.contains(reason));
    const std::string password = options.password.value_or(world.token(device));
    const auto signature = password.find("sig=");
    if (signature != std::string::npos) {
      CHECK_FALSE(world.log.contains(password.substr(signature, 24)));
    }
  };
  check({}, "nobody", "not registered");
  check({}, "off", "disabled");
  check({.password = world.token("dev2")}, "dev1", "scope does not cover");
  check({.password = hub::make_sas_token("h/devices/dev1", policy_key, world.now + 1h)}, "dev1",
        "signature fits neither key");
  check({.password = "secret"}, "dev1", "no SharedAccessSignature");
  check({.password = world.token("dev1", 0s)}, "dev1", "expired");  // M-14
  check({.no_password = true}, "dev1", "neither a token");
  check({.client_id = "dev2"}, "dev1", "client id is not the device id");
  check({.client_id = "Dev1"}, "dev1", "client id is not the device id");
  check({.client_id = ""}, "dev1", "client id is not the device id");
  check({.username = "dev1"}, "dev1", "user name is not");
}

TEST_CASE("CONNACK 5 without a user name") {
  World world;
  Client client(world);
  mqtt::Connect packet;
  packet.client_id = "dev1";
  CHECK(client.send(packet).take() == refused);
}

TEST_CASE("M-14 the clock skew setting lets an expired token in") {
  hub::Settings settings;
  settings.sas_clock_skew = 300s;
  World world(settings);
  world.add_device("dev1");
  const std::string token = world.token("dev1", 10s);
  world.pass(309s);
  Client client(world);
  CHECK(client.connect("dev1", {.password = token}).take() == accepted);
  CHECK(client.session->next_deadline() == world.now + 1s);  // contract.md 6: se + skew
}

TEST_CASE("X.509: the certificate counts when there is no password, or an empty one") {
  World world;
  const std::string thumbprint(40, 'a');
  world.add_certificate_device("x509dev", thumbprint);
  world.add_device("dev1");
  Client no_password(world, certificate(thumbprint));
  CHECK(no_password.connect("x509dev", {.no_password = true}).take() == accepted);
  no_password.publish("devices/x509dev/messages/events/");
  CHECK(world.events().at(0)->origin->auth_method.find(R"("type":"x509")") != std::string::npos);
  Client empty_password(world, certificate(thumbprint));
  CHECK(empty_password.connect("x509dev", {.password = ""}).take() == accepted);
  Client other(world, certificate(std::string(40, 'c')));
  CHECK(other.connect("x509dev", {.no_password = true}).take() == refused);
  Client none(world);
  CHECK(none.connect("x509dev", {.no_password = true}).take() == refused);
  // One method per device (6.4).
  Client wrong_type(world, certificate(thumbprint));
  CHECK(wrong_type.connect("dev1", {.no_password = true}).take() == refused);
  Client token(world, certificate(thumbprint));
  CHECK(token.connect("x509dev").take() == refused);
}

TEST_CASE("M-70 another protocol level gets CONNACK 1 and a closed connection") {
  World world;
  Client client(world);
  client.send_bytes({"\x10\x10\0\x04MQTT\x05\x02\0\x3c\0\0\x01x\0\0", 18});
  CHECK(client.session->output() == std::string_view("\x20\x02\x00\x01", 4));
  CHECK(client.closed());
  CHECK(world.log.contains("MQTT level 5"));
}

TEST_CASE("a protocol name other than MQTT is closed without CONNACK") {
  World world;
  Client client(world);
  client.send_bytes({"\x10\x0e\0\x06MQIsdp\x03\x02\0\x3c\0\0", 16});
  CHECK(client.session->output().empty());
  CHECK(client.closed());
}

TEST_CASE("M-60 the first packet must be CONNECT, and only the first") {
  World world;
  world.add_device("dev1");
  Client early(world);
  early.send(mqtt::Pingreq{});
  CHECK(early.closed());
  CHECK(world.log.contains("the first packet is not CONNECT"));
  Client twice(world);
  twice.connect("dev1").connect("dev1");
  CHECK(twice.closed());
  CHECK(twice.take() == accepted);
  CHECK(world.log.contains("a second CONNECT"));
}

TEST_CASE("60 s without CONNECT close the connection, bytes or not") {
  World world;
  Client client(world);
  CHECK(client.session->next_deadline() == world.now + 60s);
  world.pass(59s);
  client.send_bytes("\x10").run();
  CHECK_FALSE(client.closed());
  world.pass(1s);
  client.run();
  CHECK(client.closed());
  CHECK(world.log.contains("no CONNECT within 60 s"));
}

TEST_CASE("M-18 the keep-alive is 1.5 times the client's, capped at 1767 s; 0 is the cap") {
  World world;
  world.add_device("dev1");
  const std::pair<std::uint16_t, hub::Duration> cases[] = {
      {1, 1500ms},   {60, 90s},      {240, 360s}, {1177, 1765500ms},
      {1178, 1767s}, {65535, 1767s}, {0, 1767s}};
  for (const auto& [asked, granted] : cases) {
    Client client(world);
    const std::string password = world.token("dev1", 24h);
    client.connect("dev1", {.password = password, .keep_alive_s = asked});
    CHECK(client.session->next_deadline() == world.now + granted);
  }
}

TEST_CASE("M-18 any packet resets the keep-alive; silence closes") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1", {.keep_alive_s = 10});
  CHECK(client.session->output_promises());
  client.take();
  world.pass(14s);
  client.send(mqtt::Pingreq{});
  CHECK_FALSE(client.session->output_promises());  // N-46
  CHECK(client.take() == Lines{"PINGRESP"});
  world.pass(14s);
  client.run();
  CHECK_FALSE(client.closed());
  world.pass(1s);
  client.run();
  CHECK(client.closed());
  CHECK(client.session->output().empty());
  CHECK(world.log.contains("keep-alive timeout"));
}

TEST_CASE("M-15 the token's end cuts a live connection, after the grace that is set") {
  for (const auto grace : {hub::Duration{0}, hub::Duration{600s}}) {
    hub::Settings settings;
    settings.token_expiry_grace = grace;
    World world(settings);
    world.add_device("dev1");
    Client client(world);
    client.connect("dev1", {.password = world.token("dev1", 20s), .keep_alive_s = 0});
    world.pass(grace + 19s);
    client.publish("devices/dev1/messages/events/", "before").run();
    CHECK_FALSE(client.closed());
    CHECK(client.session->next_deadline() == world.now + 1s);
    world.pass(1s);
    client.publish("devices/dev1/messages/events/", "after");  // even before the timer fires
    CHECK(client.closed());
    CHECK(world.events().size() == 1);
    CHECK(world.log.contains("the token expired"));
  }
}

TEST_CASE("M-60 C2D-36 a newer connection of the device drops the older one") {
  World world;
  world.add_device("dev1");
  Client old_one(world), new_one(world);
  old_one.connect("dev1").take();
  Client stranger(world);
  stranger.connect("dev1", {.password = "wrong"});
  old_one.run();
  CHECK_FALSE(old_one.closed());  // only an authenticated one
  new_one.connect("dev1");
  old_one.run();
  CHECK(old_one.closed());
  CHECK(world.log.contains("a newer connection of the same identity took over"));
  new_one.run();
  CHECK_FALSE(new_one.closed());
  CHECK(world.hub.registry().get({"dev1"}, world.now)->connected);
}

TEST_CASE("a connection taken over does nothing more, even before it is woken") {
  World world;
  world.add_device("dev1");
  Client old_one(world), new_one(world);
  old_one.connect("dev1").take();
  new_one.connect("dev1");
  old_one.publish("devices/dev1/messages/events/", "late");
  CHECK(old_one.closed());
  CHECK(old_one.take().empty());
  CHECK(world.events().empty());
}

TEST_CASE("M-60 a device that is disabled or deleted while connected is cut") {
  World world;
  world.add_device("dev1");
  world.add_device("dev2");
  Client one(world), two(world);
  one.connect("dev1");
  two.connect("dev2");
  world.set_status("dev1", hub::DeviceStatus::disabled);
  REQUIRE(world.hub.registry().remove({"dev2"}, std::nullopt, world.now).has_value());
  CHECK(one.run().closed());
  CHECK(two.run().closed());
  CHECK(world.log.contains("the device was disabled"));
  CHECK(world.log.contains("the identity was deleted"));
}

TEST_CASE("packets behind CONNECT in the same read are processed after it") {
  World world;
  world.add_device("dev1");
  Client client(world);
  std::string bytes;
  const std::string password = world.token("dev1");
  mqtt::Connect connect;
  connect.client_id = "dev1";
  connect.username = "hub.local/dev1/?api-version=1";
  connect.password = password;
  mqtt::encode(bytes, connect);
  mqtt::encode(bytes, mqtt::Subscribe{5, {{"devices/dev1/messages/devicebound/#", 1}}});
  mqtt::encode(bytes, mqtt::Publish{false, 1, false, "devices/dev1/messages/events/", 6, "x"});
  client.send_bytes(bytes);
  CHECK(client.take() == Lines{"CONNACK 0 present=0", "SUBACK id=5 1", "PUBACK id=6"});
}

TEST_CASE("M-16 M-17 session present says whether there is a stored session") {
  World world;
  world.add_device("dev1");
  const auto connect = [&](bool clean) {
    Client client(world);
    client.connect("dev1", {.clean_session = clean});
    return client.take().at(0);
  };
  CHECK(connect(false) == "CONNACK 0 present=0");
  CHECK(connect(false) == "CONNACK 0 present=0");  // never subscribed: nothing to go on with
  {
    Client client(world);
    client.connect("dev1").subscribe("$iothub/twin/res/#", 0);
  }
  CHECK(connect(false) == "CONNACK 0 present=1");
  CHECK(connect(true) == "CONNACK 0 present=0");
  CHECK(connect(false) == "CONNACK 0 present=0");  // the clean one deleted it
  {
    Client client(world);
    client.connect("dev1", {.clean_session = true}).subscribe("$iothub/twin/res/#", 0);
  }
  CHECK(connect(false) == "CONNACK 0 present=0");  // nor is its own kept
}

TEST_CASE("M-16 deleting the identity deletes its session") {
  World world;
  world.add_device("dev1");
  {
    Client client(world);
    client.connect("dev1").subscribe(c2d_filter("dev1"));
  }
  REQUIRE(world.hub.registry().remove({"dev1"}, std::nullopt, world.now).has_value());
  world.add_device("dev1");
  Client client(world);
  CHECK(client.connect("dev1").take() == accepted);
}

TEST_CASE("a stopping server closes, with the reason in the log") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1").take();
  client.session->on_shutdown(world.now);
  CHECK(client.closed());
  CHECK_FALSE(client.session->next_deadline().has_value());
  CHECK(world.log.contains("the emulator is stopping"));
}

TEST_CASE("M-72 devices of 2016 log in: the user name's query has neither ? nor api-version") {
  World world;
  world.add_device("dev1");
  Client client(world);
  client.connect("dev1", {.username = "hub.local/dev1/DeviceClientType=azure-iot-device%2F1.0.15"});
  CHECK(client.take() == Lines{"CONNACK 0 present=0"});
  CHECK(world.log.contains("client=azure-iot-device/1.0.15"));
}
