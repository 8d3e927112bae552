// Cloud-to-device messages over AMQP from end to end: service, device, feedback (spec/amqp.md 3.5,
// 5).
#include <proton/delivery.h>
#include <proton/disposition.h>

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string devicebound = "/devices/dev1/messages/devicebound";

hub::Settings fast_feedback() {
  hub::Settings settings;
  settings.feedback_window = hub::Duration{0};
  return settings;
}

struct Service {
  explicit Service(TestHub& hub) : client(hub) {
    REQUIRE(client.put_token(service_token(hub)) == 200);
    sender = client.sender("sender", "/messages/devicebound");
    REQUIRE(Client::is_attached(sender));
  }
  SendResult send(const Message& message) { return client.send(sender, message); }
  SendResult send(const std::string& body, const std::string& ack = "full") {
    return send(Message().id("id-" + body).to(devicebound).property("iothub-ack", ack).body(body));
  }
  Client client;
  pn_link_t* sender;
};

struct Device {
  explicit Device(TestHub& hub, pn_rcv_settle_mode_t rcv = PN_RCV_FIRST, int credit = 100)
      : client(hub) {
    REQUIRE(client.put_token(device_token(hub, "dev1")) == 200);
    Client::ReceiverOptions options;
    options.rcv = rcv;
    options.credit = credit;
    link = client.receiver("c2d", devicebound, options);
    REQUIRE(Client::is_attached(link));
  }
  std::vector<Received> receive() { return client.receive(link); }
  Client client;
  pn_link_t* link;
};

struct World {
  explicit World(hub::Settings settings = fast_feedback()) : hub(settings) { hub.create("dev1"); }
  TestHub hub;
};

std::string lock_token_of(const Received& received) {
  const auto token = hub::LockToken::from_net_guid(received.tag);
  REQUIRE(token.has_value());
  return token->to_text();
}

}  // namespace

TEST_CASE("A-09 A-14 A-30 the tutorial: send, receive, complete, feedback") {
  World world;
  Service service(world.hub);
  pn_link_t* feedback = service.client.receiver("f", "/messages/serviceBound/feedback");
  REQUIRE(Client::is_attached(feedback));
  Device device(world.hub);
  CHECK(service
            .send(Message()
                      .id("My Message ID")
                      .to(devicebound)
                      .property("iothub-ack", "full")
                      .property("k", "v")
                      .body("Cloud to device message."))
            .state == PN_ACCEPTED);

  auto got = device.receive();
  REQUIRE(got.size() == 1);
  CHECK(got[0].tag.size() == 16);
  const Message message = got[0].message();
  CHECK(message.body_bytes() == "Cloud to device message.");
  CHECK(message.id_text() == "My Message ID");
  CHECK(message.property_text("k") == "v");
  CHECK(message.property_text("iothub-ack") == "full");
  CHECK(message.annotation_text("x-opt-lock-token") == lock_token_of(got[0]));
  CHECK(message.annotation_number("x-opt-sequence-number")->second == 1);
  CHECK(message.annotation_number("iothub-deliverycount")->second == 0);

  device.client.settle(got[0], PN_ACCEPTED);
  CHECK(world.hub.depth("dev1") == 0);
  auto records = service.client.receive(feedback);
  REQUIRE(records.size() == 1);
  const Message record = records[0].message();
  CHECK(std::string(pn_message_get_content_type(*record)) ==
        "application/vnd.microsoft.iothub.feedback.json");
  CHECK(std::string(pn_message_get_address(*record)) == "/messages/serviceBound/feedback");
  const pn_bytes_t user = pn_message_get_user_id(*record);
  CHECK(std::string(user.start, user.size) == "localhost");
  CHECK(record.annotation_number("iothub-enqueuedtime")->first == PN_TIMESTAMP);
  CHECK(records[0].tag.size() == 16);
  const std::string json = record.body_bytes();
  CHECK(json.front() == '[');
  for (const char* part : {"\"originalMessageId\":\"My Message ID\"", "\"statusCode\":\"Success\"",
                           "\"deviceId\":\"dev1\""}) {
    CHECK(json.find(part) != std::string::npos);
  }
  service.client.settle(records[0], PN_ACCEPTED);
}

