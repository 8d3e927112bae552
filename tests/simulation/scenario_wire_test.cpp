// The scenarios of spec/c2d.md 8.2 in which the protocol matters, over sessions in memory.
#include "tests/unit/amqp/support/client.hpp"
#include "tests/unit/http/support.hpp"
#include "tests/unit/mqtt/fixture.hpp"

#include <doctest/doctest.h>

#include <proton/delivery.h>

using namespace std::chrono_literals;
using http::test::HttpHub;

namespace {

hub::Settings quick_feedback() {
  hub::Settings settings;
  settings.feedback_window = hub::Duration{0};
  return settings;
}

// An AMQP device on its own connection.
struct Device {
  explicit Device(test::TestHub& hub, int credit = 100, pn_rcv_settle_mode_t rcv = PN_RCV_SECOND)
      : client(hub) {
    REQUIRE(client.put_token(amqp_test::device_token(hub, "dev1")) == 200);
    amqp_test::Client::ReceiverOptions options;
    options.rcv = rcv;
    options.credit = credit;
    link = client.receiver("c2d", "/devices/dev1/messages/devicebound", options);
    REQUIRE(amqp_test::Client::is_attached(link));
  }
  std::vector<amqp_test::Received> receive() { return client.receive(link); }
  amqp_test::Client client;
  pn_link_t* link;
};

struct Service {
  explicit Service(test::TestHub& hub) : client(hub) {
    REQUIRE(client.put_token(amqp_test::service_token(hub)) == 200);
    sender = client.sender("sender", "/messages/devicebound");
    REQUIRE(amqp_test::Client::is_attached(sender));
  }
  amqp_test::SendResult send(const std::string& body, std::optional<hub::TimePoint> expiry = {}) {
    amqp_test::Message message;
    message.id("id-" + body)
        .to("/devices/dev1/messages/devicebound")
        .property("iothub-ack", "full");
    if (expiry) message.expiry(*expiry);
    return client.send(sender, message.body(body));
  }
  pn_link_t* feedback(const std::string& name, int credit) {
    amqp_test::Client::ReceiverOptions options;
    options.credit = credit;
    return client.receiver(name, "/messages/serviceBound/feedback", options);
  }
  amqp_test::Client client;
  pn_link_t* sender;
};

struct World : HttpHub {
  explicit World(hub::Settings settings = quick_feedback()) : HttpHub(settings) { create("dev1"); }
  http::test::Answer get(int lock_s = 60) {
    return call({"GET",
                 "/devices/dev1/messages/deviceBound?api-version=2021-04-12",
                 device_token("dev1"),
                 {{"IotHub-MessageLockTimeout", std::to_string(lock_s)}},
                 ""});
  }
  http::test::Answer settle(const std::string& etag, const std::string& query = "") {
    return call({"DELETE",
                 "/devices/dev1/messages/deviceBound/" + etag.substr(1, etag.size() - 2) +
                     "?api-version=2021-04-12" + query,
                 device_token("dev1"),
                 {},
                 ""});
  }
  std::string feedback_text() {
    std::string out;
    for (const auto& batch : feedback()) out += batch;
    return out;
  }
};

std::string etag(const http::test::Answer& answer) { return answer.header("ETag").value(); }

}  // namespace

TEST_CASE("S1 over AMQP: the 51st send is amqp:resource-limit-exceeded until one is completed") {
  World world;
  Service service(world);
  Device device(world);
  for (int i = 0; i < 50; ++i) REQUIRE(service.send(std::to_string(i)).state == PN_ACCEPTED);
  const auto held = device.receive();
  REQUIRE(held.size() == 50);
  const auto refused = service.send("51");
  CHECK(refused.state == PN_REJECTED);
  CHECK(refused.condition == "amqp:resource-limit-exceeded");
  CHECK(refused.description.find("403004") != std::string::npos);
  CHECK(device.client.settle_two_phase(held[7], PN_ACCEPTED).state == PN_ACCEPTED);
  CHECK(service.send("52").state == PN_ACCEPTED);
  CHECK(world.depth("dev1") == 50);
}

TEST_CASE("S3 over HTTPS: 200, 204, 200 with a new token, 412 for the old one") {
  World world;
  REQUIRE(world.send("dev1", "m"));
  const auto first = world.get();
  REQUIRE(first.status == 200);
  world.advance(30s);
  CHECK(world.get().status == 204);
  world.advance(30s);
  const auto third = world.get();
  REQUIRE(third.status == 200);
  CHECK(third.body == "m");
  CHECK(third.header("iothub-deliverycount") == "0");
  CHECK(etag(third) != etag(first));
  world.advance(1s);
  const auto late = world.settle(etag(first));
  CHECK(late.status == 412);
  CHECK(late.error() == "DeviceMessageLockLost");
  CHECK(world.get().status == 204);
  CHECK(world.settle(etag(third)).status == 204);
}

