// Every wait can be ended from another thread, and a client destroyed whatever it was doing.
// Nothing here is timed: a wait that does not end is a test that does not end.
#include "clients/hub_client/device_client.hpp"
#include "clients/hub_client/registry_client.hpp"
#include "clients/hub_client/service_client.hpp"
#include "clients/hub_client/transports/name_lookup.hpp"
#include "tests/unit/clients/kind_of.hpp"
#include "tests/unit/clients/tls_peer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace iothub;
using namespace std::chrono_literals;
using test::TlsPeer;

namespace {

// Says "cancelled" once it has been asked: by then the wait under test has begun.
class Canceller {
 public:
  Canceller() : thread_{[this] { asked_.wait(false), cancelled_ = true; }} {}
  ~Canceller() {
    ask();
    thread_.join();
  }
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  Cancelled function() {
    return [this] { return ask(); };
  }

 private:
  bool ask() {
    asked_ = true;
    asked_.notify_one();
    return cancelled_;
  }
  std::atomic<bool> asked_{false}, cancelled_{false};
  std::thread thread_;
};

ClientOptions options(const TlsPeer& peer, TransportKind transport, Cancelled cancelled) {
  ClientOptions out;
  out.connection = ConnectionString::parse(
      "HostName=localhost;DeviceId=d;SharedAccessKeyName=p;SharedAccessKey=c2VjcmV0");
  out.transport = transport;
  out.ports = {.mqtts = peer.port(), .amqps = peer.port(), .https = peer.port()};
  out.tls.ca_file = peer.ca_file();
  out.connect_timeout = 1h;
  out.operation_timeout = 1h;
  out.cancelled = std::move(cancelled);
  return out;
}

constexpr std::array kTransports{TransportKind::mqtt, TransportKind::mqtt_ws, TransportKind::amqp,
                                 TransportKind::amqp_ws, TransportKind::https};

}  // namespace

TEST_CASE("a name look-up is left behind when it is cancelled") {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };
  const auto gate = std::make_shared<Gate>();
  const auto stuck = [gate](const std::string&) {
    std::unique_lock lock{gate->mutex};
    gate->opened.wait(lock, [&] { return gate->open; });
    return Addresses{};
  };
  Canceller canceller;
  CHECK(kind_of([&] { look_up("h", Deadline{1h}, canceller.function(), stuck); }) ==
        ErrorKind::cancelled);
  CHECK_FALSE(look_up("h", Deadline{1ms}, {}, stuck));
  {
    const std::lock_guard lock{gate->mutex};
    gate->open = true;
  }
  gate->opened.notify_all();
}

TEST_CASE("a name is looked up") {
  const auto found = look_up("localhost", Deadline{1h}, {});
  REQUIRE(found);
  CHECK_FALSE(found->numeric.empty());
  const auto none = look_up("h", Deadline{1h}, {}, [](const std::string& host) {
    return Addresses{{}, "no " + host};
  });
  REQUIRE(none);
  CHECK(none->error == "no h");
}

TEST_CASE("a connect that nobody answers is cancelled") {
  const TlsPeer peer{TlsPeer::GoesTo::listening};
  // Fill the backlog: connections after that are not refused and not accepted either.
  std::vector<int> fillers;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(peer.port());
  for (int i = 0; i < 8; ++i) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM, 0));
    fcntl(fillers.back(), F_SETFL, O_NONBLOCK);
    connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  Canceller canceller;
  auto with = options(peer, TransportKind::mqtt, canceller.function());
  with.connection.gateway_host_name = "127.0.0.1";
  DeviceClient device{with};
  CHECK(kind_of([&] { device.open(true); }) == ErrorKind::cancelled);
  for (const int filler : fillers) close(filler);
}

TEST_CASE("a TLS handshake that the peer does not answer is cancelled") {
  for (const auto transport : kTransports) {
    CAPTURE(to_string(transport));
    const TlsPeer peer{TlsPeer::GoesTo::accepted};
    Canceller canceller;
    DeviceClient device{options(peer, transport, canceller.function())};
    CHECK(kind_of([&] { device.open(true); }) == ErrorKind::cancelled);
  }
}

TEST_CASE("a login that the peer does not answer is cancelled, on every transport") {
  for (const auto transport : kTransports) {
    CAPTURE(to_string(transport));
    const TlsPeer peer{TlsPeer::GoesTo::handshake};
    Canceller canceller;
    DeviceClient device{options(peer, transport, canceller.function())};
    CHECK(kind_of([&] { device.open(true); }) == ErrorKind::cancelled);
  }
}

