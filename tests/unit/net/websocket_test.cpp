#include <doctest/doctest.h>

#include "tests/unit/net/net_test_support.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

using namespace net_test;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

// An HTTP session that upgrades whatever it gets, and an echo behind it.
TestServer::Setup upgrading(std::string subprotocol = "mqtt", std::string echoed = "mqtt") {
  return [=](HookSession& session) {
    if (session.protocol != "test") return;
    session.on_input = [=, head = std::string()](HookSession& self,
                                                 std::string_view bytes) mutable {
      head += bytes;
      const auto end = head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      self.wanted_upgrade =
          protocols::Upgrade{head.substr(0, end + 4), head.substr(end + 4), subprotocol, echoed};
    };
  };
}

constexpr std::string_view request =
    "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: MQTT\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

// A masked frame as a client sends it; the mask is zero, which is allowed.
std::string frame(int opcode, std::string_view payload, bool final = true) {
  std::string out;
  out += static_cast<char>((final ? 0x80 : 0) | opcode);
  REQUIRE(payload.size() < 126);
  out += static_cast<char>(0x80 | payload.size());
  out += std::string(4, '\0');
  return out + std::string(payload);
}

std::string read_head(TcpClient& client) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const auto byte = client.receive(1);
    if (byte.empty()) break;
    head += byte;
  }
  return head;
}

class WsClient {
 public:
  explicit WsClient(std::uint16_t port) : socket_(io_) {
    socket_.next_layer().connect({boost::asio::ip::make_address("127.0.0.1"), port});
    socket_.set_option(websocket::stream_base::decorator([](websocket::request_type& r) {
      r.set(beast::http::field::sec_websocket_protocol, "mqtt");
    }));
    socket_.handshake("localhost", "/$iothub/websocket");
    socket_.binary(true);
  }
  std::string read() {
    beast::flat_buffer buffer;
    socket_.read(buffer);
    return beast::buffers_to_string(buffer.data());
  }
  std::string read(std::size_t size) {
    std::string text;
    while (text.size() < size) text += read();
    return text;
  }
  websocket::stream<tcp::socket>& operator*() { return socket_; }
  websocket::stream<tcp::socket>* operator->() { return &socket_; }

 private:
  boost::asio::io_context io_;
  websocket::stream<tcp::socket> socket_;
};

}  // namespace

TEST_CASE("M-02 the 101 echoes the client's spelling and declines extensions, header by header") {
  TestServer server(upgrading("mqtt", "MQTT"));
  TcpClient client(server.listen());
  client.send(request);
  const std::string head = read_head(client);
  CHECK(head.starts_with("HTTP/1.1 101 "));
  CHECK(head.find("\r\nUpgrade: websocket\r\n") != std::string::npos);
  CHECK(head.find("\r\nConnection: Upgrade\r\n") != std::string::npos);
  CHECK(head.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") !=
        std::string::npos);
  CHECK(head.find("\r\nSec-WebSocket-Protocol: MQTT\r\n") != std::string::npos);
  CHECK(head.find("Sec-WebSocket-Extensions") == std::string::npos);
  // Paho Java: a space after each colon, and no empty value.
  std::size_t line = head.find("\r\n") + 2;
  while (line < head.size() - 2) {
    const auto end = head.find("\r\n", line);
    const auto colon = head.find(':', line);
    REQUIRE(colon < end);
    CHECK(head[colon + 1] == ' ');
    CHECK(colon + 2 < end);
    line = end + 2;
  }
}

TEST_CASE("M-01 the subprotocol decides which session comes next, and it knows it is a WebSocket") {
  std::promise<std::pair<std::string, bool>> made;
  TestServer server([&](HookSession& session) {
    upgrading("AMQPWSB10", "AMQPWSB10")(session);
    if (session.protocol != "test") made.set_value({session.protocol, session.peer.websocket});
  });
  TcpClient client(server.listen());
  client.send(request);
  read_head(client);
  CHECK(made.get_future().get() == std::pair<std::string, bool>{"AMQPWSB10", true});
}

