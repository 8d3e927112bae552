#include "emulator/app/server.hpp"

#include "emulator/app/clock_watch.hpp"
#include "emulator/app/committer.hpp"
#include "emulator/app/control_api.hpp"
#include "emulator/app/dev_ca.hpp"
#include "emulator/app/file_io.hpp"
#include "emulator/app/health.hpp"
#include "emulator/app/hub_timer.hpp"
#include "emulator/app/seed.hpp"
#include "emulator/app/sessions.hpp"
#include "emulator/app/store_watch.hpp"
#include "emulator/core/store/snapshot_check.hpp"
#include "protocols/net/listener.hpp"
#include "storage/sqlite_store.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/json/value_to.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

namespace app {
namespace {

constexpr auto goodbye_time = std::chrono::milliseconds{1500};
constexpr std::uint16_t https_fallback_port = 8443;

std::filesystem::path tls_folder(const Config& config) {
  if (!config.tls_dir.empty()) return config.tls_dir;
  if (!config.data.empty()) return std::filesystem::path(config.data) / "tls";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "iothub-emulator/tls";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local/state/iothub-emulator/tls";
  }
  throw StartError(2, "no folder for the certificates: neither --tls-dir nor HOME is set");
}

std::string read_device_cas(const std::vector<std::string>& files) {
  std::string all;
  for (const auto& file : files) {
    const auto pem = read_file(file);
    if (!pem) throw std::runtime_error(file + " is not there");
    all += *pem + "\n";
  }
  return all;
}

template <class Function>
auto starting(int exit_code, const char* flag, Function function) {
  try {
    return function();
  } catch (const StartError&) {
    throw;
  } catch (const std::exception& error) {
    throw StartError(exit_code, std::string(flag) + ": " + error.what());
  }
}

}  // namespace

struct Server::Impl {
  Impl(const Config& given, hub::Log& server_log, hub::Clock& server_clock,
       std::unique_ptr<hub::Store> given_store)
      : config(given), log(server_log), clock(server_clock), store(std::move(given_store)) {
    try {
      start();
    } catch (...) {
      end();
      throw;
    }
  }
  ~Impl() { end(); }

