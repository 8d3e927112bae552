// Attach replies, refusals, telemetry, twin and methods (spec/amqp.md sections 3 and 4.1).
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/terminus.h>

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string d2c = "/devices/dev1/messages/events";

struct Device {
  Device() {
    hub.create("dev1");
    REQUIRE(client.put_token(device_token(hub, "dev1")) == 200);
  }
  std::vector<hub::TelemetryPtr> events() {
    std::vector<hub::TelemetryPtr> all;
    for (std::uint32_t p = 0; p < hub.hub.events().partition_count(); ++p) {
      for (auto& event : hub.hub.events().read(p, 0, 1000)) all.push_back(event);
    }
    return all;
  }
  TestHub hub;
  Client client{hub};
};

// A raw client that has authenticated with PLAIN and has a telemetry link on handle 0.
struct RawDevice {
  RawDevice() {
    hub.create("dev1");
    const std::string response = std::string("\0", 1) + "dev1@sas.localhost" +
                                 std::string("\0", 1) + device_token(hub, "dev1");
    server.bytes(sasl_header + sasl_init("PLAIN", &response) + amqp_header + open_frame() +
                 begin_frame() + attach_sender_frame(0, 0, "d2c", d2c));
    REQUIRE(count(frames_of(output = server.take_output()), Descriptor::attach) == 1);
  }
  std::string say(const std::string& bytes) {
    server.bytes(bytes);
    return output = server.take_output();
  }
  TestHub hub;
  Server server{hub};
  std::string output;
};

std::string data_section(std::string_view bytes) {
  std::string out;
  Writer writer(out);
  writer.descriptor(Descriptor::data);
  writer.binary(bytes);
  return out;
}

}  // namespace

TEST_CASE("A-07 A-08 the attach reply echoes termini and settle modes, and has a message size") {
  Device device;
  Client::ReceiverOptions options;
  options.rcv = PN_RCV_SECOND;
  pn_link_t* c2d = device.client.receiver(
      "TelemetryReceiverLink", "amqps://localhost/devices/dev1/messages/deviceBound", options);
  REQUIRE(Client::is_attached(c2d));
  CHECK(pn_link_remote_rcv_settle_mode(c2d) == PN_RCV_SECOND);
  CHECK(pn_link_remote_snd_settle_mode(c2d) == PN_SND_UNSETTLED);
  CHECK(std::string(pn_terminus_get_address(pn_link_remote_source(c2d))) ==
        "amqps://localhost/devices/dev1/messages/deviceBound");
  CHECK(pn_link_remote_max_message_size(c2d) == 1'048'576);

  pn_link_t* sender = device.client.sender("s", d2c);
  CHECK(pn_link_remote_max_message_size(sender) == 1'048'576);
  CHECK(pn_link_remote_snd_settle_mode(sender) == PN_SND_MIXED);
  CHECK(std::string(pn_terminus_get_address(pn_link_remote_target(sender))) == d2c);
  CHECK(pn_link_credit(sender) >= 100);
}

TEST_CASE("A-39 a refused link is attached with a null terminus, then detached with the error") {
  TestHub hub;
  hub.create("dev1");
  Server server(hub);
  server.bytes(amqp_header + open_frame() + begin_frame() + attach_sender_frame(0, 0, "s", d2c) +
               attach_receiver_frame(0, 1, "r", "/devices/dev1/messages/devicebound"));
  const std::string out = server.take_output();
  const auto frames = frames_of(out);
  CHECK(count(frames, Descriptor::attach) == 2);
  CHECK(count(frames, Descriptor::detach) == 2);
  int nulls = 0;
  for (const Seen& seen : frames) {
    if (seen.code != Descriptor::attach) continue;
    amqp::Reader reader(seen.body);
    std::uint64_t code = 0;
    Value list;
    REQUIRE((reader.read_descriptor(code) && reader.read(list)));
    amqp::Reader fields(list.bytes);
    for (int i = 0; i < 5; ++i) REQUIRE(fields.skip());
    const bool source_null = fields.rest()[0] == '\x40';
    REQUIRE(fields.skip());
    const bool target_null = fields.rest()[0] == '\x40';
    const bool hub_receives = seen.fields.at(2).bits == 1;
    CHECK(source_null == !hub_receives);
    CHECK(target_null == hub_receives);
    ++nulls;
  }
  CHECK(nulls == 2);
  CHECK(first(frames, Descriptor::detach).body.find("amqp:unauthorized-access") !=
        std::string::npos);
}

