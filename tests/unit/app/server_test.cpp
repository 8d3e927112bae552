#include "emulator/app/server.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "emulator/app/health.hpp"
#include "tests/unit/net/net_test_support.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <boost/json.hpp>

#include <csignal>
#include <semaphore>

#include <sys/stat.h>

using namespace net_test;

namespace {

app::Config any_ports(const TemporaryFolder& folder) {
  app::Config config;
  config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
  config.tls_dir = folder.path() / "tls";
  return config;
}

// A server that runs on a thread of its own.
class Running {
 public:
  explicit Running(const app::Config& config, std::unique_ptr<hub::Store> store = nullptr)
      : server_(config, log_, clock_, std::move(store)),
        thread_([this] { exit_code_ = server_.run(); }) {}
  ~Running() { stop(); }
  int stop() {
    if (thread_.joinable()) {
      server_.request_stop();
      thread_.join();
    }
    return exit_code_;
  }
  int wait() {
    thread_.join();
    return exit_code_;
  }
  app::Server& operator*() { return server_; }
  app::Server* operator->() { return &server_; }
  CollectingLog& log() { return log_; }
  hub::TimePoint now() { return clock_.now(); }

 private:
  Watchdog watchdog_;
  CollectingLog log_;
  app::SystemClock clock_;
  app::Server server_;
  int exit_code_ = -1;
  std::thread thread_;
};

std::string http_get(std::uint16_t port, const std::string& path) {
  TcpClient client(port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  return client.receive_all();
}

class FailingStore : public hub::Store {
 public:
  hub::Snapshot load() override { return {}; }
  void apply(std::span<const hub::Change>) override { throw std::runtime_error("disk full"); }
};

// A disk that hangs in its first sync until it is let go.
class HangingStore : public hub::Store {
 public:
  explicit HangingStore(std::shared_future<void> let_go) : let_go_(std::move(let_go)) {}
  hub::Snapshot load() override { return {}; }
  void apply(std::span<const hub::Change>) override { let_go_.wait(); }

 private:
  std::shared_future<void> let_go_;
};

std::string start_failure(const app::Config& config, int exit_code) {
  CollectingLog log;
  app::SystemClock clock;
  try {
    app::Server server(config, log, clock);
  } catch (const app::StartError& error) {
    CHECK(error.exit_code == exit_code);
    return error.what();
  }
  return "it started";
}

}  // namespace

TEST_CASE(
    "N-16 the report: ports, connection strings and CA; ready file and start block say them") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.hub = "my.hub.example";
  config.seed = folder.path() / "seed.json";
  app::write_file_atomically(config.seed, R"({"devices": [{"id": "seeded"}]})", 0600);
  Running server(config);
  const auto& report = server->report();
  const std::string expected =
      "HostName=my.hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=" +
      std::string(app::well_known_key);
  CHECK(report.connection_string == expected);
  const auto file = boost::json::parse(app::ready_file_json(report)).as_object();
  CHECK(file.at("pid").to_number<int>() == ::getpid());
  CHECK(file.at("connectionString").as_string() == expected);
  CHECK(file.at("connectionStrings").at("hub").as_string() == expected);
  CHECK(file.at("connectionStrings").at("devices").as_object().contains("seeded"));
  CHECK(file.at("ca").as_string() == (folder.path() / "tls/ca.pem").string());
  const auto& ports = file.at("ports").as_object();
  for (const char* name : {"mqtts", "amqps", "https", "control"}) {
    CHECK(ports.at(name).to_number<int>() == report.port(name));
  }
  CHECK_FALSE(ports.contains("mqtt"));
  const auto block = app::start_block(report);
  for (const auto& part :
       {expected, std::string("NODE_EXTRA_CA_CERTS="), std::to_string(report.port("mqtts"))}) {
    CHECK(block.find(part) != std::string::npos);
  }
}