TEST_CASE("S4 over HTTPS: the message expires under its lock") {
  World world;
  REQUIRE(world.send("dev1", "m", hub::Ack::full, world.now + 8s));
  const auto first = world.get(10);
  REQUIRE(first.status == 200);
  world.advance(9s);
  CHECK(world.settle(etag(first)).status == 412);
  const auto feedback = world.feedback_text();
  CHECK(test::count(feedback, "statusCode") == 1);
  CHECK(test::count(feedback, "\"statusCode\":\"Expired\"") == 1);
}

TEST_CASE("S5 over AMQP: the connection is lost, the message comes again with another tag") {
  World world;
  Service service(world);
  REQUIRE(service.send("m").state == PN_ACCEPTED);
  auto lost = std::make_unique<Device>(world);
  const auto first = lost->receive();
  REQUIRE(first.size() == 1);
  lost->client.server.session->on_peer_closed(world.now);
  Device again(world);
  const auto second = again.receive();
  REQUIRE(second.size() == 1);
  CHECK(second[0].tag != first[0].tag);
  CHECK(second[0].message().annotation_number("iothub-deliverycount")->second == 0);
  CHECK(again.client.settle_two_phase(second[0], PN_ACCEPTED).state == PN_ACCEPTED);
  CHECK(test::count(world.feedback_text(), "\"statusCode\":\"Success\"") == 1);
}

TEST_CASE("S9 HTTPS beside an AMQP link: each settles its own") {
  World world;
  Service service(world);
  Device device(world, 5);
  for (int i = 1; i <= 6; ++i) REQUIRE(service.send(std::to_string(i)).state == PN_ACCEPTED);
  const auto held = device.receive();
  REQUIRE(held.size() == 5);
  const auto sixth = world.get();
  REQUIRE(sixth.status == 200);
  CHECK(sixth.body == "6");
  const auto tag = hub::LockToken::from_net_guid(held[0].tag);
  CHECK(world.settle('"' + tag->to_text() + '"').status == 412);
  CHECK(world.settle(etag(sixth)).status == 204);
  CHECK(device.client.settle_two_phase(held[0], PN_ACCEPTED).state == PN_ACCEPTED);
  CHECK(amqp_test::Client::is_attached(device.link));
}

TEST_CASE("S10 over MQTT: a stored session gets its messages after CONNACK, and again with DUP") {
  using namespace mqtt_test;
  mqtt_test::World world;
  world.add_device("d");
  {
    mqtt_test::Client first(world);
    first.connect("d").subscribe(c2d_filter("d"));
    first.session->on_peer_closed(world.now);
  }
  for (const char* body : {"1", "2", "3"}) world.send("d", body);
  const auto bodies = [](const Lines& lines) {
    std::string out;
    for (const auto& line : lines) {
      out += line.starts_with("CONNACK")               ? "C"
             : line.find("dup=1") != std::string::npos ? "D"
                                                       : "P";
      if (line.starts_with("PUBLISH")) out += line.back();
    }
    return out;
  };
  mqtt_test::Client second(world);
  CHECK(bodies(second.connect("d").run().take()) == "CP1P2P3");
  second.session->on_peer_closed(world.now);
  mqtt_test::Client third(world);
  CHECK(bodies(third.connect("d").run().take()) == "CD1D2D3");
}

TEST_CASE(
    "S11 over MQTT: PUBACK for the second is held until the first; a lost connection voids it") {
  using namespace mqtt_test;
  for (const bool lost : {false, true}) {
    mqtt_test::World world;
    world.add_device("d");
    mqtt_test::Client client(world);
    client.connect("d").subscribe(c2d_filter("d"));
    const auto id = [](hub::SequenceNumber n) { return static_cast<std::uint16_t>(n + 1); };
    const auto one = world.send("d", "1"), two = world.send("d", "2");
    client.run();
    client.send(mqtt::Puback{id(two)});
    CHECK(world.queued("d") == 2);
    if (lost) {
      client.session->on_peer_closed(world.now);
      CHECK(world.queued("d") == 2);
      mqtt_test::Client again(world);
      again.connect("d").run();
      CHECK(test::count(
                [&] {
                  std::string all;
                  for (auto& l : again.take()) all += l;
                  return all;
                }(),
                "PUBLISH") == 2);
    } else {
      client.send(mqtt::Puback{id(one)});
      CHECK(world.queued("d") == 0);
    }
  }
}

