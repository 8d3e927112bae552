// How clients get in: headers, SASL, open, put-token (spec/amqp.md sections 1 and 2).
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>

#include <doctest/doctest.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

namespace {

const std::string devicebound = "/devices/dev1/messages/devicebound";
const std::string d2c = "/devices/dev1/messages/events";

Client::Options plain(const std::string& user, const std::string& password) {
  Client::Options options;
  options.mechanism = "PLAIN";
  options.user = user;
  options.password = password;
  return options;
}

std::string connect(TestHub& hub, const std::string& stream) {
  Server server(hub);
  server.bytes(stream);
  return server.take_output();
}

}  // namespace

TEST_CASE("A-01 a bare AMQP header is answered with one, and never with SASL") {
  TestHub hub;
  const std::string out = connect(hub, amqp_header + open_frame());
  CHECK(out.substr(0, 8) == amqp_header);
  CHECK(out.find("AMQP\3") == std::string::npos);
  CHECK(count(frames_of(out), Descriptor::open) == 1);
}

TEST_CASE("A-02 MSSBCBS works like ANONYMOUS; the mechanisms are an array") {
  for (const bool piece_by_piece : {false, true}) {
    TestHub hub;
    Server server(hub);
    server.bytes(sasl_header);
    std::string out = server.take_output();
    CHECK(out.substr(0, 8) == sasl_header);
    const auto mechanisms = first(frames_of(out), Descriptor::sasl_mechanisms);
    REQUIRE(mechanisms.fields.size() == 1);
    CHECK(mechanisms.fields[0].type == amqp::Type::array);
    CHECK(mechanisms.fields[0].count == 3);  // no EXTERNAL without a certificate
    CHECK(mechanisms.fields[0].bytes.find("MSSBCBS") != std::string::npos);

    const std::string rest = sasl_init("MSSBCBS", nullptr) + amqp_header + open_frame();
    piece_by_piece ? server.bytes_one_by_one(rest) : server.bytes(rest);
    out = server.take_output();
    const auto outcome = first(frames_of(out), Descriptor::sasl_outcome);
    CHECK(outcome.fields.at(0).bits == 0);
    CHECK(out.find(amqp_header) != std::string::npos);
    CHECK(count(frames_of(out), Descriptor::open) == 1);
  }
}

TEST_CASE("A-02 ANONYMOUS, with everything behind it in one read") {
  TestHub hub;
  const std::string who = "anonymous";
  const std::string out =
      connect(hub, sasl_header + sasl_init("ANONYMOUS", &who) + amqp_header + open_frame() +
                       begin_frame() + attach_sender_frame(0, 0, "cbs-sender", "$cbs"));
  const auto frames = frames_of(out);
  CHECK(first(frames, Descriptor::sasl_outcome).fields.at(0).bits == 0);
  CHECK(count(frames, Descriptor::begin) == 1);
  CHECK(count(frames, Descriptor::attach) == 1);
  CHECK(count(frames, Descriptor::flow) == 1);
}

TEST_CASE("A-22 PLAIN with a policy token needs no put-token, whatever the host is called") {
  TestHub hub;
  for (const char* host : {"localhost", "127"}) {
    Client client(hub, plain("service@sas.root." + std::string(host), service_token(hub)));
    REQUIRE(client.is_open());
    CHECK(Client::is_attached(client.sender("s", "/messages/devicebound")));
    CHECK_FALSE(Client::is_attached(client.sender("d", d2c)));
  }
}

TEST_CASE("A-22 PLAIN of a device opens its links, and no other's") {
  TestHub hub;
  hub.create("dev1");
  hub.create("dev2");
  Client client(hub, plain("dev1@sas.localhost", device_token(hub, "dev1")));
  REQUIRE(client.is_open());
  CHECK(Client::is_attached(client.sender("a", d2c)));
  CHECK(Client::condition_of(client.sender("b", "/devices/dev2/messages/events")) ==
        "amqp:unauthorized-access");
}

TEST_CASE("A-22 PLAIN is refused with outcome 1 for every mismatch, and the connection ends") {
  TestHub hub;
  hub.create("dev1");
  hub.create("dev2");
  const std::string device = device_token(hub, "dev1");
  const std::string service = service_token(hub);
  struct Row {
    std::string user, token;
  };
  for (const Row& row : {Row{"dev2@sas.localhost", device}, Row{"dev1@sas.root.localhost", device},
                         Row{"iothubowner@sas.root.localhost", service}, Row{"dev1", device},
                         Row{"dev1@sas.localhost", service}, Row{"dev1@sas.localhost", "rubbish"},
                         Row{"dev1@sas.localhost", device_token(hub, "dev1", -1s)}}) {
    CAPTURE(row.user);
    Server server(hub);
    const std::string response = std::string("\0", 1) + row.user + std::string("\0", 1) + row.token;
    server.bytes(sasl_header + sasl_init("PLAIN", &response) + amqp_header + open_frame());
    const std::string out = server.take_output();
    const auto frames = frames_of(out);
    CHECK(first(frames, Descriptor::sasl_outcome).fields.at(0).bits == 1);
    CHECK(count(frames, Descriptor::open) == 0);
    CHECK(server.wants_close());
  }
  CHECK_FALSE(hub.log.contains(device.substr(device.find("sig="), 20)));  // no token in the log
  CHECK(hub.log.contains("AMQP login refused"));
}

