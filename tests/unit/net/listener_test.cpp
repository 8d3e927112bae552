#include <doctest/doctest.h>

#include "tests/unit/net/net_test_support.hpp"

#include <boost/asio/read_until.hpp>

#include <sstream>

#include <sys/resource.h>

using namespace net_test;

TEST_CASE("N-05 the default is answered over both IPv4 and IPv6, on the same port") {
  TestServer server;
  const auto port = server.listen();
  for (const char* address : {"127.0.0.1", "::1"}) {
    TcpClient client(port, address);
    client.send("hello");
    CHECK(client.receive(5) == "hello");
  }
}

TEST_CASE("N-05 any other address is answered alone") {
  TestServer server;
  const auto port = server.listen(false, "127.0.0.2");
  TcpClient client(port, "127.0.0.2");
  client.send("hello");
  CHECK(client.receive(5) == "hello");
  CHECK_THROWS(TcpClient(port, "127.0.0.1"));
  CHECK_THROWS(TcpClient(port, "::1"));
}

TEST_CASE("N-05 a port that is taken is an error that says so") {
  TestServer server;
  const auto port = server.listen();
  try {
    net::Listener second(server.threads(), {"127.0.0.1", port, std::make_shared<net::Service>()});
    FAIL("it was bound twice");
  } catch (const boost::system::system_error& error) {
    CHECK(error.code() == boost::asio::error::address_in_use);
  }
}

TEST_CASE("N-05 who comes while the server still starts is not refused but waits") {
  TestServer server;
  std::unique_ptr<TcpClient> early;
  server.before_start = [&](std::uint16_t port) {
    early = std::make_unique<TcpClient>(port);
    early->send("hello");
  };
  server.listen();
  CHECK(early->receive(5) == "hello");
}

TEST_CASE("N-05 a stopped listener accepts nobody, and what it accepted lives on") {
  TestServer server;
  const auto port = server.listen();
  TcpClient client(port);
  client.send("a");
  CHECK(client.receive(1) == "a");
  CHECK(server.on_thread([&] { return server.listener().accepting(); }));
  server.on_thread([&] { server.listener().stop(); });
  CHECK_FALSE(server.on_thread([&] { return server.listener().accepting(); }));
  CHECK_THROWS(TcpClient{port});
  client.send("b");
  CHECK(client.receive(1) == "b");
}

TEST_CASE("N-31 a connection goes to the thread with the fewest, and stays there") {
  constexpr std::size_t threads = 4, each = 3;
  TestServer server(
      [](HookSession& session) {
        session.on_input = [made_on = std::this_thread::get_id()](HookSession& self,
                                                                  std::string_view) {
          std::ostringstream id;
          id << std::this_thread::get_id();
          self.out += (std::this_thread::get_id() == made_on ? "" : "moved to ") + id.str() + "\n";
        };
      },
      nullptr, threads);
  const auto port = server.listen();
  std::vector<std::unique_ptr<TcpClient>> clients;
  const auto spread = [&] {
    std::map<std::string, std::size_t> connections;
    for (const auto& client : clients) {
      client->send("?");
      std::string id;
      boost::asio::read_until(client->socket(), boost::asio::dynamic_buffer(id), '\n');
      ++connections[id];
    }
    return connections;
  };
  for (std::size_t i = 0; i < threads * each; ++i) {
    clients.push_back(std::make_unique<TcpClient>(port));
  }
  const auto before = spread();
  CHECK(before.size() == threads);
  for (const auto& [thread, connections] : before) CHECK(connections == each);
  CHECK(server.threads().connection_count() == clients.size());

  // Where two end, the next two go.
  clients.erase(clients.begin(), clients.begin() + 2);
  while (server.threads().connection_count() > clients.size()) {
  }
  for (int i = 0; i < 2; ++i) clients.push_back(std::make_unique<TcpClient>(port));
  CHECK(spread() == before);
}

TEST_CASE("N-31 a goodbye is said on all threads at once, also to whom is accepted just before") {
  TestServer server(
      [](HookSession& session) {
        session.on_goodbye = [](HookSession& self) { self.out = "bye"; };
      },
      nullptr, 4);
  const auto port = server.listen();
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<TcpClient>(port));
    clients.back()->send("a");
    if (i % 2 == 0) clients.back()->receive(1);
  }
  while (server.threads().connection_count() < clients.size()) {
  }
  server.say_goodbye(std::chrono::seconds{60});
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const auto last_words = clients[i]->receive_all();
    CHECK(last_words.ends_with(i % 2 == 0 ? "bye" : ""));
  }
  CHECK(server.threads().connection_count() == 0);
}

TEST_CASE("N-01 above the bound a connection is closed at once, with one line in the log") {
  TestServer server({}, nullptr, one_thread_or_four());
  server.limits.connections_max = 1;
  const auto port = server.listen();
  TcpClient first(port);
  first.send("a");
  CHECK(first.receive(1) == "a");
  TcpClient second(port);
  CHECK(second.receive_all().empty());
  CHECK(server.log().has("connections are refused: too many are open"));
  first.send("b");
  CHECK(first.receive(1) == "b");
}

// Not in a build with UBSan, whose checks of virtual calls need descriptors of their own; it comes
// with ASan here.
#ifndef __SANITIZE_ADDRESS__
TEST_CASE("N-09 without descriptors the listener pauses, says why, and comes back") {
  TestServer server;
  const auto port = server.listen();
  TcpClient warm(port);
  warm.send("a");
  CHECK(warm.receive(1) == "a");

  boost::asio::io_context io;
  tcp::socket late(io);
  late.open(tcp::v4());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 3;  // what is open stays open
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  late.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  while (server.on_thread([&] { return server.listener().accepting(); })) {
  }
  CHECK(server.log().has("ulimit -n"));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  boost::asio::write(late, boost::asio::buffer("b", 1));
  char byte = 0;
  CHECK(boost::asio::read(late, boost::asio::buffer(&byte, 1)) == 1);
  CHECK(byte == 'b');
}
#endif

TEST_CASE("M-01 a protocol nobody serves ends the connection") {
  TestServer server([](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view bytes) {
      self.wanted_upgrade = protocols::Upgrade{std::string(bytes), "", "unknown", "unknown"};
    };
  });
  TcpClient client(server.listen());
  client.send("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
  CHECK(client.receive_all().empty());
}
