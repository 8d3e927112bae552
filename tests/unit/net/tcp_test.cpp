#include <doctest/doctest.h>

#include "tests/unit/net/net_test_support.hpp"

using namespace net_test;
using namespace std::chrono_literals;

TEST_CASE("N-03 bytes are fed, and what the session says leaves in one write") {
  std::atomic<int> feeds{0};
  TestServer server([&](HookSession& session) {
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      ++feeds;
      self.out += "[" + std::string(bytes) + "]";
    };
  });
  TcpClient client(server.listen());
  client.send("hello");
  CHECK(client.receive(7) == "[hello]");
  CHECK(feeds == 1);
  CHECK(server.metrics().connections_open == 1);
  CHECK(server.metrics().connections_opened == 1);
}

TEST_CASE("N-03 what is large goes through in both directions") {
  TestServer server;
  TcpClient client(server.listen());
  const std::string text(3'000'000, 'x');
  std::thread sender([&] { client.send(text); });
  CHECK(client.receive(text.size()) == text);
  sender.join();
}

TEST_CASE("N-33 whoever was woken by what was read is served before it is answered") {
  std::vector<const HookSession*> left;  // whose output has left, in order
  const HookSession* receiving = nullptr;
  hub::Waker receiver;
  TestServer server([&](HookSession& session) {
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      if (bytes == "receive") {
        receiving = &self;
        receiver = self.waker;
        self.out = "listening";
      } else {
        receiver();
        self.on_turn_end = [&](HookSession& sender) {
          sender.out = left.size() == 2 ? "accepted" : "too soon";
          sender.on_turn_end = nullptr;
        };
      }
    };
    session.on_woken = [](HookSession& self) { self.out = "delivered"; };
    session.on_consumed = [&](HookSession& self) { left.push_back(&self); };
  });
  const auto port = server.listen();
  TcpClient device(port), service(port);
  device.send("receive");
  CHECK(device.receive(9) == "listening");
  service.send("send");
  CHECK(device.receive(9) == "delivered");
  CHECK(service.receive(8) == "accepted");
  server.on_thread([&] {
    REQUIRE(left.size() == 3);
    CHECK(left[1] == receiving);
    CHECK(left[2] != receiving);
  });
}

TEST_CASE("N-04 a client that has closed its side still gets its answer") {
  std::atomic<bool> ended{false};
  TestServer server(
      [&](HookSession& session) { session.on_end = [&](HookSession&) { ended = true; }; });
  TcpClient client(server.listen());
  client.send("last words");
  client.socket().shutdown(tcp::socket::shutdown_send);
  error_code how;
  CHECK(client.receive_all(&how) == "last words");
  CHECK(how == boost::asio::error::eof);
  server.on_thread([] {});
  CHECK(ended);
}

