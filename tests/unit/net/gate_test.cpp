#include <doctest/doctest.h>

#include "tests/unit/net/net_test_support.hpp"

using namespace net_test;

namespace {

// Each byte is one change in the hub; the answer is the byte.
TestServer::Setup staging(ManualGate& gate) {
  return [&gate](HookSession& session) {
    session.on_input = [&gate](HookSession& self, std::string_view bytes) {
      gate.stage(bytes.size());
      self.out += bytes;
    };
  };
}

bool has_input(TcpClient& client) { return client.socket().available() > 0; }

}  // namespace

TEST_CASE("N-03 nothing leaves before what the hub staged is committed") {
  ManualGate gate;
  TestServer server(staging(gate), &gate);
  TcpClient client(server.listen());
  client.send("a");
  gate.wait_until_asked();
  server.on_thread([] {});
  CHECK_FALSE(has_input(client));
  gate.commit(1);
  CHECK(client.receive(1) == "a");
}

TEST_CASE("N-03 what is committed leaves, although a busy hub has staged more meanwhile") {
  ManualGate gate;
  TestServer server(staging(gate), &gate);
  TcpClient client(server.listen());
  client.send("a");
  gate.wait_until_asked();
  client.send("b");
  while (gate.staged() < 2) server.on_thread([] {});
  gate.stage(1000);  // by others
  gate.commit(1);
  CHECK(client.receive(1) == "a");
  gate.wait_until_asked();
  CHECK_FALSE(has_input(client));
  gate.commit(1002);
  CHECK(client.receive(1) == "b");
}

TEST_CASE("N-03 output that depends on nothing new leaves at once") {
  ManualGate gate;
  gate.stage(5);
  gate.commit(5);
  TestServer server({}, &gate);
  TcpClient client(server.listen());
  client.send("ping");
  CHECK(client.receive(4) == "ping");
  CHECK(gate.waiting() == 0);
}

TEST_CASE("N-46 an answer that promises nothing does not wait for the store") {
  ManualGate gate;
  TestServer server(
      [](HookSession& session) {
        session.on_input = [](HookSession& self, std::string_view bytes) {
          self.promises = bytes != "health";
          self.out += bytes;
        };
      },
      &gate);
  gate.stage();  // by others, and the disk hangs
  TcpClient client(server.listen());
  client.send("health");
  CHECK(client.receive(6) == "health");
  client.send("saved!");
  gate.wait_until_asked();
  CHECK_FALSE(has_input(client));
  gate.commit(1);
  CHECK(client.receive(6) == "saved!");
}

TEST_CASE(
    "N-40 nothing is read while the store is far behind, and all of it once it has caught up") {
  ManualGate gate;
  std::atomic<std::size_t> read = 0;
  TestServer server(
      [&](HookSession& session) {
        session.on_input = [&](HookSession& self, std::string_view bytes) {
          read += bytes.size();
          gate.stage(bytes.size());
          if (bytes != "a") self.out += bytes;
        };
      },
      &gate);
  server.limits.staged_changes_max = 10;
  TcpClient client(server.listen());
  gate.stage(10);  // by others
  client.send("a");
  while (read < 1) server.on_thread([] {});  // at the bound, and now above it
  gate.wait_until_asked();
  client.send("b");
  for (int i = 0; i < 20; ++i) server.on_thread([] {});
  CHECK(read == 1);
  gate.commit(1);  // not stored yet, but there is room again
  while (read < 2) server.on_thread([] {});
  CHECK_FALSE(has_input(client));
  gate.commit(12);
  CHECK(client.receive(1) == "b");
}

TEST_CASE("N-40 a client is not called silent for what the hub itself did not read") {
  ManualGate gate;
  std::atomic<int> called = 0, read = 0;
  TestServer server(
      [&](HookSession& session) {
        session.deadline = session.now + std::chrono::milliseconds{50};
        session.on_input = [&](HookSession& self, std::string_view) {
          ++read;
          self.deadline = self.now + std::chrono::hours{1};
        };
        session.on_due = [&](HookSession& self) {
          if (self.now >= *self.deadline) ++called;
        };
      },
      &gate);
  server.limits.staged_changes_max = 10;
  gate.stage(11);  // by others
  TcpClient client(server.listen());
  client.send("ping");
  gate.wait_until_asked();
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < begin + std::chrono::milliseconds{100})
    server.on_thread([] {});
  CHECK(read == 0);
  gate.commit(11);
  while (read < 1) server.on_thread([] {});
  server.on_thread([] {});
  CHECK(called == 0);
}

TEST_CASE("N-04 a client that has closed its side gets its answer after the commit") {
  ManualGate gate;
  TestServer server(staging(gate), &gate);
  TcpClient client(server.listen());
  client.send("a");
  client.socket().shutdown(tcp::socket::shutdown_send);
  gate.wait_until_asked();
  gate.commit(1);
  CHECK(client.receive_all() == "a");
}

TEST_CASE("N-07 a commit that comes after the connection ended disturbs nobody") {
  ManualGate gate;
  TestServer server(staging(gate), &gate);
  {
    TcpClient client(server.listen());
    client.send("a");
    gate.wait_until_asked();
    server.stop();
  }
  gate.commit(1);
  CHECK(gate.waiting() == 0);
}
