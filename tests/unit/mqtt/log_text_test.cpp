// What the log says when a device is refused, cut or not understood: who, why in the user's terms,
// and what to do; at `warn`, without a rule's number and without a secret.
#include <functional>
#include <regex>

#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;
using namespace std::string_literals;

namespace {

constexpr std::string_view events = "devices/dev1/messages/events/";

struct Row {
  std::string name;
  std::function<void(World&, Client&)> happens;  // the client is connected as dev1, and subscribed
  std::vector<std::string> says;                 // who, why, remedy
};

// The same for somebody who is not connected yet.
Row at_login(std::string name, std::function<void(World&, Client&)> happens,
             std::vector<std::string> says) {
  return {std::move(name),
          [happens = std::move(happens)](World& world, Client&) {
            Client newcomer(world);
            happens(world, newcomer);
            newcomer.run();
          },
          std::move(says)};
}

Row with_bytes(std::string name, std::string bytes, std::vector<std::string> says) {
  return at_login(
      std::move(name), [bytes = std::move(bytes)](World&, Client& c) { c.send_bytes(bytes); },
      std::move(says));
}

std::vector<Row> rows() {
  const std::string dev1 = "device=dev1", peer = "peer=127.0.0.1:1234";
  return {
      with_bytes("MQTT 5",
                 "\x10\x16\0\x04MQTT\x05\x02\0\x3c\x05\x11\0\0\0\0\0\x04"
                 "dev1"s,
                 {"client id 'dev1'", "MQTT level 5, which is MQTT 5; the hub speaks 3.1.1",
                  "set the client's protocol version"}),
      with_bytes("MQTT 3.1",
                 "\x10\x12\0\x06MQIsdp\x03\x02\0\x3c\0\x04"
                 "dev1"s,
                 {peer, "'MQIsdp', which is MQTT 3.1", "protocol version to MQTT 3.1.1"}),
      with_bytes("a bridge",
                 "\x10\x10\0\x04MQTT\x84\x02\0\x3c\0\x04"
                 "dev1"s,
                 {"client id 'dev1'", "MQTT level 132, a bridge's own form", "try_private false"}),
      with_bytes("TLS on the plain port", "\x16\x03\x01"s,
                 {peer, "wrong flags", "a TLS handshake's: this port is without TLS"}),
      with_bytes("HTTP", "GET / HTTP/1.1\r\n"s,
                 {peer, "the first byte is 'G'", "HTTP has another port"}),
      with_bytes("something before the login", "\xC0\0"s,
                 {peer, "the first packet is not CONNECT", "needs a login before it"}),
      with_bytes("flags",
                 "\x10\x0e\0\x04MQTT\x04\x40\0\x3c\0\x02"
                 "d1"s,
                 {peer, "flags that contradict", "a password needs a user name"}),
      with_bytes("a packet cut short", "\x10\x04\0\x04MQ"s,
                 {peer, "ends before its fields do", "is the client one of MQTT 3.1.1?"}),
      at_login("silence", [](World& world, Client&) { world.pass(60s); },
               {peer, "no CONNECT within 60 s", "is the client one of MQTT?"}),
      at_login("no user name",
               [](World&, Client& c) {
                 mqtt::Connect packet;
                 packet.client_id = "dev1";
                 c.send(packet);
               },
               {"client id 'dev1'", "the user name is not {host}/{device id}", "there is none"}),
      at_login("another user name",
               [](World&, Client& c) { c.connect("dev1", {.username = "dev1"}); },
               {"client id 'dev1'", "it is 'dev1'", "{host}/{device id}[/{module id}]"}),
      at_login("a connection string as user name",
               [](World&, Client& c) {
                 c.connect("dev1", {.username = "HostName=h;SharedAccessKey=a/secret"});
               },
               {"client id 'dev1'", "it is a connection string", "a token is the password"}),
      at_login("a connection string as client id",
               [](World&, Client& c) {
                 c.connect("dev1", {.client_id = "HostName=h;SharedAccessKey=secret"});
               },
               {"client id '(a connection string or token)'", "which says 'dev1'"}),
      at_login("another client id",
               [](World&, Client& c) { c.connect("dev1", {.client_id = "mosq-1"}); },
               {"client id 'mosq-1'", "the client id is not the device id", "which says 'dev1'"}),
      at_login("no password", [](World&, Client& c) { c.connect("dev1", {.no_password = true}); },
               {"client id 'dev1'", "neither a token as the password nor a client certificate",
                "SharedAccessSignature sr=…&sig=…&se=…"}),
      at_login("a connection string as password",
               [](World&, Client& c) {
                 c.connect("dev1", {.password = "HostName=h;DeviceId=dev1;SharedAccessKey=secret"});
               },
               {"client id 'dev1'", "the token is a connection string", "sign one with its key"}),
      at_login(
          "two spaces in a token",
          [](World&, Client& c) {
            c.connect("dev1", {.password = "SharedAccessSignature  sr=h&sig=x&se=1"});
          },
          {"client id 'dev1'", "the token has more than one space behind SharedAccessSignature"}),
      at_login(
          "half a token",
          [](World&, Client& c) {
            c.connect("dev1", {.password = "SharedAccessSignature sr=h&sig=x"});
          },
          {"client id 'dev1'", "the token lacks se", "its form is SharedAccessSignature sr=…"}),
      {"a second login",
       [](World&, Client& c) { c.connect("dev1"); },
       {dev1, "a second CONNECT", "once on a connection"}},
      {"a wildcard in a topic",
       [](World&, Client& c) { c.publish(std::string(events) + "a=1+1"); },
       {dev1, "a wildcard in a topic name: 'devices/dev1/messages/events/a=1+1'", "%2B for +"}},
      {"too large",
       [](World&, Client& c) { c.publish(events, std::string(300'000, 'x')); },
       {dev1, "300037 bytes, of at most 262144", "to topic 'devices/dev1/messages/events/'; send"}},
      {"QoS 2",
       [](World&, Client& c) { c.publish(events, "x", 2); },
       {dev1, "PUBLISH at QoS 2", "use QoS 1", "topic=devices/dev1/messages/events/"}},
      {"QoS 3",
       [](World&, Client& c) { c.send_bytes("\x36\x05\0\x01t\0\x01"s); },
       {dev1, "QoS 3", "the hub takes 0 and 1"}},
      {"no packet id",
       [](World&, Client& c) { c.send_bytes("\x32\x05\0\x01t\0\0"s); },
       {dev1, "packet id 0", "1 to 65535"}},
      {"no topic",
       [](World&, Client& c) { c.send_bytes("\x30\x02\0\0"s); },
       {dev1, "an empty topic", "devices/{id}/messages/events/"}},
      {"no UTF-8",
       [](World&, Client& c) { c.send_bytes("\x30\x04\0\x02\xC3\x28"s); },
       {dev1, "no UTF-8", "topics, ids and user names are UTF-8"}},
      {"part of QoS 2",
       [](World&, Client& c) { c.send(mqtt::Pubrel{1}); },
       {dev1, "PUBREL belongs to QoS 2", "use QoS 1"}},
      {"a server's packet",
       [](World&, Client& c) { c.send(mqtt::Pingresp{}); },
       {dev1, "PINGRESP is not for a server", "only a server sends it"}},
      {"another's topic",
       [](World&, Client& c) { c.publish("devices/dev2/messages/events/"); },
       {dev1, "the topic of another identity", "publishes as itself", "topic=devices/dev2/"}},
      {"another topic",
       [](World&, Client& c) { c.publish("home/kitchen"); },
       {dev1, "a topic the hub does not know", "messages/events/", "topic=home/kitchen"}},
      {"a twin request without an id",
       [](World&, Client& c) { c.publish("$iothub/twin/GET/"); },
       {dev1, "a twin request without $rid", "$iothub/twin/GET/?$rid={id}"}},
      {"a filter that is none",
       [](World&, Client& c) { c.subscribe("a#"); },
       {dev1, "a misplaced wildcard: 'a#'", "# stands alone at the end"}},
      {"another's filter",
       [](World&, Client& c) { c.subscribe(c2d_filter("dev2")); },
       {dev1, "SUBSCRIBE to a topic of another identity", "gets its own", "topic=devices/dev2/"}},
      {"a filter without #",
       [](World&, Client& c) { c.subscribe("devices/dev1/messages/devicebound/"); },
       {dev1, "nothing the hub sends can match", "devices/{id}/messages/devicebound/#",
        "filter=devices/dev1/messages/devicebound/"}},
      {"many filters",
       [](World&, Client& c) {
         for (int i = 0; i < 100; ++i) c.subscribe("$iothub/twin/res/" + std::to_string(i));
       },
       {dev1, "more than 100 subscriptions", "use a wildcard"}},
      {"a newer connection",
       [](World& world, Client&) { Client(world).connect("dev1"); },
       {dev1, "a newer connection of the same identity took over", "two clients share its id"}},
      {"disabled",
       [](World& world, Client&) { world.set_status("dev1", hub::DeviceStatus::disabled); },
       {dev1, "the device was disabled", "once it is enabled"}},
      {"deleted",
       [](World& world, Client&) {
         REQUIRE(world.hub.registry().remove({"dev1"}, std::nullopt, world.now).has_value());
       },
       {dev1, "the identity was deleted", "create it again"}},
      {"the token's end",
       [](World& world, Client&) { world.pass(1h); },
       {dev1, "the token expired", "connect with a new one"}},
      {"silence later",
       [](World& world, Client&) { world.pass(90s); },
       {dev1, "keep-alive timeout", "sends no PINGREQ in time"}},
      {"an odd property bag",
       [](World&, Client& c) { c.publish(std::string(events) + "cmnd/POWER"); },
       {dev1, "as the name of a property", "name=value&name=value",
        "topic=devices/dev1/messages/events/cmnd/POWER"}},
      {"reported properties",
       [](World&, Client& c) { c.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", "{}"); },
       {dev1, "reported properties are answered and not kept", "the hub has no twins yet"}},
      {"a will elsewhere",
       [](World& world, Client&) {
         Client(world).connect("dev2", {.will = mqtt::Will{"lwt", "x", 0, false}});
       },
       {"device=dev2", "will ignored", "messages/events/", "topic=lwt"}},
      {"a message that came too early",
       [](World& world, Client&) {
         world.send("dev2", "x", "early");
         Client(world).connect("dev2").subscribe(c2d_filter("dev2"));
       },
       {"device=dev2", "sent before the device subscribed", "mqttBacklogOnFirstSubscribe=deliver",
        "ids=early"}},
  };
}

}  // namespace

TEST_CASE("M-74 each refusal is one warning that says who, why and what to do") {
  for (const Row& row : rows()) {
    CAPTURE(row.name);
    World world;
    world.add_device("dev1");
    world.add_device("dev2");
    Client client(world);
    client.connect("dev1").subscribe(c2d_filter("dev1"));
    world.log.lines.clear();
    world.log.levels.clear();
    row.happens(world, client);
    client.run();
    std::size_t warnings = 0;
    for (std::size_t i = 0; i < world.log.lines.size(); ++i) {
      const std::string& line = world.log.lines[i];
      CAPTURE(line);
      CHECK_FALSE(std::regex_search(line, std::regex(R"(\b(A|C2D|H|M|MOD|N|SEC|THR|U)-?\d)")));
      CHECK(line.find("secret") == std::string::npos);
      if (world.log.levels[i] != hub::LogLevel::warn) continue;
      ++warnings;
      for (const std::string& part : row.says) {
        CAPTURE(part);
        CHECK(line.find(part) != std::string::npos);
      }
    }
    CHECK(warnings == 1);
  }
}