TEST_CASE("A-39 addresses that are not served, and wrong directions") {
  Device device;
  const auto refusal = [&](bool sends, const std::string& address) {
    static int n = 0;
    const std::string name = "n" + std::to_string(n++);
    pn_link_t* link =
        sends ? device.client.sender(name, address) : device.client.receiver(name, address);
    CHECK_FALSE(Client::is_attached(link));
    const std::string condition = Client::condition_of(link);
    device.client.close(link);
    return condition;
  };
  CHECK(refusal(true, "nowhere") == "amqp:not-found");
  CHECK(refusal(true, "") == "amqp:not-found");
  CHECK(refusal(false, d2c) == "amqp:not-allowed");
  CHECK(refusal(true, "/devices/dev1/messages/devicebound") == "amqp:not-allowed");
  CHECK(refusal(true, "/messages/devicebound") == "amqp:unauthorized-access");
  CHECK(refusal(false, "/messages/serviceBound/feedback") == "amqp:unauthorized-access");
  CHECK(refusal(true, "/messages/serviceBound/feedback") == "amqp:not-implemented");
  CHECK(refusal(false, "/messages/events/ConsumerGroups/$Default/Partitions/0") ==
        "amqp:not-implemented");
  CHECK(refusal(true, "$management") == "amqp:not-implemented");
  CHECK(refusal(true, "/devices/dev1/modules/m/messages/events") == "amqp:unauthorized-access");
  CHECK(device.client.is_open());  // none of these ends the connection
}

TEST_CASE("A-20 a link name twice in one session ends the connection, cleanly") {
  Device device;
  device.client.sender("same", d2c);
  device.client.sender("same", d2c);
  CHECK(device.client.connection_condition() == "amqp:invalid-field");
  CHECK(device.client.server.wants_close());
}

// ---- telemetry ---------------------------------------------------------------------------------