TEST_CASE("A-25 accepted completes, rejected dead-letters, released and modified abandon") {
  struct Row {
    std::uint64_t state;
    bool undeliverable;
    std::size_t left;
    std::string feedback;
  };
  for (const Row& row : {Row{PN_ACCEPTED, false, 0, "Success"},
                         Row{PN_REJECTED, false, 0, "Rejected"}, Row{PN_RELEASED, false, 1, ""},
                         Row{PN_MODIFIED, false, 1, ""}, Row{PN_MODIFIED, true, 0, "Rejected"}}) {
    CAPTURE(row.state);
    World world;
    Service service(world.hub);
    Device device(world.hub, PN_RCV_FIRST, 1);
    service.send("m");
    auto got = device.receive();
    REQUIRE(got.size() == 1);
    if (row.undeliverable) {
      pn_disposition_set_undeliverable(pn_delivery_local(got[0].delivery), true);
    }
    device.client.settle(got[0], row.state);
    CHECK(world.hub.depth("dev1") == row.left);
    const auto feedback = world.hub.feedback();
    if (row.feedback.empty()) {
      CHECK(feedback.empty());
      device.client.credit(device.link, 1);
      got = device.receive();
      REQUIRE(got.size() == 1);
      CHECK(got[0].message().annotation_number("iothub-deliverycount")->second == 1);
    } else {
      REQUIRE(feedback.size() == 1);
      CHECK(feedback[0].find(row.feedback) != std::string::npos);
    }
  }
}

TEST_CASE("A-25 settled without a state returns the message at once, uncounted") {
  World world;
  Service service(world.hub);
  Device device(world.hub);
  service.send("m");
  auto got = device.receive();
  REQUIRE(got.size() == 1);
  device.client.settle(got[0], 0);
  CHECK(world.hub.depth("dev1") == 1);
  got = device.receive();
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().annotation_number("iothub-deliverycount")->second == 0);
}

TEST_CASE("A-10 two-phase clients get a settled accepted after every outcome") {
  for (const std::uint64_t state : {PN_ACCEPTED, PN_REJECTED, PN_RELEASED}) {
    CAPTURE(state);
    World world;
    Service service(world.hub);
    Device device(world.hub, PN_RCV_SECOND, 1);
    service.send("m");
    const auto got = device.receive();
    REQUIRE(got.size() == 1);
    const auto answer = device.client.settle_two_phase(got[0], state);
    CHECK(answer.state == PN_ACCEPTED);
    CHECK(answer.settled);
    CHECK(world.hub.depth("dev1") == (state == PN_RELEASED ? 1 : 0));
  }
}

TEST_CASE("A-10 a two-phase settlement that comes too late is rejected: lock lost") {
  World world;
  Service service(world.hub);
  Device device(world.hub, PN_RCV_SECOND, 1);
  service.send("m");
  const auto got = device.receive();
  REQUIRE(got.size() == 1);
  world.hub.advance(60s);
  const auto answer = device.client.settle_two_phase(got[0], PN_ACCEPTED);
  CHECK(answer.state == PN_REJECTED);
  CHECK(answer.settled);
  CHECK(answer.condition == "com.microsoft:message-lock-lost");
  CHECK(world.hub.depth("dev1") == 1);
}

TEST_CASE("A-24 a one-phase settlement that comes too late, or twice, is ignored") {
  World world;
  Service service(world.hub);
  Device device(world.hub, PN_RCV_FIRST, 2);
  service.send("m");
  auto got = device.receive();
  world.hub.advance(60s);
  auto again = device.receive();  // delivered anew, with a new tag
  REQUIRE(again.size() == 1);
  CHECK(again[0].tag != got[0].tag);
  device.client.settle(got[0], PN_ACCEPTED);
  CHECK(world.hub.depth("dev1") == 1);
  device.client.settle(again[0], PN_ACCEPTED);
  CHECK(world.hub.depth("dev1") == 0);
}

