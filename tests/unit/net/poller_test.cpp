#include "protocols/net/poller.hpp"

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <functional>
#include <memory>
#include <string>

namespace {

struct Owner final : net::StreamOwner {
  void on_readable() override {
    ++readable;
    if (then) then();
  }
  void on_writable() override { ++writable; }
  int readable = 0;
  int writable = 0;
  std::function<void()> then;
};

// One end is polled, the test holds the other.
struct Pair {
  explicit Pair(net::Poller& poller) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    socket = std::make_unique<net::PolledSocket>(poller, ends[0], boost::asio::ip::tcp::endpoint());
    peer = ends[1];
  }
  ~Pair() { hang_up(); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void say(char byte) const { REQUIRE(::send(peer, &byte, 1, 0) == 1); }
  void hang_up() {
    if (peer >= 0) ::close(std::exchange(peer, -1));
  }

  std::unique_ptr<net::PolledSocket> socket;
  int peer = -1;
};

struct Task final : net::Deferred {
  explicit Task(std::function<void()> what) : work(std::move(what)) {}
  void run() override { work(); }
  const std::function<void()> work;
};

struct Fixture {
  boost::asio::io_context context;
  net::Poller poller{context};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "N-30 a wait is told once, and another one while there is more to read") {
  Pair pair(poller);
  const auto owner = std::make_shared<Owner>();
  pair.say('a');
  pair.socket->wait_readable(owner);
  CHECK(owner->readable == 0);  // never from within the call
  context.run_one();
  CHECK(owner->readable == 1);
  context.poll();
  CHECK(owner->readable == 1);
  pair.socket->wait_readable(owner);
  context.restart();
  context.run_one();
  CHECK(owner->readable == 2);
}

TEST_CASE_FIXTURE(Fixture, "N-30 what nobody waits for any more does not keep the thread busy") {
  Pair pair(poller);
  const auto owner = std::make_shared<Owner>();
  pair.socket->wait_writable(owner);
  context.run_one();
  CHECK(owner->writable == 1);
  pair.say('a');
  pair.hang_up();
  // Were the socket still armed, these would never come to an end: it is writable, and hung up.
  context.restart();
  context.poll();
  CHECK(context.stopped());
  // And it is armed again for who comes back.
  pair.socket->wait_readable(owner);
  context.restart();
  context.poll();
  CHECK(owner->readable == 1);
}

TEST_CASE_FIXTURE(Fixture, "N-30 a socket that is closed within a batch hears no more of it") {
  Pair first(poller), second(poller);
  const auto one = std::make_shared<Owner>(), other = std::make_shared<Owner>();
  one->then = [&] { second.socket.reset(); };
  other->then = [&] { first.socket.reset(); };
  first.say('a');
  second.say('b');
  first.socket->wait_readable(one);
  second.socket->wait_readable(other);
  context.run();  // ends: nothing is armed but the one that was told, and that is disarmed
  CHECK(one->readable + other->readable == 1);
}

TEST_CASE_FIXTURE(Fixture, "N-30 two that wait for the same are both told, a hang-up too") {
  Pair pair(poller);
  const auto one = std::make_shared<Owner>(), other = std::make_shared<Owner>();
  pair.socket->wait_readable(one);
  pair.socket->wait_readable(other);
  pair.hang_up();
  context.poll();
  CHECK(one->readable == 1);
  CHECK(other->readable == 1);
}

TEST_CASE_FIXTURE(Fixture, "N-30 closing lets the owner go, untold, and not from within the call") {
  Pair pair(poller);
  auto owner = std::make_shared<Owner>();
  const std::weak_ptr<Owner> watched = owner;
  pair.socket->wait_readable(std::move(owner));
  pair.socket->close();
  CHECK_FALSE(watched.expired());
  context.poll();
  CHECK(watched.expired());
}

TEST_CASE_FIXTURE(
    Fixture,
    "N-33 what is deferred in a batch runs after all of it, in order; the rest is posted") {
  std::string order;
  const auto own = std::make_shared<Task>([&] { order += "its own "; });
  const auto serve = std::make_shared<Task>([&] {
    order += "served ";
    poller.run_soon(own);
  });
  const auto answer = std::make_shared<Task>([&] { order += "answered "; });
  const auto posted = std::make_shared<Task>([&] { order += "posted "; });
  auto gone = std::make_shared<Task>([&] { order += "gone "; });
  Pair first(poller), second(poller);
  const auto one = std::make_shared<Owner>(), other = std::make_shared<Owner>();
  one->then = other->then = [&] {
    order += "read ";
    poller.run_soon(std::exchange(gone, nullptr));
    poller.run_soon(serve);
    poller.run_soon(answer);
  };
  first.say('a');
  second.say('b');
  first.socket->wait_readable(one);
  second.socket->wait_readable(other);
  poller.run_soon(posted);  // not within a batch, nor from within this call
  CHECK(order.empty());
  CHECK_FALSE(poller.anything_deferred());
  context.run();
  CHECK(order == "posted read read served answered served answered its own its own ");
}
