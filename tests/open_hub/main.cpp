// open_hub [--mqtt-port N] [--amqp-port N]: the hub's MQTT and AMQP codecs and sessions with open
// topics and plain queues, for public test suites. In memory, without TLS, on the loopback; never
// installed. Prints the ports when it serves; ends with SIGTERM.
#include <boost/asio/signal_set.hpp>

#include <CLI/CLI.hpp>

#include <csignal>
#include <iostream>

#include "emulator/app/hub_timer.hpp"
#include "emulator/app/log_spdlog.hpp"
#include "emulator/app/system_clock.hpp"
#include "protocols/amqp/session.hpp"
#include "protocols/net/listener.hpp"
#include "tests/open_hub/broker.hpp"
#include "tests/open_hub/queues.hpp"

int main(int argc, char** argv) {
  std::uint16_t mqtt_port = 0, amqp_port = 0;
  CLI::App options("The hub's codecs and sessions with open topics and plain queues");
  options.add_option("--mqtt-port", mqtt_port);
  options.add_option("--amqp-port", amqp_port);
  CLI11_PARSE(options, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);

  app::SystemClock clock;
  app::SpdlogLog log(hub::LogLevel::info, app::LogFormat::text);
  hub::RandomIdSource ids;
  hub::HubConfig config;
  config.limits.queue_depth_max = 10'000;  // a broker's queue
  config.limits.c2d_message_bytes_max = 256 * 1024;
  hub::Hub hub(std::move(config), ids, log, clock.now());
  open_hub::Broker broker(hub);
  open_hub::Queues queues(hub);
  net::IoThreads threads(1, clock, log, hub.metrics());
  app::HubTimer timer(hub, threads.first());

  const auto listener = [&](std::uint16_t port, net::SessionFactory make) {
    auto listening = std::make_unique<net::Listener>(
        threads, net::ListenerOptions{"127.0.0.1", port,
                                      std::make_shared<const net::Service>(
                                          net::Service{"open", std::move(make), {}})});
    listening->start(nullptr);
    return listening;
  };
  const auto mqtt = listener(mqtt_port, [&](std::string_view, protocols::PeerInfo peer,
                                            hub::Waker waker, hub::TimePoint now) {
    return std::make_unique<open_hub::OpenSession>(broker, std::move(peer), std::move(waker), now);
  });
  const auto amqp = listener(amqp_port, [&](std::string_view, protocols::PeerInfo peer,
                                            hub::Waker waker, hub::TimePoint now) {
    return std::make_unique<amqp::Session>(hub, std::move(peer), std::move(waker), now, &queues);
  });
  boost::asio::signal_set signals(threads.first().context(), SIGTERM, SIGINT);
  signals.async_wait([&](const auto&, int) { threads.stop(); });
  std::cout << "mqtt " << mqtt->port() << " amqp " << amqp->port() << std::endl;
  threads.run();
  threads.close();
}