TEST_CASE("A-24 Node's two dispositions for one message: the first counts") {
  World world;
  Service service(world.hub);
  pn_link_t* feedback = service.client.receiver("f", "/messages/serviceBound/feedback");
  Device device(world.hub);
  service.send("m");
  device.client.settle(device.receive().at(0), PN_ACCEPTED);
  const auto records = service.client.receive(feedback);
  REQUIRE(records.size() == 1);

  // By hand, since Proton sends no second one; in one read, so before the hub has answered.
  const auto transfer = [&] {
    Seen last;
    for (const Seen& seen : frames_of(service.client.from_hub)) {
      if (seen.code == Descriptor::transfer) last = seen;
    }
    return last;
  }();
  const auto id = static_cast<std::uint8_t>(transfer.fields.at(1).bits);
  const auto disposition = [&](const char* state) {
    std::string fields = hex("41 52");
    fields.push_back(static_cast<char>(id));
    fields += hex("40 41") + hex(state);
    std::string body = hex("00 53 15 c0");
    body.push_back(static_cast<char>(fields.size() + 1));
    body.push_back(5);
    return raw_frame(0, transfer.channel, body + fields);
  };
  service.client.server.bytes(disposition("00 53 24 45") + disposition("00 53 26 45"));
  service.client.run();
  CHECK(service.client.is_open());
  CHECK(world.hub.feedback().empty());  // completed, not given back
}

TEST_CASE("A-33 the newest receive link wins, on one connection and on two") {
  World world;
  Service service(world.hub);
  Device older(world.hub);
  service.send("m");
  REQUIRE(older.receive().size() == 1);
  Device newer(world.hub);
  CHECK(newer.receive().size() == 1);  // its lock came back at once
  older.client.run();
  CHECK(Client::condition_of(older.link) == "amqp:link:stolen");
  CHECK(older.client.is_open());

  pn_link_t* newest = newer.client.receiver("again", devicebound);
  CHECK(Client::is_attached(newest));
  CHECK(Client::condition_of(newer.link) == "amqp:link:stolen");
  CHECK(newer.client.receive(newest).size() == 1);
}

TEST_CASE("A-34 an MQTT connection of the device takes its AMQP links") {
  World world;
  Device device(world.hub);
  pn_link_t* d2c = device.client.sender("d2c", "/devices/dev1/messages/events");
  auto mqtt = world.hub.hub.connections().connect(
      {"dev1"}, hub::Transport::mqtt, [] {}, world.hub.now);
  REQUIRE(mqtt);
  device.client.run();
  CHECK(Client::condition_of(device.link) == "amqp:link:stolen");
  CHECK(Client::condition_of(d2c) == "amqp:link:stolen");
}

TEST_CASE("A-34 a link attached after the takeover stays, even before the hub's wake was served") {
  World world;
  Device device(world.hub);
  auto mqtt = world.hub.hub.connections().connect(
      {"dev1"}, hub::Transport::mqtt, [] {}, world.hub.now);
  REQUIRE(mqtt);
  pn_link_t* again = device.client.receiver("again", devicebound);
  CHECK(Client::is_attached(again));
  CHECK(Client::condition_of(device.link) == "amqp:link:stolen");
  CHECK(mqtt->closed() == hub::CloseReason::taken_over);
}

TEST_CASE("A-35 disabling, deleting or changing a device detaches its links and no other's") {
  for (const int change : {0, 1, 2}) {
    World world;
    world.hub.create("dev2");
    Device device(world.hub);
    REQUIRE(device.client.put_token(device_token(world.hub, "dev2")) == 200);
    pn_link_t* other = device.client.receiver("2", "/devices/dev2/messages/devicebound");
    hub::DeviceSpec spec;
    spec.id = {"dev1"};
    if (change == 0) spec.status = hub::DeviceStatus::disabled;
    if (change == 1) spec.authentication_type = hub::AuthenticationType::none;
    if (change < 2) {
      REQUIRE(world.hub.hub.registry().update(spec, std::nullopt, world.hub.now));
    } else {
      REQUIRE(world.hub.hub.registry().remove({"dev1"}, std::nullopt, world.hub.now));
    }
    device.client.run();
    CHECK(Client::condition_of(device.link) == "amqp:link:detach-forced");
    CHECK(Client::is_attached(other));
    if (change != 1) {
      CHECK_FALSE(Client::is_attached(device.client.receiver("again", devicebound)));
    }
  }
}

