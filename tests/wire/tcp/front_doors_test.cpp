// The real sessions behind real sockets: every way in that an SDK takes, on one running server.
#include "emulator/app/server.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "emulator/core/auth.hpp"
#include "tests/unit/net/tls_client.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

using namespace net_test;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

constexpr auto device_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const std::string amqp_sasl_header("AMQP\x03\x01\x00\x00", 8);
const std::string connack_accepted("\x20\x02\x00\x00", 4);

class FrontDoors {
 public:
  FrontDoors() : server_(config(), log_, clock_), thread_([this] { server_.run(); }) {}
  ~FrontDoors() {
    server_.request_stop();
    thread_.join();
  }
  std::uint16_t port(const char* name) const { return server_.report().port(name); }
  ClientOptions tls() const {
    ClientOptions options;
    options.ca = app::read_file(server_.report().ca_path).value();
    return options;
  }
  std::string token(const std::string& resource, const std::string& key, const std::string& policy = {}) {
    return hub::make_sas_token(resource, key, clock_.now() + std::chrono::hours{1}, policy);
  }
  std::string mqtt_connect() {
    const auto field = [](const std::string& text) {
      return std::string{static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)} + text;
    };
    const std::string body = field("MQTT") + std::string("\x04\xc2\x00\x3c", 4) + field("d1") +
                             field("localhost/d1/?api-version=2021-04-12") +
                             field(token("localhost/devices/d1", device_key));
    REQUIRE(body.size() >= 128);
    return "\x10" + std::string{static_cast<char>(body.size() % 128 | 128), static_cast<char>(body.size() / 128)} +
           body;
  }

 private:
  app::Config config() {
    app::write_file_atomically(folder_.path() / "seed.json",
                               std::string(R"({"devices": [{"id": "d1", "primaryKey": ")") + device_key +
                                   "\"}]}",
                               0600);
    app::Config config;
    config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
    config.mqtt_port = config.amqp_port = config.http_port = 0;
    config.tls_dir = folder_.path() / "tls";
    config.seed = folder_.path() / "seed.json";
    return config;
  }

  Watchdog watchdog_;
  TemporaryFolder folder_;
  CollectingLog log_;
  app::SystemClock clock_;
  app::Server server_;
  std::thread thread_;
};

template <class Stream>
std::string exchange(Stream& stream, const std::string& request, std::size_t size) {
  boost::asio::write(stream, boost::asio::buffer(request));
  std::string answer(size, '\0');
  boost::asio::read(stream, boost::asio::buffer(answer));
  return answer;
}

template <class Lower>
std::string websocket_exchange(Lower& lower, const std::string& path, const std::string& subprotocol,
                               const std::string& request, std::size_t size) {
  websocket::stream<Lower&> stream(lower);
  stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& r) {
    r.set(beast::http::field::sec_websocket_protocol, subprotocol);
  }));
  websocket::response_type response;
  stream.handshake(response, "localhost", path);
  CHECK(response[beast::http::field::sec_websocket_protocol] == subprotocol);
  stream.binary(true);
  stream.write(boost::asio::buffer(request));
  beast::flat_buffer buffer;
  while (buffer.size() < size) stream.read(buffer);
  return beast::buffers_to_string(buffer.data()).substr(0, size);
}

}  // namespace

TEST_CASE("M-01 MQTT over TLS, plain, and over both WebSockets") {
  FrontDoors doors;
  const std::string connect = doors.mqtt_connect();
  {
    TlsClient client(doors.port("mqtts"), doors.tls());
    CHECK(exchange(client.stream(), connect, 4) == connack_accepted);
  }
  {
    TcpClient client(doors.port("mqtt"));
    CHECK(exchange(client.socket(), connect, 4) == connack_accepted);
  }
  {
    TlsClient client(doors.port("https"), doors.tls());
    CHECK(websocket_exchange(client.stream(), "/$iothub/websocket?iothub-no-client-cert=true", "mqtt",
                             connect, 4) == connack_accepted);
  }
  {
    TcpClient client(doors.port("http"));
    CHECK(websocket_exchange(client.socket(), "/$iothub/websocket", "MQTT", connect, 4) ==
          connack_accepted);
  }
}

TEST_CASE("M-01 AMQP over TLS, plain, and over the WebSocket at both paths") {
  FrontDoors doors;
  {
    TlsClient client(doors.port("amqps"), doors.tls());
    CHECK(exchange(client.stream(), amqp_sasl_header, 8) == amqp_sasl_header);
  }
  {
    TcpClient client(doors.port("amqp"));
    CHECK(exchange(client.socket(), amqp_sasl_header, 8) == amqp_sasl_header);
  }
  for (const char* path : {"/$iothub/websocket", "/$servicebus/websocket"}) {
    TlsClient client(doors.port("https"), doors.tls());
    CHECK(websocket_exchange(client.stream(), path, "AMQPWSB10", amqp_sasl_header, 8) ==
          amqp_sasl_header);
  }
}

TEST_CASE("M-01 the registry answers on the port of the WebSockets") {
  FrontDoors doors;
  const std::string request =
      "GET /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: " +
      doors.token("localhost", std::string(app::well_known_key), "iothubowner") + "\r\n\r\n";
  TlsClient client(doors.port("https"), doors.tls());
  CHECK(exchange(client.stream(), request, 15) == "HTTP/1.1 200 OK");
  TcpClient plain(doors.port("http"));
  CHECK(exchange(plain.socket(), request, 15) == "HTTP/1.1 200 OK");
}
