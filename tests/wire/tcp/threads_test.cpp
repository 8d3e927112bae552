// N-31: several threads give the answers of one.
#include "tests/wire/tcp/traffic.hpp"

#include <array>

using namespace net_test;

namespace {

const std::string devicebound_subscribe = [] {
  const std::string filter = "devices/d1/messages/devicebound/#";
  return std::string("\x82", 1) + static_cast<char>(2 + 2 + filter.size() + 1) +
         std::string("\x00\x01\x00", 3) + static_cast<char>(filter.size()) + filter +
         '\0';  // QoS 0
}();

const std::string suback("\x90\x03\x00\x01\x00", 5);

// Whether `wanted` comes before the end.
bool reads(TcpClient& client, const std::string& wanted) {
  std::string text;
  while (text.find(wanted) == std::string::npos) {
    std::array<char, 4096> part{};
    error_code error;
    const std::size_t size = client.socket().read_some(boost::asio::buffer(part), error);
    if (error) return false;
    text.append(part.data(), size);
  }
  return true;
}

}  // namespace

TEST_CASE("N-31 all protocols at once: nothing is lost, comes twice or out of order") {
  const TemporaryFolder folder;
  std::string data;
  SUBCASE("in memory") {}
  SUBCASE("durable") { data = folder.path() / "data"; }
  FrontDoors doors(4, data);
  constexpr int messages = 30;
  Traffic traffic(doors, messages);
  traffic.wait();
  auto& hub = (*doors).hub();
  traffic.auditor().check_no_complaints();
  traffic.auditor().check_all_arrived();
  traffic.auditor().check_events(hub, true);
  CHECK(hub.metrics().c2d_ingress_success == traffic.auditor().sent_count());
  CHECK(hub.metrics().c2d_egress_complete_success == traffic.auditor().sent_count());
  CHECK(hub.metrics().d2c_telemetry_ingress_success == 10 * messages);
  CHECK(doors.stop() == 0);
}

TEST_CASE(
    "N-31 a stop in the middle of it ends with exit code 0, and keeps what was acknowledged") {
  const TemporaryFolder folder;
  const std::string data = folder.path() / "data";
  std::optional<FrontDoors> doors(std::in_place, 4, data);
  Traffic traffic(*doors, 1'000'000);
  Auditor& auditor = traffic.auditor();
  while (auditor.sent_count() < 300) std::this_thread::yield();
  traffic.expect_end();
  CHECK(doors->stop() == 0);
  traffic.wait();
  auditor.check_no_complaints();
  doors.reset();
  FrontDoors again(4, data);
  auditor.check_nothing_lost((*again).hub());
  auditor.check_events((*again).hub(), false);
}

TEST_CASE("C2D-36 of many connections of one device at once the last has it, and receives") {
  constexpr int rounds = 200, connections = 8;
  FrontDoors doors(4);
  auto& hub = (*doors).hub();
  const std::string hello = doors.mqtt_connect() + devicebound_subscribe;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<TcpClient>> clients;
    for (int i = 0; i < connections; ++i) {
      clients.push_back(std::make_unique<TcpClient>(doors.port("mqtt")));
    }
    for (const auto& client : clients) client->send(hello);
    // Who is subscribed may still be taken over; who is not has been.
    std::erase_if(clients, [&](const auto& client) { return !reads(*client, suback); });
    hub::SendRequest request;
    request.device.text = "d1";
    request.content.body = "round " + std::to_string(round);
    REQUIRE(hub.c2d().send(std::move(request), doors.now()));
    int received = 0;
    for (const auto& client : clients) received += reads(*client, "round " + std::to_string(round));
    CHECK(received == 1);
  }
}

TEST_CASE("C2D-36 of a device's MQTT and AMQP connections at once the last has it, and receives") {
  FrontDoors doors(4);
  auto& hub = (*doors).hub();
  const std::string hello = doors.mqtt_connect() + devicebound_subscribe;
  const auto options = client_options(doors, iothub::TransportKind::amqp, "d1");
  for (int round = 0; round < 10; ++round) {
    iothub::DeviceClient amqp(options);
    const auto amqp_has = [&](auto call) {
      try {
        return call();
      } catch (const iothub::Error&) {  // LinkCreationConflict
        return false;
      }
    };
    auto opened = std::async(std::launch::async, [&] {
      return amqp_has([&] {
        amqp.open(true);
        return true;
      });
    });
    // AMQP needs a dozen round trips, so MQTT tries all the while.
    std::unique_ptr<TcpClient> mqtt;
    bool subscribed = false;
    do {
      mqtt = std::make_unique<TcpClient>(doors.port("mqtt"));
      mqtt->send(hello);
      subscribed = reads(*mqtt, suback);
    } while (opened.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
    const std::string body = "round " + std::to_string(round);
    hub::SendRequest request;
    request.device.text = "d1";
    request.content.body = body;
    REQUIRE(hub.c2d().send(std::move(request), doors.now()));
    const bool by_mqtt = subscribed && reads(*mqtt, body);
    const bool by_amqp = opened.get() && amqp_has([&] {
                           const auto message =
                               amqp.receive(iothub::Duration{by_mqtt ? 0 : 20'000});
                           if (message) amqp.complete(*message);
                           return message.has_value() && message->body == body;
                         });
    CHECK(by_mqtt != by_amqp);
  }
}

TEST_CASE(
    "C2D-25 receiving and completing is one step for other threads: each message comes once") {
  app::SystemClock clock;
  hub::NullLog log;
  hub::RandomIdSource ids;
  hub::Hub hub({}, ids, log, clock.now());
  hub::DeviceSpec spec;
  spec.id = {"d"};
  REQUIRE(hub.registry().create(spec, clock.now()));
  constexpr int messages = 3000;
  std::atomic<int> received{0};
  std::atomic<bool> all_sent{false};
  // Each takes the queue from the other all the time.
  const auto receive = [&] {
    bool last = false;
    while (!std::exchange(last, all_sent.load())) {
      auto link = *hub.c2d().open_devicebound(
          {"d"}, hub::Transport::mqtt, [] {}, 0, clock.now());
      while (link.receive_and_complete(clock.now())) ++received;
    }
  };
  auto one = std::async(std::launch::async, receive),
       other = std::async(std::launch::async, receive);
  for (int sent = 0; sent < messages;) {
    hub::SendRequest request;
    request.device = {"d"};
    sent += hub.c2d().send(std::move(request), clock.now()).has_value();
  }
  all_sent = true;
  one.get();
  other.get();
  while (hub.c2d().receive_once({{"d"}}, std::chrono::seconds{60}, clock.now())->has_value())
    ++received;
  CHECK(received == messages);
}

TEST_CASE(
    "M-06 the RSA certificate, which the first client that wants it has taken apart, on all "
    "threads at once") {
  FrontDoors doors(4);
  auto options = doors.tls();
  options.version = TLS1_2_VERSION;
  options.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  std::vector<std::future<int>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::async(std::launch::async, [&] {
      int rsa = 0;
      for (int n = 0; n < 10; ++n) {
        TlsClient client(doors.port("mqtts"), options);
        rsa += client.server_key() == EVP_PKEY_RSA;
      }
      return rsa;
    }));
  }
  for (auto& client : clients) CHECK(client.get() == 10);
}
