#include "clients/hub_client/device_client.hpp"
#include "tests/unit/clients/kind_of.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

using namespace iothub;
using namespace std::chrono_literals;

namespace {

// What a transport does, in order: a message to give, or an error to throw.
struct Script {
  std::deque<ErrorKind> open_errors{}, send_errors{}, receive_errors{};
  std::deque<std::string> messages{};
  std::vector<std::string> log{};
  std::vector<SendAttempt> attempts{};
  int made = 0;
  bool renews = false, batches = false;
};

void throw_next(std::deque<ErrorKind>& errors) {
  if (errors.empty()) return;
  const auto kind = errors.front();
  errors.pop_front();
  throw Error{kind, "scripted"};
}

class FakeTransport : public DeviceTransport {
 public:
  explicit FakeTransport(Script& script) : script_(script) { ++script_.made; }
  void open(const std::string& password, bool, Duration) override {
    throw_next(script_.open_errors);
    script_.log.push_back(password.empty() ? "open without password" : "open");
  }
  void send_event(const Message& message, const SendAttempt& attempt, Duration) override {
    script_.attempts.push_back(attempt);
    throw_next(script_.send_errors);
    script_.log.push_back("send " + message.body);
  }
  bool renew(const std::string&) override {
    if (script_.renews) script_.log.push_back("renew");
    return script_.renews;
  }
  bool can_batch() const override { return script_.batches; }
  void send_batch(std::span<const Message> messages, Duration timeout) override {
    if (!script_.batches) return DeviceTransport::send_batch(messages, timeout);  // throws
    throw_next(script_.send_errors);
    script_.log.push_back("batch of " + std::to_string(messages.size()));
  }
  std::optional<ReceivedMessage> receive(Duration) override {
    throw_next(script_.receive_errors);
    if (script_.messages.empty()) return std::nullopt;
    ReceivedMessage message;
    message.body = script_.messages.front();
    script_.messages.pop_front();
    message.delivery = 1;
    return message;
  }
  void settle(const ReceivedMessage& message, Disposition disposition, Duration) override {
    CHECK(message.delivery == 1);
    script_.log.push_back(std::string{to_string(disposition)} + " " + message.body);
  }
  bool can(Disposition) const override { return true; }
  void keep_alive(Duration) override {}
  void close() noexcept override {}

 private:
  Script& script_;
};

ClientOptions options() {
  ClientOptions out;
  out.connection = ConnectionString::parse("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0");
  out.retry = {.first = 0ms, .longest = 0ms, .attempts = 3};
  return out;
}

DeviceClient client(Script& script, const ClientOptions& with = options()) {
  return DeviceClient{
      with, [&script](const ClientOptions&) { return std::make_unique<FakeTransport>(script); }};
}

}  // namespace

TEST_CASE("a message is received and settled on one connection") {
  Script script{.messages = {"hello"}};
  auto device = client(script);
  device.open(true);
  const auto message = device.receive(1s);
  REQUIRE(message);
  device.complete(*message);
  CHECK(script.log == std::vector<std::string>{"open", "complete hello"});
  CHECK_FALSE(device.receive(1s));
}

TEST_CASE("a lost connection is made again and the wait goes on") {
  Script script{.receive_errors = {ErrorKind::connection_lost}, .messages = {"hello"}};
  auto device = client(script);
  std::vector<ConnectionEvent> events;
  device.on_connection([&](ConnectionEvent event, std::string_view) { events.push_back(event); });
  device.open(true);
  CHECK(device.receive(10s)->body == "hello");
  CHECK(script.made == 2);
  CHECK(events ==
        std::vector{ConnectionEvent::connected, ConnectionEvent::lost, ConnectionEvent::connected});
}

TEST_CASE("telemetry is sent again after a lost connection") {
  Script script{.send_errors = {ErrorKind::connection_lost}};
  auto device = client(script);
  device.open(false);
  Message message;
  message.body = "t";
  device.send_event(message);
  CHECK(script.log == std::vector<std::string>{"open", "open", "send t"});
}