TEST_CASE("the service side and the registry are cancelled likewise") {
  for (const auto transport : {TransportKind::amqp, TransportKind::amqp_ws}) {
    const TlsPeer peer{TlsPeer::GoesTo::handshake};
    Canceller canceller;
    ServiceClient service{options(peer, transport, canceller.function())};
    CHECK(kind_of([&] { service.send("d", {}); }) == ErrorKind::cancelled);
  }
  const TlsPeer peer{TlsPeer::GoesTo::handshake};
  Canceller canceller;
  RegistryClient registry{options(peer, TransportKind::https, canceller.function())};
  CHECK(kind_of([&] { registry.get("d"); }) == ErrorKind::cancelled);
}

TEST_CASE("a cancelled receive returns as if time were up, and the connection stays") {
  const TlsPeer peer{TlsPeer::GoesTo::connack};
  Canceller canceller;
  DeviceClient device{options(peer, TransportKind::mqtt, canceller.function())};
  std::vector<ConnectionEvent> events;
  device.on_connection([&](ConnectionEvent event, std::string_view) { events.push_back(event); });
  device.open(true);
  CHECK_FALSE(device.receive(1h));
  device.wait(1h);
  CHECK(device.ensure_connected(1h));
  CHECK(events == std::vector{ConnectionEvent::connected});
}

TEST_CASE("the same over AMQP: receive, send, batch, destruction") {
  const auto with = [](const TlsPeer& peer, Cancelled cancelled) {
    auto out = options(peer, TransportKind::amqp, std::move(cancelled));
    out.tls.certificate_file = peer.ca_file();
    out.tls.private_key_file = peer.key_file();
    return out;
  };
  {
    const TlsPeer peer{TlsPeer::GoesTo::attached};
    Canceller canceller;
    DeviceClient device{with(peer, canceller.function())};
    std::vector<ConnectionEvent> events;
    device.on_connection([&](ConnectionEvent event, std::string_view) { events.push_back(event); });
    device.open(true);
    CHECK_FALSE(device.receive(1h));
    CHECK(events == std::vector{ConnectionEvent::connected});
  }
  for (const std::size_t count : {1U, 2U}) {
    const TlsPeer peer{TlsPeer::GoesTo::attached};
    Canceller canceller;
    DeviceClient device{with(peer, canceller.function())};
    device.open(false);
    const std::vector<Message> messages(count);
    CHECK(kind_of([&] { device.send_events(messages); }) == ErrorKind::cancelled);
  }
  const TlsPeer peer{TlsPeer::GoesTo::attached};
  DeviceClient device{with(peer, [] { return true; })};
  device.open(true);
}

TEST_CASE("a send that nobody acknowledges is cancelled") {
  const TlsPeer peer{TlsPeer::GoesTo::connack};
  Canceller canceller;
  DeviceClient device{options(peer, TransportKind::mqtt, canceller.function())};
  device.open(true);
  CHECK(kind_of([&] { device.send_event({.body = "x"}); }) == ErrorKind::cancelled);
}

TEST_CASE("a send that nobody reads is cancelled in the middle") {
  const TlsPeer peer{TlsPeer::GoesTo::handshake};
  Canceller canceller;
  DeviceClient device{options(peer, TransportKind::https, canceller.function())};
  device.open(false);
  const std::string more_than_fits(std::size_t{32} << 20, 'x');
  CHECK(kind_of([&] { device.send_event({.body = more_than_fits}); }) == ErrorKind::cancelled);
}

TEST_CASE("a client is destroyed connected, without a word from the peer") {
  const TlsPeer peer{TlsPeer::GoesTo::connack};
  DeviceClient device{options(peer, TransportKind::mqtt, [] { return true; })};
  device.open(true);
}

TEST_CASE("clients in several threads do not meet") {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      ClientOptions with;
      with.connection =
          ConnectionString::parse("HostName=localhost;DeviceId=d;SharedAccessKey=c2VjcmV0");
      with.connection.gateway_host_name = "127.0.0.1";
      with.ports.mqtts = std::uint16_t{1};  // nobody listens there
      with.retry = {.first = 0ms, .longest = 0ms, .attempts = 3};
      DeviceClient device{with};
      // Reconnecting, the back-off draws its random numbers.
      CHECK(kind_of([&] { device.ensure_connected(1h); }) == ErrorKind::unreachable);
    });
  }
  for (auto& thread : threads) thread.join();
}