TEST_CASE("A-25 locks return at once on detach, end, close and loss of the connection") {
  for (const int ending : {0, 1, 2, 3}) {
    CAPTURE(ending);
    World world;
    Service service(world.hub);
    Device device(world.hub);
    service.send("m");
    REQUIRE(device.receive().size() == 1);
    CHECK_FALSE(world.hub.get("dev1").has_value());  // locked
    switch (ending) {
      case 0:
        device.client.close(device.link);
        break;
      case 1:
        pn_session_close(pn_link_session(device.link));
        device.client.run();
        break;
      case 2:
        device.client.server.bytes(close_frame());
        device.client.server.take_output();
        break;
      default:
        device.client.server.session->on_peer_closed(world.hub.now);
    }
    const auto again = world.hub.get("dev1");
    REQUIRE(again.has_value());
    CHECK(again->delivery_count == 0);
    CHECK_FALSE(world.hub.hub.registry().get({"dev1"}, world.hub.now)->connected);
    if (ending >= 2) CHECK(device.client.server.wants_close());
  }
}

TEST_CASE("A-25 a message is locked only when there is credit for it") {
  World world;
  Service service(world.hub);
  Device device(world.hub, PN_RCV_FIRST, 2);
  for (const char* body : {"1", "2", "3"}) service.send(body);
  CHECK(device.receive().size() == 2);
  CHECK(world.hub.hub.registry().get({"dev1"}, world.hub.now)->c2d_locked_count == 2);
  device.client.credit(device.link, 1);
  const auto got = device.receive();
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().body_bytes() == "3");
}

TEST_CASE("A-25 a receiver that wants settled transfers completes by receiving") {
  World world;
  Service service(world.hub);
  Client client(world.hub);
  REQUIRE(client.put_token(device_token(world.hub, "dev1")) == 200);
  Client::ReceiverOptions options;
  options.snd = PN_SND_SETTLED;
  pn_link_t* link = client.receiver("c2d", devicebound, options);
  service.send("m");
  const auto got = client.receive(link);
  REQUIRE(got.size() == 1);
  CHECK(pn_delivery_settled(got[0].delivery));
  CHECK(world.hub.depth("dev1") == 0);
}

TEST_CASE("A-25 drained credit is given back") {
  World world;
  Device device(world.hub, PN_RCV_FIRST, 0);
  pn_link_drain(device.link, 10);
  device.client.run();
  CHECK(pn_link_credit(device.link) == 0);
}

// ---- what the service may send -----------------------------------------------------------------