  void start() {
    make_hub();
    threads = std::make_unique<net::IoThreads>(config.threads, clock, log, hub->metrics(),
                                               committer.get());
    hub_timer = std::make_unique<HubTimer>(*hub, threads->first());
    clock_watch.emplace(*hub, clock, log, threads->first());
    // Before anybody is told that we are ready: a signal that comes then is a polite end, too.
    signals.emplace(threads->first().context(), SIGINT, SIGTERM);
    signals->async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      threads->stop();
      signals->clear();  // the next one ends the process as it is: the disk may hang
    });
    if (committer) {
      committer->start();
      store_watch.emplace(*committer, log, threads->first());
    }
    // Before what takes its time: a client that comes early waits for it, and is not refused.
    open_listeners();
    make_certificates();
    plant_seed();
    for (const auto& front : fronts) front.listener->start(front.tls ? tls.get() : nullptr);
    fill_report();
  }

  // Of a file with thousands of devices nothing is kept but the devices.
  void plant_seed() {
    if (seed.devices.empty()) return;
    starting(2, "--seed", [this] { seed_devices(*hub, seed.devices, clock.now()); });
    seed = {};
    net::trim_heap();
  }

  void end() {
    fronts.clear();
    if (threads) threads->close();  // the sessions end, and may stage their last changes
    store_watch.reset();
    committer.reset();  // which are stored here
    clock_watch.reset();
    hub_timer.reset();
  }

  void make_hub() {
    hub::HubConfig hub_config;
    hub_config.host_name = config.hub;
    if (!config.seed.empty()) {
      seed = starting(2, "--seed", [this] { return load_seed(config.seed, {}); });
    }
    hub_config.settings = seed.settings;
    for (const auto& [name, value] : config.settings) {
      const auto set = hub_config.settings.set(name, value);
      if (!set) throw StartError(2, "--set: " + set.error().detail);
    }
    hub_config.policies = hub::default_policies(policy_key());
    merge_policies(hub_config.policies, seed.policies);
    if (!store && !config.data.empty()) {
      store = starting(1, "--data", [this] {
        auto opened = storage::SqliteStore::open(config.data);
        if (const auto remark = opened->remark(); !remark.empty()) log.warn(remark);
        return opened;
      });
    }
    const hub::TimePoint now = clock.now();
    hub.emplace(std::move(hub_config), ids, log, now, store != nullptr);
    if (!store) return;
    starting(1, "--data", [&] {
      auto snapshot = store->load();
      if (const auto damage = hub::find_damage(snapshot)) {
        throw std::runtime_error(
            (std::filesystem::path(config.data) / "hub.db").string() + " is damaged: " + *damage +
            "; the file was left as it is: restore a copy of it, or move it away to start empty");
      }
      hub->restore(std::move(snapshot), now);
    });
    committer = std::make_unique<Committer>(*hub, *store, [this](std::string reason) {
      log.write(hub::LogLevel::error,
                "the store refused a commit; stopping, since no promise can be kept",
                {{"reason", reason}});
      failed = true;
      threads->stop();
    });
  }

  std::string policy_key() {
    if (!config.key.empty()) return config.key;
    if (is_loopback(config.listen)) return std::string(well_known_key);
    log.warn(
        "a random key was made, since the well-known one is public and --listen is not loopback",
        {{"remedy", "give one with --key to keep it the same"}});
    return ids.next_symmetric_key();
  }

  void make_certificates() {
    report.names = host_names(config.hub, config.listen, machine_names());
    std::vector<std::string> more = report.names.machine;
    more.push_back(config.hub);
    if (config.listen != "0.0.0.0" && config.listen != "::") more.push_back(config.listen);
    more.insert(more.end(), config.sans.begin(), config.sans.end());
    const DevCertificates certificates =
        config.tls_cert.empty()
            ? starting(1, "--tls-dir",
                       [&] {
                         return ensure_dev_certificates(tls_folder(config), certificate_names(more),
                                                        clock.now());
                       })
            : starting(2, "--tls-cert", [&] {
                return own_certificates(config.tls_cert, config.tls_key, clock.now());
              });
    for (const auto& warning : certificates.warnings) log.warn(warning);
    if (certificates.renewed) {
      log.info(
          "server certificate written",
          {{"folder", certificates.ca_path.parent_path().string()}, {"reason", certificates.why}});
    }
    const net::ServerCertificates pem{certificates.rsa_chain,        certificates.rsa_key,
                                      certificates.ecdsa_chain,      certificates.ecdsa_key,
                                      certificates.ca_path.string(), certificates.own};
    tls = starting(2, "--device-ca", [&] {
      return std::make_unique<const net::TlsContext>(pem, read_device_cas(config.device_cas));
    });
    // Whether OpenSSL takes a stranger's key is not left to the first client.
    if (certificates.own)
      starting(2, config.tls_cert.empty() ? "--tls-dir" : "--tls-cert",
               [&] { return tls->native(); });
    report.ca_path = certificates.ca_path.string();
    for (const auto& front : fronts) report.ports.emplace_back(front.name, front.listener->port());
    if (const auto port = report.port("control"); port != 0) {
      report.ca_url = ca_url(config.control_listen, port);
    }
    control.emplace(
        *hub, certificates.ca, [this] { return not_ready(); }, report.names, report.ca_url,
        make_control_access());
  }

  ControlAccess make_control_access() {
    Config resolved = config;
    resolved.control_token =
        starting(2, "--control-token", [&] { return read_control_token(config.control_token); });
    if (config.control_port && !is_loopback(config.control_listen) &&
        config.control_token.empty()) {
      log.warn(
          "the control API listens beyond loopback without a token: whoever reaches its port may "
          "use it, "
          "but is shown no key except the well-known one",
          {{"remedy", "give a token with --control-token, or publish the port on loopback only"}});
    }
    return ControlAccess(resolved, machine_names());
  }

  void open_listeners() {
    open("mqtts", "mqtt", config.mqtts_port, config.listen, true);
    open("amqps", "amqp", config.amqps_port, config.listen, true);
    open("https", "http", config.https_port, config.listen, true);
    open("mqtt", "mqtt", config.mqtt_port, config.listen, false);
    open("amqp", "amqp", config.amqp_port, config.listen, false);
    open("http", "http", config.http_port, config.listen, false);
    open("control", "control", config.control_port, config.control_listen, false);
  }

  void open(const std::string& name, const std::string& protocol, Port port,
            const std::string& address, bool with_tls) {
    if (!port) return;
    net::ConnectionLimits limits;
    // It stages nothing, and says how the hub is while the store hangs.
    if (protocol == "control")
      limits.staged_changes_max = std::numeric_limits<std::uint64_t>::max() / 2;
    auto service = std::make_shared<const net::Service>(net::Service{
        protocol,
        [this](std::string_view wanted, protocols::PeerInfo peer, hub::Waker waker,
               hub::TimePoint now) {
          return wanted == "control"
                     ? make_control_session(*control, std::move(peer), now)
                     : make_session(wanted, *hub, std::move(peer), std::move(waker), now);
        },
        limits});
    const auto listen = [&](std::uint16_t number) {
      fronts.push_back({name, with_tls,
                        std::make_unique<net::Listener>(
                            *threads, net::ListenerOptions{address, number, service})});
    };
    const auto fail = [&](std::uint16_t number, const boost::system::error_code& error,
                          const char* why_this_one = "") {
      throw StartError(1, "port " + std::to_string(number) + " on " + address + ": " +
                              why_this_one + error.message() + " (--" + name + "-port)" +
                              (error == boost::asio::error::address_in_use ? neighbour() : ""));
    };
    try {
      return listen(*port);
    } catch (const boost::system::system_error& error) {
      if (!(name == "https" && *port == 443 && error.code() == boost::asio::error::access_denied)) {
        fail(*port, error.code());
      }
    }
    try {
      listen(https_fallback_port);
    } catch (const boost::system::system_error& error) {
      fail(https_fallback_port, error.code(), "taken instead of 443, which is not permitted: ");
    }
    log.warn(
        "not permitted to bind port 443: HTTPS and WebSocket are on 8443, which some SDKs cannot "
        "use",
        {{"remedy",
          "sysctl net.ipv4.ip_unprivileged_port_start=443, or setcap cap_net_bind_service=+p on "
          "the binary, or a container that publishes 443:8443"}});
  }

  // Who may have a port that we want. Our own control API does not listen yet.
  std::string neighbour() const {
    if (config.control_port.value_or(0) != 0 &&
        is_emulator(config.control_listen, *config.control_port)) {
      return "; an iothub-emulator runs already, with its control API on port " +
             std::to_string(*config.control_port) + ": stop it, or give this one ports of its own";
    }
    return "; another program has it: stop that, or give another port (0: any that is free)";
  }

  void fill_report() {
    report.host_name = hub->host_name();
    report.connection_strings = connection_strings(*hub, report.names, clock.now());
    if (const auto* by_name = report.connection_strings.if_contains("byName")) {
      report.connection_string = boost::json::value_to<std::string>(*by_name);
    }
  }

  std::vector<std::string> not_ready() const {
    if (stopping) return {"shutting down"};
    std::vector<std::string> missing;
    for (const auto& front : fronts) {
      if (!front.listener->accepting())
        missing.push_back("listener " + front.name + " does not accept");
    }
    return missing;
  }

  int run() {
    threads->run();
    stopping = true;
    if (!failed) say_goodbye();
    return failed ? 1 : 0;
  }

  void say_goodbye() {
    log.info("stopping", {{"connections", std::to_string(threads->connection_count())}});
    for (const auto& front : fronts) front.listener->stop();
    threads->say_goodbye(std::chrono::steady_clock::now() + goodbye_time);
    if (const std::size_t left = threads->connection_count(); left > 0) {
      log.warn("not every connection closed in time", {{"connections", std::to_string(left)}});
    }
  }

  const Config config;
  hub::Log& log;
  hub::Clock& clock;
  hub::RandomIdSource ids;
  Seed seed;
  std::unique_ptr<hub::Store> store;
  std::optional<hub::Hub> hub;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<const net::TlsContext> tls;
  std::optional<ControlSources> control;
  std::unique_ptr<net::IoThreads> threads;
  std::unique_ptr<HubTimer> hub_timer;
  std::optional<ClockWatch> clock_watch;
  std::optional<StoreWatch> store_watch;
  std::optional<boost::asio::signal_set> signals;
  struct Front {
    std::string name;
    bool tls;
    std::unique_ptr<net::Listener> listener;
  };
  std::vector<Front> fronts;
  StartReport report;
  std::atomic<bool> failed{false};
  std::atomic<bool> stopping{false};
};

Server::Server(const Config& config, hub::Log& log, hub::Clock& clock)
    : Server(config, log, clock, nullptr) {}

Server::Server(const Config& config, hub::Log& log, hub::Clock& clock,
               std::unique_ptr<hub::Store> store)
    : impl_(std::make_unique<Impl>(config, log, clock, std::move(store))) {}

Server::~Server() = default;

const StartReport& Server::report() const { return impl_->report; }

hub::Hub& Server::hub() { return *impl_->hub; }

int Server::run() noexcept { return impl_->run(); }

void Server::request_stop() { impl_->threads->stop(); }

}  // namespace app