TEST_CASE("a message that is sent again keeps its number; those before it are not repeated") {
  Script script;
  auto device = client(script);
  device.open(false);
  device.send_event({.body = "a"});
  script.send_errors = {ErrorKind::connection_lost};
  const std::vector<Message> messages{{.body = "b"}, {.body = "c"}};
  device.send_events(messages);
  CHECK(script.log == std::vector<std::string>{"open", "send a", "open", "send b", "send c"});
  REQUIRE(script.attempts.size() == 4);
  const auto is = [&](std::size_t i, std::uint64_t number, bool again) {
    return script.attempts[i].number == number && script.attempts[i].again == again;
  };
  CHECK(is(0, 0, false));
  CHECK(is(1, 1, false));
  CHECK(is(2, 1, true));
  CHECK(is(3, 2, false));
}

TEST_CASE("a message held over a reconnection has lost its lock") {
  Script script{.messages = {"first", "second"}};
  auto device = client(script);
  device.open(true);
  const auto first = device.receive(1s);
  script.receive_errors = {ErrorKind::connection_lost};
  const auto second = device.receive(1s);
  REQUIRE(second);
  CHECK(kind_of([&] { device.complete(*first); }) == ErrorKind::lock_lost);
  device.complete(*second);
  CHECK(script.log == std::vector<std::string>{"open", "open", "complete second"});
}

TEST_CASE("the first connection is tried once, and refusals are never tried again") {
  Script script{.open_errors = {ErrorKind::unreachable}};
  auto device = client(script);
  CHECK(kind_of([&] { device.open(true); }) == ErrorKind::unreachable);
  CHECK(script.made == 1);

  Script refused{.receive_errors = {ErrorKind::connection_lost}};
  auto other = client(refused);
  other.open(true);
  refused.open_errors = {ErrorKind::unauthorized};
  CHECK(kind_of([&] { other.receive(10s); }) == ErrorKind::unauthorized);
}

TEST_CASE("reconnecting gives up after the attempts of the policy") {
  Script script{.receive_errors = {ErrorKind::connection_lost}};
  auto device = client(script);
  device.open(true);
  script.open_errors.assign(100, ErrorKind::unreachable);
  CHECK(kind_of([&] { device.receive(10s); }) == ErrorKind::unreachable);
  CHECK(script.open_errors.size() == 97);
}

TEST_CASE("a token due is renewed by a new connection, but not while a message is held") {
  Script script{.messages = {"hello"}};
  auto with = options();
  auto device = client(script, with);
  device.open(true);
  const auto message = device.receive(1s);
  CHECK(script.made == 1);
  device.complete(*message);

  with.token_ttl = -1s;  // due at once
  Script due{.messages = {"hello"}};
  auto other = client(due, with);
  other.open(true);
  const auto held = other.receive(1s);
  CHECK(due.made == 2);
  other.wait(1ms);
  CHECK(due.made == 2);
  other.complete(*held);
  other.receive(1ms);
  CHECK(due.made == 3);
}

TEST_CASE("a token is renewed in the middle of a long receive") {
  Script before, after{.messages = {"hello"}};
  auto with = options();
  with.token_ttl = 1500ms;
  int made = 0;
  DeviceClient device{with, [&](const ClientOptions&) {
                        return std::make_unique<FakeTransport>(++made == 1 ? before : after);
                      }};
  device.open(true);
  REQUIRE(device.receive(1h));
  CHECK(made == 2);
}

TEST_CASE("with a certificate there is no token") {
  Script script;
  auto with = options();
  with.tls.certificate_file = "device.pem";
  auto device = client(script, with);
  device.open(true);
  CHECK(script.log == std::vector<std::string>{"open without password"});
}