TEST_CASE("A-40 telemetry is accepted and kept with all that came with it") {
  Device device;
  pn_link_t* link = device.client.sender("s", d2c);
  Message message;
  message.id("m-1").correlation_id("c-1").to(d2c).user_id("u").content_type("application/json");
  message.property("temperature", "21").property_int("n", 3);
  message.annotation("iothub-interface-id", "urn:x").annotation("dt-subject", "part");
  message.body("{\"t\":21}");
  const auto sent = device.client.send(link, message);
  CHECK(sent.state == PN_ACCEPTED);
  CHECK(sent.settled);
  const auto events = device.events();
  REQUIRE(events.size() == 1);
  const hub::TelemetryMessage& event = *events[0];
  CHECK(event.origin->device.text == "dev1");
  CHECK(event.origin->auth_method ==
        R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  CHECK(event.interface_id == "urn:x");
  CHECK(event.subject == "part");
  CHECK(event.content.body == "{\"t\":21}");
  CHECK(event.content.message_id.text == "m-1");
  CHECK(event.content.content_type == "application/json");
  CHECK(event.content.properties == std::vector<hub::Property>{{"temperature", "21"}, {"n", "3"}});
}

TEST_CASE("A-40 credit is topped up as messages come") {
  Device device;
  pn_link_t* link = device.client.sender("s", d2c);
  for (int i = 0; i < 2500; ++i) {
    REQUIRE(pn_link_credit(link) > 0);
    REQUIRE(device.client.send(link, Message().body("x")).state == PN_ACCEPTED);
  }
}

TEST_CASE("A-40 settled telemetry is kept too") {
  Device device;
  device.client.send(device.client.sender("s", d2c), Message().body("x"), true);
  CHECK(device.events().size() == 1);
}

TEST_CASE("A-12 A-40 256 KB is the limit; above it the message is rejected with an error") {
  Device device;
  pn_link_t* link = device.client.sender("s", d2c);
  CHECK(device.client.send(link, Message().body(std::string(262'144, 'x'))).state == PN_ACCEPTED);
  const auto large = device.client.send(link, Message().body(std::string(262'145, 'x')));
  CHECK(large.state == PN_REJECTED);
  CHECK(large.condition == "amqp:link:message-size-exceeded");
  CHECK(Client::is_attached(link));
  CHECK(device.client.send(link, Message().body("x")).state == PN_ACCEPTED);
}

TEST_CASE("A-07 above 1 MB the link is closed, before the message is whole") {
  Device device;
  pn_link_t* link = device.client.sender("s", d2c);
  device.client.send(link, Message().body(std::string(1'100'000, 'x')));
  CHECK(Client::condition_of(link) == "amqp:link:message-size-exceeded");
  CHECK(device.client.is_open());
  device.client.close(link);
  CHECK(device.client.send(device.client.sender("s", d2c), Message().body("x")).state ==
        PN_ACCEPTED);
}

TEST_CASE("A-12 what is no message is rejected with an error") {
  Device device;
  pn_link_t* link = device.client.sender("s", d2c);
  const auto rubbish = device.client.send_bytes(link, "rubbish");
  CHECK(rubbish.state == PN_REJECTED);
  CHECK(rubbish.condition == "com.microsoft:argument-error");
  const auto sequence = device.client.send_bytes(link, hex("00 53 76 45"));
  CHECK(sequence.condition == "amqp:not-implemented");
  CHECK(device.events().empty());
}

TEST_CASE("A-11 a batch is one event for each data section, whole or in many transfers") {
  const std::string one = Message().id("1").property("k", "a").body("first").encode();
  const std::string two = Message().id("2").property("k", "b").body("second").encode();
  const std::string batch = data_section(one) + data_section(two);
  for (const std::size_t piece : {batch.size(), std::size_t{7}}) {
    RawDevice device;
    std::string stream;
    for (std::size_t at = 0; at < batch.size(); at += piece) {
      Transfer transfer;
      transfer.delivery_id = at == 0 ? std::optional<std::uint32_t>(0) : std::nullopt;
      transfer.message_format = at == 0 ? 0x80013700 : 0;
      transfer.more = at + piece < batch.size();
      stream += transfer_frame(transfer, batch.substr(at, piece));
    }
    const auto disposition = first(frames_of(device.say(stream)), Descriptor::disposition);
    CHECK(disposition.body.find(hex("00 53 24")) != std::string::npos);
    std::vector<hub::TelemetryPtr> events;
    for (std::uint32_t p = 0; p < 4; ++p) {
      for (auto& event : device.hub.hub.events().read(p, 0, 10)) events.push_back(event);
    }
    REQUIRE(events.size() == 2);
    CHECK(events[0]->content.body == "first");
    CHECK(events[0]->content.message_id.text == "1");
    CHECK(events[1]->content.body == "second");
    CHECK(events[1]->content.properties == std::vector<hub::Property>{{"k", "b"}});
  }
}

TEST_CASE("A-11 without the batch format the same bytes are one message") {
  RawDevice device;
  const std::string inner = Message().body("first").encode();
  device.say(transfer_frame({}, data_section(inner)));
  std::size_t events = 0;
  for (std::uint32_t p = 0; p < 4; ++p) {
    for (auto& event : device.hub.hub.events().read(p, 0, 10)) {
      ++events;
      CHECK(event->content.body == inner);
    }
  }
  CHECK(events == 1);
}

TEST_CASE("A-11 a batch is rejected as a whole: one bad message, 256 KB in all, none at all") {
  const auto refused = [](const std::string& batch) {
    RawDevice device;
    std::string stream;
    constexpr std::size_t piece = 60'000;
    for (std::size_t at = 0; at == 0 || at < batch.size(); at += piece) {
      Transfer transfer;
      transfer.message_format = 0x80013700;
      transfer.more = at + piece < batch.size();
      stream += transfer_frame(transfer, std::string_view(batch).substr(at, piece));
    }
    const auto frames = frames_of(device.say(stream));
    std::string condition = "none";
    for (const Seen& seen : frames) {
      if (seen.code != Descriptor::disposition) continue;
      for (const char* known :
           {"amqp:link:message-size-exceeded", "com.microsoft:argument-error"}) {
        if (seen.body.find(known) != std::string::npos) condition = known;
      }
    }
    for (std::uint32_t p = 0; p < 4; ++p) CHECK(device.hub.hub.events().read(p, 0, 10).empty());
    return condition;
  };
  const std::string good = data_section(Message().body("x").encode());
  CHECK(refused(good + data_section("rubbish")) == "com.microsoft:argument-error");
  CHECK(refused("") == "com.microsoft:argument-error");
  const std::string big = data_section(Message().body(std::string(140'000, 'x')).encode());
  CHECK(refused(big + big) == "amqp:link:message-size-exceeded");
}

TEST_CASE("A-20 an aborted delivery, and one on a refused link, do no harm") {
  RawDevice device;
  std::string fields = hex("52 00 52 00 a0 01 74 43 42 42 40 40 40 41");  // aborted: true
  std::string body = hex("00 53 14 c0");
  body.push_back(static_cast<char>(fields.size() + 1));
  body.push_back(10);
  device.say(raw_frame(0, 0, body + fields + "partial"));
  device.say(attach_sender_frame(0, 1, "no", "/devices/other/messages/events"));
  device.say(transfer_frame({0, 1, 1, 0, false, true}, "for nobody") +
             transfer_frame({0, 1, std::nullopt, 0, false, false}, "at all"));
  const auto frames = frames_of(
      device.say(transfer_frame({0, 0, 2, 0, false, false}, Message().body("x").encode())));
  CHECK(count(frames, Descriptor::disposition) >= 1);
  CHECK_FALSE(device.server.wants_close());
}

// ---- twin and methods --------------------------------------------------------------------------

TEST_CASE("A-41 twin requests get status int and version long, with the id's type") {
  Device device;
  Client::ReceiverOptions no_credit;
  no_credit.credit = 0;
  pn_link_t* requests = device.client.sender("TwinSenderLink", "/devices/dev1/twin");
  pn_link_t* responses =
      device.client.receiver("TwinReceiverLink", "/devices/dev1/twin", no_credit);
  REQUIRE(Client::is_attached(requests));
  REQUIRE(Client::is_attached(responses));
  const auto ask = [&](const char* operation, const char* correlation) {
    Message request;
    request.correlation_id(correlation).annotation("operation", operation).body(" ");
    CHECK(device.client.send(requests, request).state == PN_ACCEPTED);
  };
  ask("GET", "g");  // waits for credit
  CHECK(device.client.receive(responses).empty());
  device.client.credit(responses, 10);
  auto got = device.client.receive(responses);
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().correlation_text() == "g");
  CHECK(got[0].message().annotation_number("status") ==
        std::pair<pn_type_t, std::int64_t>{PN_INT, 200});
  CHECK(got[0].message().annotation_number("version")->first == PN_LONG);
  CHECK(got[0].message().body_bytes().find("\"desired\"") != std::string::npos);

  ask("PUT", "p");
  ask("DELETE", "d");
  ask("PATCH", "x");
  got = device.client.receive(responses);
  REQUIRE(got.size() == 3);
  CHECK(got[0].message().annotation_number("status")->second == 200);
  CHECK(got[1].message().annotation_number("status")->second == 200);
  // Not kept, so not promised.
  CHECK(got[2].message().annotation_number("status")->second == 501);
}

TEST_CASE(
    "A-51 the refusal of a twin request has a JSON body, which SDKs parse before they look "
    "further") {
  Device device;
  pn_link_t* requests = device.client.sender("TwinSenderLink", "/devices/dev1/twin");
  pn_link_t* responses = device.client.receiver("TwinReceiverLink", "/devices/dev1/twin");
  Message request;
  request.correlation_id("x").annotation("operation", "PATCH").body(R"({"a":1})");
  CHECK(device.client.send(requests, request).state == PN_ACCEPTED);
  const auto got = device.client.receive(responses);
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().annotation_number("status")->second == 501);
  CHECK(
      got[0].message().body_bytes() ==
      R"({"errorCode":404013,"message":"FeatureNotSupported: twins are not kept yet, so the change is not stored"})");
}

TEST_CASE("A-41 method links attach and stay silent") {
  Device device;
  pn_link_t* requests = device.client.receiver("mr", "/devices/dev1/methods/devicebound");
  pn_link_t* responses = device.client.sender("ms", "/devices/dev1/methods/devicebound");
  CHECK(Client::is_attached(requests));
  CHECK(device.client.send(responses, Message().body("{}")).state == PN_ACCEPTED);
  CHECK(device.client.receive(requests).empty());
}