TEST_CASE("A-22 PLAIN without the zero bytes, an unknown mechanism, EXTERNAL without certificate") {
  TestHub hub;
  const std::string no_user = "dev1";
  for (const std::string& init : {sasl_init("PLAIN", &no_user), sasl_init("PLAIN", nullptr),
                                  sasl_init("SCRAM-SHA-256", nullptr), sasl_init("", nullptr),
                                  sasl_init("EXTERNAL", nullptr)}) {
    const std::string out = connect(hub, sasl_header + init);
    CHECK(first(frames_of(out), Descriptor::sasl_outcome).fields.at(0).bits == 1);
  }
}

TEST_CASE("A-22 X.509: no SASL, or EXTERNAL; the certificate covers its device only") {
  TestHub hub;
  hub::DeviceSpec spec;
  spec.id = {"x509"};
  spec.authentication_type = hub::AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(64, 'A');
  REQUIRE(hub.hub.registry().create(spec, hub.now));
  hub.create("dev1");
  for (const char* mechanism : {"", "EXTERNAL"}) {
    Client::Options options;
    options.mechanism = mechanism;
    options.certificate =
        hub::ClientCertificate{std::string(40, 'b'), std::string(64, 'a'), "x509"};
    Client client(hub, options);
    REQUIRE(client.is_open());
    CHECK((client.from_hub.find("EXTERNAL") != std::string::npos) == (*mechanism != '\0'));
    CHECK(Client::is_attached(client.sender("a", "/devices/x509/messages/events")));
    CHECK(Client::is_attached(client.receiver("b", "/devices/x509/messages/devicebound")));
    CHECK_FALSE(Client::is_attached(client.sender("c", d2c)));
  }
  Client::Options wrong;
  wrong.certificate = hub::ClientCertificate{std::string(40, 'b'), std::string(64, 'c'), "x509"};
  Client client(hub, wrong);
  CHECK(Client::condition_of(client.sender("a", "/devices/x509/messages/events")) ==
        "amqp:unauthorized-access");
}