TEST_CASE("APP-30 an address that is listened on is in what is printed and in the certificate") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.listen = "127.0.0.2";
  std::string host = "127.0.0.2";
  SUBCASE("a single address") {}
  SUBCASE("all: the machine's names are printed, for others") {
    config.listen = "0.0.0.0";
    host = "localhost";
  }
  Running server(config);
  const auto& report = server->report();
  CHECK(report.connection_string.starts_with("HostName=" + host + ";"));
  const auto block = app::start_block(report);
  INFO(block);
  const std::string dotted = host == "localhost" ? "127.0.0.1" : host;
  CHECK(block.find("for C and Java   HostName=" + dotted + ";") != std::string::npos);
  if (host == "localhost")
    CHECK(block.find("HostName elsewhere " + report.names.machine.at(0)) != std::string::npos);
  CHECK(block.find("for Python       export SSL_CERT_FILE=") != std::string::npos);
  CHECK(block.find("/ca.pem or " + report.ca_url) != std::string::npos);
  const auto file = boost::json::parse(app::ready_file_json(report)).as_object();
  CHECK(file.at("caUrl").as_string() == report.ca_url);
  CHECK(file.at("connectionStrings").at("byAddress").as_string().starts_with("HostName=" + dotted));
  std::vector<std::string> wanted = report.names.machine;
  wanted.push_back(dotted);
  const auto certificate = app::read_file(folder.path() / "tls/server-rsa.pem");
  BIO* bio = BIO_new_mem_buf(certificate->data(), static_cast<int>(certificate->size()));
  X509* leaf = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  for (const auto& name : wanted) {
    INFO(name);
    CHECK((X509_check_ip_asc(leaf, name.c_str(), 0) == 1 ||
           X509_check_host(leaf, name.c_str(), 0, 0, nullptr) == 1));
  }
  X509_free(leaf);
  BIO_free(bio);
}

TEST_CASE("N-18 the control API answers, ready once everything accepts; --health asks it") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  Running server(config);
  const auto port = server->report().port("control");
  CHECK(http_get(port, "/health").starts_with("HTTP/1.1 200 "));
  CHECK(http_get(port, "/ready").starts_with("HTTP/1.1 200 "));
  CHECK(http_get(port, "/ca.pem").find("BEGIN CERTIFICATE") != std::string::npos);
  config.control_port = port;
  CHECK_FALSE(app::health_fault(config));
  server.stop();
  CHECK(app::health_fault(config).value_or("").find("nothing listens on port " +
                                                    std::to_string(port)) != std::string::npos);
}

TEST_CASE("N-46 a disk that hangs does not keep /health from answering") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  std::promise<void> let_go;
  Running server(config, std::make_unique<HangingStore>(let_go.get_future().share()));
  hub::DeviceSpec spec;
  spec.id.text = "d1";
  REQUIRE(server->hub().registry().create(spec, server.now()));
  config.control_port = server->report().port("control");
  CHECK_FALSE(app::health_fault(config));
  CHECK(http_get(*config.control_port, "/ready").starts_with("HTTP/1.1 200 "));
  let_go.set_value();
}

TEST_CASE(
    "CT-153 a control API beyond loopback without a token is warned of once, and one with a token "
    "is not") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  const auto warned = [&] {
    return Running(config).log().has("the control API listens beyond loopback");
  };
  CHECK_FALSE(warned());
  config.control_listen = "0.0.0.0";
  CHECK(warned());
  config.control_token = "t";
  CHECK_FALSE(warned());
  config.control_token = "file:" + (folder.path() / "nothing").string();
  CHECK(start_failure(config, 2).starts_with("--control-token: "));
}

TEST_CASE("N-48 idle clients do not keep a stop waiting, and are no reason for a warning") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  config.mqtt_port = config.amqp_port = config.http_port = 0;
  Running server(config);
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (const char* name : {"http", "control"}) {
    clients.push_back(std::make_unique<TcpClient>(server->report().port(name)));
    clients.back()->send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(clients.back()->receive(9) == "HTTP/1.1 ");
  }
  for (const char* name : {"mqtt", "amqp"}) {
    clients.push_back(std::make_unique<TcpClient>(server->report().port(name)));
  }
  CHECK(server.stop() == 0);
  CHECK_FALSE(server.log().has("not every connection closed in time"));
}

