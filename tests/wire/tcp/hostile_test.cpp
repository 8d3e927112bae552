// Many bad peers at once on a whole server: they get their refusal, keep nothing, and a device that
// was there before them has its service all the while.
#include "tests/wire/tcp/front_doors.hpp"

#include <array>

using namespace net_test;

namespace {

// A device that is served: each call is a PINGREQ that must be answered.
class Bystander {
 public:
  explicit Bystander(FrontDoors& doors) : client_(doors.port("mqtt")) {
    client_.send(doors.mqtt_connect());
    CHECK(client_.receive(4) == connack_accepted);
  }
  void check_served() {
    client_.send(std::string("\xc0\x00", 2));
    CHECK(client_.receive(2) == std::string("\xd0\x00", 2));
  }

 private:
  TcpClient client_;
};

constexpr int attempts = 100;

}  // namespace

TEST_CASE("N-21 a flood of bad logins over every protocol keeps nothing and disturbs nobody") {
  FrontDoors doors;
  Bystander bystander(doors);
  const std::string forged =
      "SharedAccessSignature sr=localhost%2Fdevices%2Fd1&sig=Zm9yZ2Vk&se=99999999999";
  const std::string request =
      "GET /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n"
      "Authorization: " +
      forged + "\r\nConnection: close\r\n\r\n";
  const std::string plain_response =
      std::string(1, '\0') + "d1@sas.localhost" + std::string(1, '\0') + forged;
  // sasl-init: PLAIN and the response, as a symbol and a binary in a list8.
  std::string init("\x00\x53\x41\xc0", 4);
  init += static_cast<char>(1 + 7 + 2 + plain_response.size());
  init += std::string("\x02\xa3\x05PLAIN\xa0", 9) + static_cast<char>(plain_response.size()) +
          plain_response;
  const std::string frame = std::string("\0\0\0", 3) + static_cast<char>(8 + init.size()) +
                            std::string("\x02\x01\0\0", 4) + init;
  for (int i = 0; i < attempts; ++i) {
    TcpClient mqtt(doors.port("mqtt"));
    mqtt.send(doors.mqtt_connect(forged + std::string(60, 'x')));
    CHECK(mqtt.receive_all() == std::string("\x20\x02\x00\x05", 4));
    TcpClient http(doors.port("http"));
    http.send(request);
    CHECK(http.receive_all().starts_with("HTTP/1.1 401 "));
    TcpClient amqp(doors.port("amqp"));
    amqp.send(amqp_sasl_header + frame);
    CHECK(amqp.receive_all().starts_with(amqp_sasl_header));
    if (i % 10 == 0) bystander.check_served();
  }
  auto& metrics = (*doors).hub().metrics();
  CHECK(metrics.authentication_failures == 3 * attempts);
  // The last of them may still be on its way out: some turns of the server more.
  for (int turn = 0; turn < 1000 && metrics.connections_open != 1; ++turn) bystander.check_served();
  CHECK(metrics.connections_open == 1);
  const auto device = (*doors).hub().registry().get({"d1"}, app::SystemClock().now());
  CHECK(device->connected);
  CHECK(device->c2d_message_count == 0);
  CHECK_FALSE(doors.log().has("Zm9yZ2Vk"));  // no signature in the log, be it a forged one
}

TEST_CASE("N-22 connections that say nothing, or half of something, stand in nobody's way") {
  FrontDoors doors;
  Bystander bystander(doors);
  const std::array<std::string, 5> beginnings{"", "\x10", "GET / HT", "AMQP",
                                              std::string("\x16\x03\x01", 3)};
  const std::array ports{"mqtt", "mqtts", "amqp", "amqps", "http", "https"};
  std::vector<std::unique_ptr<TcpClient>> silent;
  for (int round = 0; round < 8; ++round) {
    for (const char* port : ports) {
      silent.push_back(std::make_unique<TcpClient>(doors.port(port)));
      silent.back()->send(beginnings[silent.size() % beginnings.size()]);
    }
    bystander.check_served();
  }
  // New ones are let in while they wait for their time-outs (N-08, A-26, M-18, H-22).
  TcpClient client(doors.port("http"));
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(client.receive_all().starts_with("HTTP/1.1 200 "));
  bystander.check_served();
}