TEST_CASE("N-04 the server's last words arrive although the client goes on sending") {
  TestServer server([](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view) {
      self.out = "refused";
      self.close = true;
    };
  });
  TcpClient client(server.listen());
  client.send(std::string(100'000, 'x'));
  client.send(std::string(100'000, 'x'));
  error_code how;
  CHECK(client.receive_all(&how) == "refused");
  CHECK(how == boost::asio::error::eof);
}

TEST_CASE("N-04 a client that never closes its side is let go after the linger time") {
  TestServer server([](HookSession& session) { session.close = true; });
  server.limits.linger_timeout = 20ms;
  TcpClient client(server.listen());
  CHECK(client.receive_all().empty());
  std::string more = "x";
  error_code error;
  while (!error)
    boost::asio::write(client.socket(), boost::asio::buffer(more), error);  // until reset
  CHECK(server.on_thread([&] { return server.thread().connection_count(); }) == 0);
}

TEST_CASE("N-01 a client that does not read stops being read, and is cut when it stalls") {
  std::atomic<std::size_t> fed{0};
  std::promise<void> ended;
  TestServer server([&](HookSession& session) {
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      fed += bytes.size();
      self.out += bytes;
    };
    session.on_end = [&](HookSession&) { ended.set_value(); };
  });
  server.limits.output_bytes_max = 200'000;
  server.limits.stall_timeout = 50ms;
  TcpClient client(server.listen());
  const int small = 4096;
  ::setsockopt(client.socket().native_handle(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  std::thread sender([&] {
    error_code error;
    const std::string text(64 * 1024, 'x');
    for (int i = 0; i < 2000 && !error; ++i) {
      boost::asio::write(client.socket(), boost::asio::buffer(text), error);
    }
    CHECK(error);
  });
  REQUIRE(ended.get_future().wait_for(15s) == std::future_status::ready);
  sender.join();
  CHECK(fed < 20'000'000);  // of 131 million: the rest waited in the kernels' buffers
  CHECK(server.log().has("the peer does not read what it is sent"));
}

TEST_CASE("N-01 a session that wants no input gets none until it does") {
  std::atomic<int> feeds{0};
  HookSession* paused = nullptr;
  TestServer server([&](HookSession& session) {
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      self.out += bytes;
      self.input_wanted = false;
      ++feeds;
      paused = &self;
    };
    session.on_woken = [](HookSession& self) { self.input_wanted = true; };
  });
  TcpClient client(server.listen());
  client.send("a");
  CHECK(client.receive(1) == "a");
  client.send("b");
  server.on_thread([] {});
  server.on_thread([] {});
  CHECK(feeds == 1);
  server.on_thread([&] { paused->waker(); });
  CHECK(client.receive(1) == "b");
}

TEST_CASE("N-01 a client that never stops sending does not starve another") {
  TestServer server([](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view bytes) {
      if (bytes.front() == 'q') self.out += bytes;
    };
  });
  const auto port = server.listen();
  TcpClient busy(port), quiet(port);
  std::atomic<bool> done{false};
  std::thread flood([&] {
    const std::string text(256 * 1024, 'x');
    while (!done) busy.send(text);
  });
  for (int i = 0; i < 20; ++i) {
    quiet.send("q");
    CHECK(quiet.receive(1) == "q");
  }
  done = true;
  flood.join();
}

TEST_CASE("N-01 no more is read in one turn than the bound says") {
  std::atomic<std::size_t> read{0}, most{0};
  TestServer server([&](HookSession& session) {
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      most = std::max(most.load(), bytes.size());
      if ((read += bytes.size()) == 5000) self.out = "all";
    };
  });
  server.limits.read_bytes_per_turn = 1000;
  TcpClient client(server.listen());
  client.send(std::string(5000, 'x'));
  CHECK(client.receive(3) == "all");
  CHECK(most <= 1000);
}

TEST_CASE("N-06 the timer follows the session's deadline, earlier or later") {
  std::promise<hub::Duration> fired;
  std::optional<hub::TimePoint> later;
  TestServer server([&](HookSession& session) {
    session.deadline = session.now + 1h;
    session.on_input = [&](HookSession& self, std::string_view bytes) {
      self.deadline = self.now + (bytes == "soon" ? 20ms : 50ms);
      if (bytes == "later") later = self.now;
      self.out = "set";
    };
    session.on_due = [&](HookSession& self) {
      if (!self.deadline || self.now < *self.deadline) return;  // early: the contract allows it
      self.deadline.reset();
      if (later)
        fired.set_value(self.now - *later);  // else this machine took 20 ms from one to the other
    };
  });
  TcpClient client(server.listen());
  client.send("soon");
  CHECK(client.receive(3) == "set");
  client.send("later");
  CHECK(client.receive(3) == "set");
  auto result = fired.get_future();
  REQUIRE(result.wait_for(10s) == std::future_status::ready);
  CHECK(result.get() >= 50ms);
}

TEST_CASE("N-07 wakers may fire from any thread, often, and after the connection is gone") {
  hub::Waker waker;
  std::atomic<int> wakes{0};
  std::promise<void> made, ended;
  TestServer server([&](HookSession& session) {
    waker = session.waker;
    session.on_woken = [&](HookSession& self) {
      if (++wakes == 1) self.out += "woken";
    };
    session.on_end = [&](HookSession&) { ended.set_value(); };
    made.set_value();
  });
  {
    TcpClient client(server.listen());
    made.get_future().wait();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 1000; ++k) waker();
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(client.receive(5) == "woken");
    CHECK(wakes <= 4000);
  }
  ended.get_future().wait();
  const int before = wakes;
  waker();
  server.on_thread([] {});
  CHECK(wakes == before);
}