TEST_CASE("A-21 open says what the real hub says") {
  TestHub hub;
  const std::string out = connect(hub, amqp_header + open_frame() + begin_frame());
  const auto frames = frames_of(out);
  const auto open = first(frames, Descriptor::open);
  REQUIRE(open.fields.size() >= 5);
  CHECK(open.fields[0].text()->substr(0, 14) == "DeviceGateway_");
  CHECK(open.fields[0].text()->size() == 14 + 32);
  CHECK(open.fields[1].text() == "localhost");
  CHECK(open.fields[2].bits == 65'536);
  CHECK(open.fields[3].bits == 8191);
  CHECK(open.fields[4].bits == 240'000);
  CHECK(count(frames, Descriptor::begin) == 1);
}

TEST_CASE("A-21 empty frames keep a client alive that announced an idle time-out") {
  TestHub hub;
  Server server(hub);
  server.bytes(amqp_header + open_frame(60'000));
  server.session->end_turn(hub.now);
  CHECK(server.session->output_promises());
  server.take_output();
  const auto deadline = server.session->next_deadline();
  REQUIRE(deadline.has_value());
  CHECK(*deadline <= hub.now + 30s);
  hub.now = *deadline;
  server.session->on_time(hub.now);
  server.session->end_turn(hub.now);
  CHECK_FALSE(server.session->output_promises());  // N-46
  const std::string beat = server.take_output();
  CHECK(beat == hex("00 00 00 08 02 00 00 00"));
}

TEST_CASE("A-21 a client that falls silent for 480 s is cut off") {
  TestHub hub;
  Client client(hub);
  REQUIRE(client.is_open());
  hub.now += 479s;
  client.server.session->on_time(hub.now);
  CHECK_FALSE(client.server.wants_close());
  hub.now += 2s;
  client.run();
  CHECK(client.connection_condition() == "amqp:resource-limit-exceeded");
  CHECK(client.server.wants_close());
}

TEST_CASE("A-26 a peer that never opens its connection is dropped after a minute") {
  TestHub hub;
  for (const std::string& beginning : {std::string(), amqp_header, sasl_header}) {
    Server server(hub);
    server.bytes(beginning);
    server.take_output();
    const auto deadline = server.session->next_deadline();
    REQUIRE(deadline.has_value());
    CHECK(*deadline == hub.now + 60s);
    server.session->on_time(*deadline);
    CHECK(server.wants_close());
  }
}

TEST_CASE("A-28 an idle time-out that would keep us busy is refused") {
  TestHub hub;
  const std::string out = connect(hub, amqp_header + open_frame(100));
  const auto close = first(frames_of(out), Descriptor::close);
  CHECK(close.body.find("amqp:not-allowed") != std::string::npos);
}

// ---- put-token ---------------------------------------------------------------------------------

TEST_CASE("A-03 the reply's correlation-id has the type and value of the request's message-id") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1"), Message().id("uuid-as-text")) == 200);
  CHECK(client.cbs_reply->message().correlation().type == PN_STRING);
  CHECK(client.cbs_reply->message().correlation_text() == "uuid-as-text");

  CHECK(client.put_token(device_token(hub, "dev1"), Message().id_ulong(0)) == 200);
  CHECK(client.cbs_reply->message().correlation().type == PN_ULONG);
  CHECK(client.cbs_reply->message().correlation_text() == "0");

  const std::string uuid = hex("00112233445566778899aabbccddeeff");
  CHECK(client.put_token(device_token(hub, "dev1"), Message().id_uuid(uuid)) == 200);
  CHECK(client.cbs_reply->message().correlation().type == PN_UUID);
  CHECK(client.cbs_reply->message().correlation_text() == uuid);
}

TEST_CASE("A-04 the disposition of a put-token leaves before its reply, at every renewal") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  for (int renewal = 0; renewal < 3; ++renewal) {
    const std::size_t before = client.from_hub.size();
    REQUIRE(client.put_token(device_token(hub, "dev1")) == 200);
    const std::string said = client.from_hub.substr(before);
    std::optional<std::size_t> disposition;
    std::optional<std::size_t> transfer;
    const auto frames = frames_of(said);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (frames[i].code == Descriptor::disposition && !disposition) disposition = i;
      if (frames[i].code == Descriptor::transfer && !transfer) transfer = i;
    }
    REQUIRE(disposition.has_value());
    REQUIRE(transfer.has_value());
    CHECK(*disposition < *transfer);
    CHECK(frames[*disposition].fields.at(3).bits == 1);  // settled
  }
}

TEST_CASE(
    "A-05 the reply goes to the connection's $cbs receiver, also one of another session, and "
    "waits for it") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  pn_link_t* request = client.sender("s", "$cbs");
  Message message;
  message.id("1")
      .property("operation", "put-token")
      .property("type", "servicebus.windows.net:sastoken");
  message.property("name", "n").value_body(device_token(hub, "dev1"));
  pn_message_set_reply_to(*message, "somewhere-else");
  CHECK(client.send(request, message).state == PN_ACCEPTED);

  Client::ReceiverOptions options;
  options.credit = 0;
  options.in = client.begin();
  pn_link_t* replies = client.receiver("r", "$cbs", options);
  CHECK(client.receive(replies).empty());
  client.credit(replies, 5);
  const auto got = client.receive(replies);
  REQUIRE(got.size() == 1);
  CHECK(got[0].message().correlation_text() == "1");
}

TEST_CASE("A-06 status-code is an int and status-description a string") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1")) == 200);  // checks the type
  CHECK(client.cbs_reply->message().property_text("status-description") == "OK");
}

TEST_CASE("A-29 put-token: 400 for what is no request, 401 for what is no good token") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token("") == 400);
  CHECK(client.put_token("rubbish") == 401);
  CHECK(client.put_token(device_token(hub, "nobody")) == 401);
  CHECK(client.put_token(device_token(hub, "dev1", -1s)) == 401);
  CHECK(client.put_token(hub::make_sas_token("localhost/devices/dev1", test::well_known_key,
                                             hub.now + 1h)) == 401);
  CHECK(client.put_token("Bearer eyJhbGciOi") == 401);
  CHECK_FALSE(client.cbs_reply->message().property_text("status-description")->empty());
  CHECK(hub.log.contains("put-token refused"));
  const std::string token = device_token(hub, "nobody");
  CHECK_FALSE(hub.log.contains(token.substr(token.find("sig="), 20)));

  pn_link_t* request = client.sender("again", "$cbs");
  CHECK(client.send(request, Message().id("1").value_body("x")).state == PN_ACCEPTED);
  CHECK(client.send_bytes(request, "no message").condition == "com.microsoft:argument-error");
}

TEST_CASE("A-29 a device that is disabled gets no token through") {
  TestHub hub;
  hub.create("dev1");
  hub::DeviceSpec spec;
  spec.id = {"dev1"};
  spec.status = hub::DeviceStatus::disabled;
  REQUIRE(hub.hub.registry().update(spec, std::nullopt, hub.now));
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1")) == 401);
}