TEST_CASE("M-03 binary messages both ways; boundaries mean nothing") {
  TestServer server(upgrading());
  WsClient client(server.listen());
  client->write(boost::asio::buffer(std::string("hello")));
  CHECK(client.read(5) == "hello");
  CHECK(client->got_binary());
  // Larger than every buffer on the way.
  const std::string text(300'000, 'x');
  std::thread sender([&] { client->write(boost::asio::buffer(text)); });
  sender.join();
  CHECK(client.read(text.size()) == text);
}

TEST_CASE("M-03 a fragmented message with a ping in between is put together, the ping answered") {
  TestServer server(upgrading());
  TcpClient client(server.listen());
  client.send(request);
  read_head(client);
  client.send(frame(2, "ab", false));
  client.send(frame(9, "ping me"));
  client.send(frame(0, "cd", true));
  std::string echoed, pong;
  while (echoed.size() < 4 || pong.empty()) {
    const std::string head = client.receive(2);
    REQUIRE(head.size() == 2);
    const std::string payload = client.receive(static_cast<unsigned char>(head[1]));
    if ((head[0] & 0x0f) == 10) {
      pong = payload;
    } else {
      echoed += payload;
    }
  }
  CHECK(echoed == "abcd");
  CHECK(pong == "ping me");
}

TEST_CASE("M-03 the client's close is answered") {
  std::promise<void> ended;
  TestServer server([&](HookSession& session) {
    upgrading()(session);
    if (session.protocol != "test") session.on_end = [&](HookSession&) { ended.set_value(); };
  });
  WsClient client(server.listen());
  client->close(websocket::close_code::normal);  // returns when the server's close has come
  ended.get_future().wait();
}

TEST_CASE("M-03 the server's close comes after its last words") {
  TestServer server([](HookSession& session) {
    upgrading()(session);
    if (session.protocol == "test") return;
    session.on_input = [](HookSession& self, std::string_view) {
      self.out = "bye";
      self.close = true;
    };
  });
  WsClient client(server.listen());
  client->write(boost::asio::buffer(std::string("x")));
  CHECK(client.read(3) == "bye");
  beast::flat_buffer buffer;
  error_code error;
  client->read(buffer, error);
  CHECK(error == websocket::error::closed);
  CHECK(client->reason().code == websocket::close_code::normal);
}

TEST_CASE("M-03 a text frame is refused with 1003") {
  TestServer server(upgrading());
  WsClient client(server.listen());
  client->text(true);
  client->write(boost::asio::buffer(std::string("hello")));
  beast::flat_buffer buffer;
  error_code error;
  client->read(buffer, error);
  CHECK(error == websocket::error::closed);
  CHECK(client->reason().code == websocket::close_code::unknown_data);
}

TEST_CASE(
    "N-01 a message above the bound is refused with 1009, which arrives though more is sent") {
  TestServer server(upgrading());
  server.limits.websocket_message_bytes_max = 1000;
  WsClient client(server.listen());
  client->write(boost::asio::buffer(std::string(300'000, 'x')));
  beast::flat_buffer buffer;
  error_code error;
  while (!error) client->read(buffer, error);
  // Not which error: the client's own shutdown may find the connection gone already.
  CHECK(client->reason().code == websocket::close_code::too_big);
  client->next_layer().close();
  while (server.on_thread([&] { return server.thread().connection_count(); }) > 0) {
  }
  CHECK(server.log().has("the client breaks the rules of WebSocket listener=test peer=127.0.0.1:"));
  CHECK(server.log().has("reason=a message of more than 1000 bytes hint=let the client send"));
}

TEST_CASE("M-03 a flood of empty and one-byte fragments is one message, and holds up nobody") {
  TestServer server(upgrading());
  const auto port = server.listen();
  TcpClient client(port), other(port);
  for (TcpClient* each : {&client, &other}) {
    each->send(request);
    read_head(*each);
  }
  constexpr int fragments = 5000;
  std::string flood = frame(2, "", false);
  for (int i = 0; i < fragments; ++i) flood += frame(0, "", false) + frame(0, "x", false);
  client.send(flood);
  other.send(frame(2, "me too"));
  CHECK(other.receive(8) == std::string("\x82\x06me too"));
  client.send(frame(0, "", true));
  // What is echoed is one byte for each fragment that had one, in whatever frames.
  std::size_t echoed = 0;
  while (echoed < fragments) {
    const std::string head = client.receive(2);
    REQUIRE(head.size() == 2);
    std::size_t size = static_cast<std::uint8_t>(head[1]);
    if (size == 126) {
      const std::string more = client.receive(2);
      size = static_cast<std::size_t>(static_cast<std::uint8_t>(more[0])) * 256 +
             static_cast<std::uint8_t>(more[1]);
    }
    REQUIRE(size < 65'536);
    CHECK(client.receive(size) == std::string(size, 'x'));
    echoed += size;
  }
  CHECK(echoed == fragments);
}

TEST_CASE(
    "M-02 a frame that claims to be compressed is refused with 1002: nothing was negotiated") {
  TestServer server(upgrading());
  TcpClient client(server.listen());
  client.send(request);  // offers permessage-deflate
  read_head(client);
  std::string compressed = frame(2, "x");
  compressed[0] = static_cast<char>(compressed[0] | 0x40);
  client.send(compressed);
  const std::string answer = client.receive(4);
  CHECK(answer == std::string("\x88\x02\x03\xea", 4));
}

TEST_CASE("M-03 a flood of pings from a peer that does not read stops being read") {
  TestServer server(upgrading());
  const auto port = server.listen();
  TcpClient client(port), other(port);
  for (TcpClient* each : {&client, &other}) {
    each->send(request);
    read_head(*each);
  }
  // Its pongs fill the sockets' buffers, then the server no longer takes its pings: what the client
  // can send is bounded by buffers, the server's memory by one pong.
  client.socket().non_blocking(true);
  std::string flood;
  for (int i = 0; i < 500; ++i) flood += frame(9, std::string(120, 'p'));
  std::size_t sent = 0;
  constexpr std::size_t enough = 256u * 1024 * 1024;
  int refused = 0;
  while (refused < 200 && sent < enough) {
    error_code error;
    sent += client.socket().write_some(boost::asio::buffer(flood), error);
    // A turn of the server between two tries, so that this is no matter of time.
    if (error) {
      ++refused;
      other.send(frame(2, "x"));
      CHECK(other.receive(3) == std::string("\x82\x01x"));
    }
  }
  CHECK(sent < enough);
}

TEST_CASE("M-03 bytes that came with the upgrade request are not lost") {
  TestServer server(upgrading());
  TcpClient client(server.listen());
  client.send(std::string(request) + frame(2, "early"));
  read_head(client);
  CHECK(client.receive(7).substr(2) == "early");
}

TEST_CASE("M-02 a long request head is no obstacle") {
  TestServer server(upgrading());
  TcpClient client(server.listen());
  std::string long_request(request);
  long_request.insert(long_request.size() - 2, "Authorization: " + std::string(6000, 'x') + "\r\n");
  client.send(long_request);
  CHECK(read_head(client).starts_with("HTTP/1.1 101 "));
}

TEST_CASE("N-03 over a WebSocket too, nothing leaves before the commit") {
  ManualGate gate;
  TestServer server(
      [&](HookSession& session) {
        upgrading()(session);
        if (session.protocol == "test") return;
        session.on_input = [&](HookSession& self, std::string_view bytes) {
          gate.stage();
          self.out += bytes;
        };
      },
      &gate);
  WsClient client(server.listen());
  client->write(boost::asio::buffer(std::string("a")));
  gate.wait_until_asked();
  server.on_thread([] {});
  CHECK(client->next_layer().available() == 0);
  gate.commit(1);
  CHECK(client.read(1) == "a");
}

TEST_CASE("N-17 shutting down closes WebSockets with a close frame; what is left ends at once") {
  TestServer server(upgrading());
  const auto port = server.listen();
  WsClient polite(port);
  TcpClient silent(port);
  silent.send(request);
  read_head(silent);
  server.on_thread([&] { server.thread().end_all(protocols::Ending::polite); });
  beast::flat_buffer buffer;
  error_code error;
  polite->read(buffer, error);
  CHECK(error == websocket::error::closed);
  server.stop();
  CHECK(server.metrics().connections_open == 0);
}