TEST_CASE("N-17 shutting down lets every session say goodbye, and waits for nobody") {
  TestServer server([](HookSession& session) {
    session.on_goodbye = [](HookSession& self) { self.out += "bye"; };
  });
  const auto port = server.listen();
  TcpClient first(port), second(port);
  first.send("1");
  CHECK(first.receive(1) == "1");
  second.send("2");
  CHECK(second.receive(1) == "2");
  server.on_thread([&] { server.thread().end_all(protocols::Ending::polite); });
  CHECK(first.receive_all() == "bye");
  CHECK(second.receive_all() == "bye");
}

TEST_CASE(
    "N-50 a connection ends politely, is dropped, or is reset; its session is told each time") {
  std::atomic<int> ended{0};
  TestServer server([&](HookSession& session) {
    session.on_goodbye = [](HookSession& self) { self.out += "bye"; };
    session.on_end = [&](HookSession&) { ++ended; };
  });
  TcpClient client(server.listen());
  client.send("1");
  CHECK(client.receive(1) == "1");
  const auto end = [&](protocols::Ending how) {
    server.on_thread([&] { server.thread().end_all(how); });
    error_code seen;
    std::string words = client.receive_all(&seen);
    return std::pair(std::move(words), seen);
  };
  SUBCASE("polite") {
    CHECK(end(protocols::Ending::polite) ==
          std::pair<std::string, error_code>("bye", boost::asio::error::eof));
  }
  SUBCASE("drop") {
    CHECK(end(protocols::Ending::drop) ==
          std::pair<std::string, error_code>("", boost::asio::error::eof));
  }
  SUBCASE("reset") {
    CHECK(end(protocols::Ending::reset) ==
          std::pair<std::string, error_code>("", boost::asio::error::connection_reset));
  }
  CHECK(ended == 1);
}

TEST_CASE("N-17 connections that are left end with their thread, sessions told") {
  std::atomic<int> ended{0};
  {
    TestServer server(
        [&](HookSession& session) { session.on_end = [&](HookSession&) { ++ended; }; });
    const auto port = server.listen();
    TcpClient first(port), second(port);
    first.send("1");
    second.send("2");
    CHECK(first.receive(1) == "1");
    CHECK(second.receive(1) == "2");
    server.stop();
    CHECK(ended == 2);
    CHECK(server.metrics().connections_open == 0);
  }
}

TEST_CASE("N-47 a session that asks for a time that has passed and does nothing then is ended") {
  std::atomic<int> calls{0};
  TestServer server([&](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view) { self.deadline = self.now; };
    session.on_due = [&](HookSession&) { ++calls; };
  });
  TcpClient client(server.listen());
  client.send("x");
  CHECK(client.receive_all().empty());  // for ever, if nobody ends it
  CHECK(calls < 10);
  CHECK(server.log().has("asks again and again for a time that has passed"));
}

TEST_CASE(
    "N-47 a session that is called at once, time and again, and does something each time goes on") {
  TestServer server([](HookSession& session) {
    session.on_input = [](HookSession& self, std::string_view) { self.deadline = self.now; };
    session.on_due = [calls = 0](HookSession& self) mutable {
      self.out += "x";
      if (++calls == 100) self.deadline.reset();
    };
  });
  TcpClient client(server.listen());
  client.send("x");
  CHECK(client.receive(100) == std::string(100, 'x'));
}

TEST_CASE("N-48 a peer that has nothing more to be told is not waited for at the end") {
  TestServer server;
  server.limits.linger_timeout = 10min;  // and the watchdog has two
  TcpClient idle(server.listen());
  idle.send("x");
  CHECK(idle.receive(1) == "x");
  server.say_goodbye(600s);
  CHECK(server.threads().connection_count() == 0);
  error_code how;
  CHECK(idle.receive_all(&how).empty());
  CHECK(how == boost::asio::error::eof);
}

TEST_CASE("N-48 a peer that does not answer the last words is waited for shortly at the end") {
  TestServer server([](HookSession& session) {
    session.on_goodbye = [](HookSession& self) { self.out += "bye"; };
    session.on_input = [](HookSession& self, std::string_view bytes) {
      self.out += bytes;
      self.close = bytes == "q";
    };
  });
  server.limits.linger_timeout = 10min;
  const auto port = server.listen();
  TcpClient told(port), closing(port);
  told.send("x");
  CHECK(told.receive(1) == "x");
  closing.send("q");  // and is lingered for already when the end comes
  CHECK(closing.receive_all() == "q");
  server.say_goodbye(600s);
  CHECK(server.threads().connection_count() == 0);
  CHECK(told.receive_all() == "bye");
}
