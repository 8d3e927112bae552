// The real sessions behind real sockets: every way in that an SDK takes, on one running server.
#include "tests/wire/tcp/front_doors.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

using namespace net_test;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

template <class Stream>
std::string exchange(Stream& stream, const std::string& request, std::size_t size) {
  boost::asio::write(stream, boost::asio::buffer(request));
  std::string answer(size, '\0');
  boost::asio::read(stream, boost::asio::buffer(answer));
  return answer;
}

template <class Lower>
std::string websocket_exchange(Lower& lower, const std::string& path,
                               const std::string& subprotocol, const std::string& request,
                               std::size_t size) {
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
    CHECK(websocket_exchange(client.stream(), "/$iothub/websocket?iothub-no-client-cert=true",
                             "mqtt", connect, 4) == connack_accepted);
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