TEST_CASE("a wait for the next attempt ends when it is cancelled") {
  Script script{.receive_errors = {ErrorKind::connection_lost}};
  auto with = options();
  with.retry = {.first = 1h, .longest = 1h, .attempts = 3};
  bool cancelled = false;
  with.cancelled = [&] { return cancelled; };
  auto device = client(script, with);
  device.open(true);
  CHECK_FALSE(device.receive(1ms));
  CHECK_FALSE(device.ensure_connected(1ms));
  cancelled = true;
  CHECK_FALSE(device.receive(10h));
}

TEST_CASE("messages go as one batch where the transport can, else one by one") {
  const std::vector<Message> messages{{.body = "a"}, {.body = "b"}};
  Script one_by_one;
  auto device = client(one_by_one);
  device.open(false);
  device.send_events(messages);
  device.send_events({});
  CHECK_FALSE(device.can_batch());
  CHECK(one_by_one.log == std::vector<std::string>{"open", "send a", "send b"});

  Script batched{.send_errors = {ErrorKind::connection_lost}, .batches = true};
  auto other = client(batched);
  other.open(false);
  other.send_events(messages);
  other.send_event(messages.front());
  CHECK(other.can_batch());
  CHECK(batched.log == std::vector<std::string>{"open", "open", "batch of 2", "send a"});
}

TEST_CASE("a transport that takes a new token keeps its connection, messages held or not") {
  auto with = options();
  with.transport = TransportKind::https;
  with.token_ttl = -1s;  // due at once
  Script script{.messages = {"hello"}, .renews = true};
  auto device = client(script, with);
  device.open(true);
  const auto message = device.receive(1s);
  REQUIRE(message);
  device.complete(*message);
  CHECK(script.made == 1);
  CHECK(script.log == std::vector<std::string>{"open", "renew", "renew", "complete hello"});
}

TEST_CASE("over HTTPS a message is settled on a new connection, too") {
  auto with = options();
  with.transport = TransportKind::https;
  Script script{.messages = {"hello"}};
  auto device = client(script, with);
  device.open(true);
  const auto message = device.receive(1s);
  script.receive_errors = {ErrorKind::connection_lost};
  CHECK_FALSE(device.receive(1ms));
  device.complete(*message);
  CHECK(script.log.back() == "complete hello");
}

TEST_CASE("a cancelled receive keeps the connection, a cancelled send does not") {
  Script script{.send_errors = {ErrorKind::cancelled}, .receive_errors = {ErrorKind::cancelled}};
  auto device = client(script);
  device.open(true);
  CHECK_FALSE(device.receive(10h));
  CHECK(script.made == 1);
  // Its acknowledgement may come later, and must not be taken for another message's.
  CHECK(kind_of([&] { device.send_event({.body = "a"}); }) == ErrorKind::cancelled);
  CHECK(script.made == 2);
  device.send_event({.body = "b"});
  CHECK(script.log == std::vector<std::string>{"open", "open", "send b"});
}

TEST_CASE("a send that waits for its turn to connect again is cancelled") {
  Script script{.send_errors = {ErrorKind::connection_lost}};
  auto with = options();
  with.retry = {.first = 1h, .longest = 1h, .attempts = 3};
  with.cancelled = [] { return true; };
  auto device = client(script, with);
  device.open(false);
  CHECK(kind_of([&] { device.send_event({.body = "a"}); }) == ErrorKind::cancelled);
  CHECK_FALSE(device.ensure_connected(10h));
}

TEST_CASE("a message that ends every connection says so in the end") {
  Script script;
  script.send_errors.assign(100, ErrorKind::connection_lost);
  auto with = options();
  with.retry = {.first = 1h, .longest = 1h, .attempts = 3};
  with.operation_timeout = 1ms;
  auto device = client(script, with);
  device.open(false);
  CHECK(kind_of([&] { device.send_event({.body = "a"}); }) == ErrorKind::connection_lost);
}