TEST_CASE("A-29 a token sent settled, with an empty tag, is taken too") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  pn_link_t* request = client.sender("s", "$cbs");
  pn_link_t* replies = client.receiver("r", "$cbs");
  Message message;
  message.id("1")
      .property("operation", "put-token")
      .property("type", "SERVICEBUS.windows.net:sastoken");
  message.property("name", "n").value_body(device_token(hub, "dev1"));
  client.send(request, message, true);
  REQUIRE(client.receive(replies).size() == 1);
  CHECK(Client::is_attached(client.sender("d", d2c)));
}

TEST_CASE("A-23 many devices on one connection, each with its own token and end") {
  TestHub hub;
  for (const char* id : {"dev1", "dev2", "dev3"}) hub.create(id);
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1", 100s)) == 200);
  CHECK(client.put_token(device_token(hub, "dev2", 200s)) == 200);
  pn_link_t* one = client.sender("1", d2c);
  pn_link_t* two = client.sender("2", "/devices/dev2/messages/events");
  CHECK(Client::is_attached(one));
  CHECK(Client::is_attached(two));
  CHECK(Client::condition_of(client.sender("3", "/devices/dev3/messages/events")) ==
        "amqp:unauthorized-access");

  hub.advance(100s);
  client.run();
  CHECK(Client::condition_of(one) == "amqp:unauthorized-access");
  CHECK(Client::is_attached(two));
  CHECK_FALSE(Client::is_attached(client.sender("1b", d2c)));
  CHECK_FALSE(hub.hub.registry().get({"dev1"}, hub.now)->connected);
  CHECK(hub.hub.registry().get({"dev2"}, hub.now)->connected);
}

TEST_CASE("A-23 a renewed token keeps its links; the old end passes unnoticed") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1", 100s)) == 200);
  pn_link_t* link = client.receiver("1", devicebound);
  hub.advance(90s);
  CHECK(client.put_token(device_token(hub, "dev1", 100s)) == 200);
  hub.advance(50s);
  client.run();
  CHECK(Client::is_attached(link));
  hub.advance(50s);
  client.run();
  CHECK(Client::condition_of(link) == "amqp:unauthorized-access");
}

TEST_CASE("A-23 tokenExpiryGrace and sasClockSkewSeconds put the end off") {
  hub::Settings settings;
  settings.token_expiry_grace = 20s;
  settings.sas_clock_skew = 10s;
  TestHub hub(settings);
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1", 100s)) == 200);
  pn_link_t* link = client.sender("1", d2c);
  hub.advance(129s);
  client.run();
  CHECK(Client::is_attached(link));
  hub.advance(1s);
  client.run();
  CHECK_FALSE(Client::is_attached(link));
}

TEST_CASE(
    "A-23 a hub-scoped token with DeviceConnect opens links of any device, and of no service") {
  TestHub hub;
  hub.create("dev1");
  hub.create("dev2");
  Client client(hub);
  CHECK(client.put_token(service_token(hub, "device")) == 200);
  CHECK(Client::is_attached(client.sender("1", d2c)));
  CHECK(Client::is_attached(client.sender("2", "/devices/dev2/messages/events")));
  CHECK_FALSE(Client::is_attached(client.sender("3", "/devices/none/messages/events")));
  CHECK_FALSE(Client::is_attached(client.sender("4", "/messages/devicebound")));
}

TEST_CASE(
    "A-27 at shutdown links are detached, sessions ended, the connection closed, each with why") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1")) == 200);
  pn_link_t* receiver = client.receiver("1", devicebound);
  pn_link_t* sender = client.sender("2", d2c);
  client.server.session->on_shutdown(hub.now);
  client.run();
  CHECK(Client::condition_of(receiver) == "amqp:connection:forced");
  CHECK(Client::condition_of(sender) == "amqp:connection:forced");
  CHECK((pn_session_state(pn_link_session(sender)) & PN_REMOTE_CLOSED) != 0);
  CHECK(client.connection_condition() == "amqp:connection:forced");
  CHECK(client.server.wants_close());
  CHECK_FALSE(hub.hub.registry().get({"dev1"}, hub.now)->connected);
}

TEST_CASE("A-27 a client that breaks the protocol has its links detached, too") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  CHECK(client.put_token(device_token(hub, "dev1")) == 200);
  pn_link_t* receiver = client.receiver("1", devicebound);
  client.server.session->on_bytes(std::string("\0\0\0\1\2\0\0\0", 8),
                                  hub.now);  // a frame of one byte
  client.run();
  CHECK(client.connection_condition() == "amqp:connection:framing-error");
  CHECK(Client::condition_of(receiver) == "amqp:connection:framing-error");
}