TEST_CASE(
    "N-17 a stop with clients connected ends in time, with exit code 0, and can be repeated") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  config.mqtt_port = config.amqp_port = config.http_port = 0;
  for (int round = 0; round < 3; ++round) {
    Running server(config);
    std::vector<std::unique_ptr<TcpClient>> clients;
    for (const char* name : {"mqtt", "amqp", "http", "control", "mqtts", "https"}) {
      clients.push_back(std::make_unique<TcpClient>(server->report().port(name)));
      clients.back()->send("\x10");
    }
    const auto begin = std::chrono::steady_clock::now();
    CHECK(server.stop() == 0);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{2});
  }
}

TEST_CASE("N-17 a SIGTERM right after the start, before run(), is a polite end too") {
  TemporaryFolder folder;
  CollectingLog log;
  app::SystemClock clock;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  app::Server server(config, log, clock);
  std::raise(SIGTERM);
  CHECK(server.run() == 0);
}

TEST_CASE("N-12 a store that refuses a commit stops the process with exit code 1") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  Running server(config, std::make_unique<FailingStore>());
  hub::DeviceSpec spec;
  spec.id.text = "d1";
  REQUIRE(server->hub().registry().create(spec, server.now()));
  CHECK(server.wait() == 1);
  CHECK(server.log().has("disk full"));
}

TEST_CASE(
    "N-05 the ports are bound before certificates are made: one that is taken leaves none behind") {
  const TemporaryFolder folder;
  Running first(any_ports(folder));
  app::Config config = any_ports(folder);
  config.tls_dir = folder.path() / "other";
  config.amqps_port = first->report().port("amqps");
  start_failure(config, 1);
  CHECK_FALSE(std::filesystem::exists(config.tls_dir));
}

TEST_CASE("N-14 a port that is taken: exit 1, and the line names port and flag") {
  const TemporaryFolder folder;
  Running first(any_ports(folder));
  app::Config config = any_ports(folder);
  config.amqps_port = first->report().port("amqps");
  const auto line = start_failure(config, 1);
  INFO(line);
  CHECK(line.find(std::to_string(*config.amqps_port)) != std::string::npos);
  CHECK(line.find("--amqps-port") != std::string::npos);
}

TEST_CASE("APP-17 a port that another emulator has is told so; anybody else's is told as that") {
  const TemporaryFolder folder;
  Running first(any_ports(folder));
  app::Config config = any_ports(folder);
  config.amqps_port = first->report().port("amqps");
  CHECK(start_failure(config, 1).find("another program has it") != std::string::npos);
  config.control_port = first->report().port("control");
  CHECK(start_failure(config, 1).find(
            "an iothub-emulator runs already, with its control API on port " +
            std::to_string(*config.control_port)) != std::string::npos);
  config.amqps_port = 0;
  const auto line = start_failure(config, 1);
  CHECK(line.find("--control-port") != std::string::npos);
  CHECK(line.find("an iothub-emulator runs already") != std::string::npos);

  app::Config guarded = any_ports(folder);
  guarded.control_token = "t";
  Running second(guarded);
  config.control_port = second->report().port("control");
  CHECK(start_failure(config, 1).find("an iothub-emulator runs already") != std::string::npos);
}

TEST_CASE("APP-09 --health says what it asked and why that does not serve") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.http_port = 0;
  Running server(config);
  const auto fault = [&](app::Port port) {
    config.control_port = port;
    return app::health_fault(config).value_or("it serves");
  };
  CHECK(fault(std::nullopt).find("--control-port is off") != std::string::npos);
  CHECK(fault(server->report().port("mqtts")).find("is no control API") != std::string::npos);
  CHECK(fault(server->report().port("http")).find("GET /health with the status 4") !=
        std::string::npos);
  CHECK(fault(server->report().port("control")) == "it serves");
  config.control_listen = "127.0.0.9";  // nobody there: the address is asked, and not another one
  CHECK(fault(server->report().port("control")).find("127.0.0.9: no emulator runs") !=
        std::string::npos);
}

TEST_CASE("N-15 beyond loopback the key is random unless given, and the log says why") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.listen = "0.0.0.0";
  std::string random;
  {
    Running server(config);
    random = server->report().connection_string;
    CHECK(random.find(app::well_known_key) == std::string::npos);
    CHECK(server.log().has("a random key was made"));
    CHECK_FALSE(server.log().has(random.substr(random.rfind('=', random.size() - 2) + 1)));
  }
  config.key = "c29tZSBvdGhlciBrZXkgb2YgYSBodWI=";
  Running server(config);
  CHECK(server->report().connection_string.ends_with(";SharedAccessKey=" + config.key));
  CHECK_FALSE(server.log().has("random"));
}