TEST_CASE("A-12 A-32 refused sends are rejected with an error, each with its own") {
  World world;
  Service service(world.hub);
  const auto refusal = [&](Message message) {
    const auto result = service.send(message);
    CHECK(result.state == PN_REJECTED);
    CHECK(result.settled);
    CHECK_FALSE(result.description.empty());
    return result.condition;
  };
  CHECK(refusal(Message().id("1").body("x")) == "amqp:not-allowed");  // no `to`
  CHECK(refusal(Message().to("dev1").body("x")) == "amqp:not-allowed");
  CHECK(refusal(Message().to("/devices/dev1/messages/events").body("x")) == "amqp:not-allowed");
  CHECK(refusal(Message().to("/devices/none/messages/devicebound").body("x")) == "amqp:not-found");
  CHECK(refusal(Message().to("/devices/dev1/modules/m/messages/devicebound").body("x")) ==
        "amqp:not-found");
  CHECK(refusal(Message().to(devicebound).property("iothub-ack", "often").body("x")) ==
        "com.microsoft:argument-error");
  CHECK(refusal(Message().to(devicebound).body(std::string(65'536, 'x'))) ==
        "amqp:link:message-size-exceeded");
  CHECK(refusal(Message().to(devicebound).expiry(world.hub.now + 49h).body("x")) ==
        "com.microsoft:argument-out-of-range");
  CHECK(refusal(Message().to(devicebound).id(std::string(129, 'x')).body("x")) ==
        "com.microsoft:argument-error");
  CHECK(world.hub.depth("dev1") == 0);
  CHECK(world.hub.log.contains("cloud-to-device message refused"));
}

TEST_CASE("A-32 64 KB, counted as the hub counts, go through") {
  World world;
  Service service(world.hub);
  Device device(world.hub);
  const std::string body(65'536 - devicebound.size(), 'x');
  CHECK(service.send(Message().to(devicebound).body(body)).state == PN_ACCEPTED);
  const auto got = device.receive();
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().body_bytes() == body);
}

TEST_CASE("A-12 the 51st message is refused and names the limit") {
  World world;
  Service service(world.hub);
  for (int i = 0; i < 50; ++i) REQUIRE(service.send("m" + std::to_string(i)).state == PN_ACCEPTED);
  const auto result = service.send("one more");
  CHECK(result.state == PN_REJECTED);
  CHECK(result.condition == "amqp:resource-limit-exceeded");
  CHECK(result.description.find("403004") != std::string::npos);
  CHECK(result.description.find("50") != std::string::npos);
  CHECK(world.hub.depth("dev1") == 50);

  Device device(world.hub);
  auto got = device.receive();
  REQUIRE(got.size() == 50);
  CHECK(service.send("still").state == PN_REJECTED);  // locked ones count
  device.client.settle(got[0], PN_ACCEPTED);
  CHECK(service.send("now").state == PN_ACCEPTED);
  for (int i = 0; i < 50; ++i) {
    CHECK(got[static_cast<std::size_t>(i)].message().body_bytes() == "m" + std::to_string(i));
  }
}

TEST_CASE("A-32 an id in `to` is tried decoded, then as written") {
  World world;
  world.hub.create("a:b");
  world.hub.create("50%25");
  Service service(world.hub);
  CHECK(service.send(Message().to("/devices/a%3Ab/messages/devicebound").body("x")).state ==
        PN_ACCEPTED);
  CHECK(service.send(Message().to("/devices/a:b/messages/deviceBound").body("x")).state ==
        PN_ACCEPTED);
  CHECK(world.hub.depth("a:b") == 2);
  CHECK(service.send(Message().to("/devices/50%25/messages/devicebound").body("x")).state ==
        PN_ACCEPTED);
  CHECK(service.send(Message().to("/devices/50%2525/messages/devicebound").body("x")).state ==
        PN_ACCEPTED);
  CHECK(world.hub.depth("50%25") == 2);
}

TEST_CASE("A-31 who sets no ack gets no feedback; each ack gets what it asks for") {
  for (const auto& [ack, wanted] : std::vector<std::pair<std::string, std::size_t>>{
           {"none", 0}, {"negative", 0}, {"positive", 1}, {"full", 1}, {"POSITIVE", 1}}) {
    CAPTURE(ack);
    World world;
    Service service(world.hub);
    Device device(world.hub);
    CHECK(service.send("m", ack).state == PN_ACCEPTED);
    device.client.settle(device.receive().at(0), PN_ACCEPTED);
    CHECK(world.hub.feedback().size() == wanted);
  }
}

TEST_CASE("A-32 a send needs ServiceConnect") {
  World world;
  Client client(world.hub);
  pn_link_t* early = client.sender("0", "/messages/devicebound");
  CHECK(Client::condition_of(early) == "amqp:unauthorized-access");
  REQUIRE(client.put_token(service_token(world.hub, "registryRead")) == 200);
  CHECK_FALSE(Client::is_attached(client.sender("1", "/messages/devicebound")));
  REQUIRE(client.put_token(service_token(world.hub, "iothubowner")) == 200);
  CHECK(Client::is_attached(client.sender("2", "/messages/devicebound")));
  CHECK_FALSE(Client::is_attached(client.receiver("3", "/messages/devicebound")));
}

// ---- feedback ----------------------------------------------------------------------------------

TEST_CASE("A-10 A-42 feedback: two-phase complete and abandon, one message for each credit") {
  World world;
  Service service(world.hub);
  Client::ReceiverOptions options;
  options.rcv = PN_RCV_SECOND;
  options.credit = 1;
  pn_link_t* feedback = service.client.receiver(
      "f", "amqps://localhost:5671/messages/serviceBound/feedback", options);
  Device device(world.hub);
  for (const char* body : {"1", "2"}) {
    service.send(body);
    device.client.settle(device.receive().at(0), PN_ACCEPTED);
  }
  auto got = service.client.receive(feedback);
  REQUIRE(got.size() == 1);
  CHECK(service.client.settle_two_phase(got[0], PN_RELEASED).state == PN_ACCEPTED);
  service.client.credit(feedback, 2);
  got = service.client.receive(feedback);
  REQUIRE(got.size() == 2);
  CHECK(got[0].message().body_bytes().find("\"id-1\"") != std::string::npos);
  CHECK(got[0].message().annotation_number("iothub-deliverycount")->second == 1);
  for (const Received& record : got) {
    CHECK(service.client.settle_two_phase(record, PN_ACCEPTED).state == PN_ACCEPTED);
  }
  CHECK(world.hub.feedback().empty());
}

TEST_CASE("A-42 feedback receivers compete, and what one held comes back when it is gone") {
  World world;
  Service first(world.hub);
  Service second(world.hub);
  pn_link_t* a = first.client.receiver("f", "/messages/serviceBound/feedback");
  Device device(world.hub);
  first.send("m");
  device.client.settle(device.receive().at(0), PN_ACCEPTED);
  REQUIRE(first.client.receive(a).size() == 1);
  pn_link_t* b = second.client.receiver("f", "/messages/serviceBound/feedback");
  CHECK(second.client.receive(b).empty());
  first.client.close(a);
  CHECK(second.client.receive(b).size() == 1);
}

TEST_CASE("A-43 file notifications attach and stay silent") {
  World world;
  Service service(world.hub);
  pn_link_t* link = service.client.receiver("n", "/messages/serviceBound/filenotifications");
  CHECK(Client::is_attached(link));
  CHECK(service.client.receive(link).empty());
}

// ---- how much at once --------------------------------------------------------------------------

TEST_CASE("A-44 a client that does not read is not written to without bound") {
  World world;
  world.hub.create("dev2");
  Service service(world.hub);
  const std::string body(65'000, 'x');
  for (int i = 0; i < 50; ++i) {
    REQUIRE(service.send(Message().to(devicebound).body(body)).state == PN_ACCEPTED);
  }
  Client client(world.hub);
  REQUIRE(client.put_token(device_token(world.hub, "dev1")) == 200);
  // The attach by hand, so that nothing is read meanwhile.
  Server& server = client.server;
  std::string attach = attach_receiver_frame(0, 7, "c2d", devicebound);
  std::string flow = hex("00 53 13 c0 15 07 43 70 00000800 43 70 00000800 52 07 43 70 00000064");
  server.bytes(attach + raw_frame(0, 0, flow));
  CHECK(server.session->output().size() < 2u << 20);
  CHECK_FALSE(server.session->wants_input());
  const auto locked = world.hub.hub.registry().get({"dev1"}, world.hub.now)->c2d_locked_count;
  CHECK(locked < 50);
  std::size_t transfers = 0;
  const auto frames = frames_of(server.take_output());
  for (const Seen& seen : frames) {
    // A message over more than one frame: `more` on all but the last.
    if (seen.code == Descriptor::transfer &&
        !(seen.fields.size() > 5 && seen.fields[5].bits == 1)) {
      ++transfers;
    }
  }
  CHECK(transfers == 50);
  CHECK(server.session->wants_input());
}

TEST_CASE("A-20 everything also works byte by byte") {
  World world;
  Client::Options options;
  options.one_by_one = true;
  options.max_frame = 512;
  Client client(world.hub, options);
  REQUIRE(client.put_token(service_token(world.hub, "iothubowner")) == 200);
  pn_link_t* sender = client.sender("s", "/messages/devicebound");
  pn_link_t* c2d = client.receiver("r", devicebound);
  const std::string body(5000, 'b');
  REQUIRE(client.send(sender, Message().to(devicebound).body(body)).state == PN_ACCEPTED);
  const auto got = client.receive(c2d);
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().body_bytes() == body);
  client.settle(got[0], PN_ACCEPTED);
  CHECK(world.hub.depth("dev1") == 0);
}