TEST_CASE("S12 over MQTT: QoS 0 to a dead socket is Success, and the message is lost") {
  mqtt_test::World world(quick_feedback());
  world.add_device("d");
  mqtt_test::Client client(world);
  client.connect("d").subscribe(mqtt_test::c2d_filter("d"), 0);
  world.send("d", "lost", "id", hub::Ack::full);
  client.run();
  client.session->on_peer_closed(world.now);  // what it wrote never left
  CHECK(world.queued("d") == 0);
  const auto feedback = *world.hub.c2d().receive_once(hub::QueueId::feedback(), 60s, world.now);
  REQUIRE(feedback);
  CHECK(feedback->message->content.body.find("\"statusCode\":\"Success\"") != std::string::npos);
}

TEST_CASE("S17 over AMQP: the batch of a receiver that dies goes to the other") {
  World world;
  Service one(world), two(world);
  pn_link_t* a = one.feedback("a", 1);
  pn_link_t* b = two.feedback("b", 1);
  REQUIRE(world.send("dev1"));
  REQUIRE(world.hub.c2d().complete({{"dev1"}}, world.TestHub::get("dev1")->lock_token, world.now));
  REQUIRE(one.client.receive(a).size() == 1);
  CHECK(two.client.receive(b).empty());
  one.client.server.session->on_peer_closed(world.now);
  const auto batch = two.client.receive(b);
  REQUIRE(batch.size() == 1);
  CHECK(batch[0].message().body_bytes().find("\"statusCode\":\"Success\"") != std::string::npos);
}

TEST_CASE("S20 over MQTT: disabled while it holds a lock, enabled, delivered again") {
  using namespace mqtt_test;
  mqtt_test::World world;
  world.add_device("d");
  mqtt_test::Client client(world);
  client.connect("d").subscribe(c2d_filter("d"));
  world.send("d", "m");
  client.run();
  CHECK(world.locked("d") == 1);
  world.set_status("d", hub::DeviceStatus::disabled);
  CHECK(world.locked("d") == 0);
  CHECK(world.queued("d") == 1);
  client.run();
  CHECK(client.closed());
  mqtt_test::Client refused(world);
  CHECK(refused.connect("d").take() == Lines{"CONNACK 5 present=0"});
  world.pass(10s);
  world.set_status("d", hub::DeviceStatus::enabled);
  mqtt_test::Client again(world);
  const auto lines = again.connect("d").run().take();
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].find("payload=m") != std::string::npos);
}

TEST_CASE(
    "S23 over AMQP: an accept behind the takeover is too late, the newcomer has the message") {
  World world;
  Service service(world);
  REQUIRE(service.send("m").state == PN_ACCEPTED);
  Device a(world);
  const auto held = a.receive();
  REQUIRE(held.size() == 1);
  Device b(world);
  const auto next = b.receive();
  REQUIRE(next.size() == 1);
  CHECK(next[0].message().body_bytes() == "m");
  a.client.settle(held[0], PN_ACCEPTED);  // written before it has read of its end
  CHECK(amqp_test::Client::condition_of(a.link) == "amqp:link:stolen");
  CHECK(world.depth("dev1") == 1);
  CHECK(b.client.settle_two_phase(next[0], PN_ACCEPTED).state == PN_ACCEPTED);
  CHECK(world.depth("dev1") == 0);
}

TEST_CASE("S26 over MQTT and HTTPS: a token of dev1 opens neither dev10 nor Dev1") {
  World world;
  world.create("dev10");
  const auto as = [&](const std::string& id) {
    return world
        .call({"GET",
               "/devices/" + id + "/messages/deviceBound?api-version=2021-04-12",
               world.device_token("dev1"),
               {},
               ""})
        .status;
  };
  CHECK(as("dev1") == 204);
  CHECK(as("dev10") == 401);
  CHECK(as("Dev1") == 401);

  mqtt_test::World other;
  other.add_device("dev1");
  other.add_device("dev10");
  for (const auto* id : {"dev10", "Dev1"}) {
    mqtt_test::ConnectOptions options;
    options.password = other.token("dev1");
    mqtt_test::Client client(other);
    CHECK(client.connect(id, options).take() == mqtt_test::Lines{"CONNACK 5 present=0"});
  }
}