TEST_CASE(
    "N-19 a seed that is wrong stops the start with exit 2; a folder that is no folder with 1") {
  const TemporaryFolder folder;
  app::write_file_atomically(folder.path() / "seed.json", "{\"devices\": [{}]}", 0600);
  app::Config config = any_ports(folder);
  config.seed = folder.path() / "seed.json";
  CHECK(start_failure(config, 2).find("devices[0]") != std::string::npos);
  config = any_ports(folder);
  config.data = folder.path() / "seed.json";
  CHECK(start_failure(config, 1).find("--data") != std::string::npos);
  config = any_ports(folder);
  config.tls_dir = folder.path() / "seed.json";
  CHECK(start_failure(config, 1).find("--tls-dir") != std::string::npos);
}

TEST_CASE("N-11 with --data a device is there after a restart") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.threads = one_thread_or_four();
  config.data = folder.path() / "data";
  config.tls_dir.clear();
  {
    Running server(config);
    hub::DeviceSpec spec;
    spec.id.text = "kept";
    REQUIRE(server->hub().registry().create(spec, server.now()));
    CHECK(server.stop() == 0);
  }
  Running server(config);
  CHECK(server->hub().registry().get({"kept"}, server.now()));
  CHECK(std::filesystem::exists(folder.path() / "data/tls/ca.pem"));
}

TEST_CASE("N-06 the hub's own timers run without traffic") {
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.settings = {{"feedback.window", "PT0.1S"}};
  Running server(config);
  auto& hub = server->hub();
  hub::DeviceSpec spec;
  spec.id.text = "d1";
  REQUIRE(hub.registry().create(spec, server.now()));
  std::promise<void> woken;
  bool told = false;
  const auto feedback = hub.c2d().open_feedback(
      [&] {
        if (!std::exchange(told, true)) woken.set_value();
      },
      server.now());
  hub::SendRequest request;
  request.device.text = "d1";
  request.ack = hub::Ack::full;
  request.content.message_id = hub::MessageId::of("m");
  request.content.absolute_expiry = server.now() + std::chrono::milliseconds{50};
  REQUIRE(hub.c2d().send(std::move(request), server.now()));
  CHECK(woken.get_future().wait_for(std::chrono::seconds{10}) == std::future_status::ready);
}

TEST_CASE("C2D-46 the hub's own timers go on until nothing is due, as fast as the store takes it") {
  constexpr int devices = 60, depth = 50;  // several shares, and more than waits for the store
  const TemporaryFolder folder;
  app::Config config = any_ports(folder);
  config.data = folder.path() / "data";
  config.settings = {{"feedback.window", "PT0.1S"}};
  std::counting_semaphore<> woken{1};
  Running server(config);
  auto& hub = server->hub();
  const hub::TimePoint expiry = server.now() + std::chrono::milliseconds{500};
  for (int d = 0; d < devices; ++d) {
    hub::DeviceSpec spec;
    spec.id.text = "d" + std::to_string(d);
    REQUIRE(hub.registry().create(spec, server.now()));
    for (int i = 0; i < depth; ++i) {
      hub::SendRequest request;
      request.device = spec.id;
      request.ack = hub::Ack::full;
      request.content.absolute_expiry = expiry;
      REQUIRE(hub.c2d().send(std::move(request), server.now()));
    }
  }
  auto feedback = hub.c2d().open_feedback([&] { woken.release(); }, server.now());
  for (std::size_t records = 0; records < devices * depth;) {
    woken.acquire();  // for ever, if a timer is forgotten: the watchdog ends that
    while (const auto batch = feedback.receive(server.now())) {
      records += boost::json::parse(batch->message->content.body).as_array().size();
      REQUIRE(feedback.complete(batch->lock_token, server.now()));
    }
  }
  CHECK(hub.metrics().c2d_messages_expired == devices * depth);
}
