#pragma once
// A whole emulator on real sockets in this process, with one device d1.
#include "emulator/app/file_io.hpp"
#include "emulator/app/server.hpp"
#include "emulator/core/access/auth.hpp"
#include "tests/unit/net/tls_client.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>

namespace net_test {

inline constexpr auto device_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
inline const std::string amqp_sasl_header("AMQP\x03\x01\x00\x00", 8);
inline const std::string connack_accepted("\x20\x02\x00\x00", 4);

class FrontDoors {
 public:
  explicit FrontDoors(std::size_t threads = one_thread_or_four(), const std::string& data = {})
      : server_(config(threads, data), log_, clock_),
        thread_([this] { exit_code_ = server_.run(); }) {}
  ~FrontDoors() { stop(); }
  int stop() {
    server_.request_stop();
    if (thread_.joinable()) thread_.join();
    return exit_code_;
  }
  app::Server& operator*() { return server_; }
  CollectingLog& log() { return log_; }
  hub::TimePoint now() { return clock_.now(); }
  std::uint16_t port(const char* name) const { return server_.report().port(name); }
  ClientOptions tls() const {
    ClientOptions options;
    options.ca = app::read_file(server_.report().ca_path).value();
    return options;
  }
  std::string token(const std::string& resource, const std::string& key,
                    const std::string& policy = {}) {
    return hub::make_sas_token(resource, key, clock_.now() + std::chrono::hours{1}, policy);
  }
  std::string mqtt_connect() { return mqtt_connect(token("localhost/devices/d1", device_key)); }
  std::string mqtt_connect(const std::string& password) {
    const auto field = [](const std::string& text) {
      return std::string{static_cast<char>(text.size() >> 8),
                         static_cast<char>(text.size() & 0xff)} +
             text;
    };
    const std::string body = field("MQTT") + std::string("\x04\xc2\x00\x3c", 4) + field("d1") +
                             field("localhost/d1/?api-version=2021-04-12") + field(password);
    REQUIRE(body.size() >= 128);
    return "\x10" +
           std::string{static_cast<char>(body.size() % 128 | 128),
                       static_cast<char>(body.size() / 128)} +
           body;
  }

 private:
  app::Config config(std::size_t threads, const std::string& data) {
    app::write_file_atomically(
        folder_.path() / "seed.json",
        std::string(R"({"devices": [{"id": "d1", "primaryKey": ")") + device_key + "\"}]}", 0600);
    app::Config config;
    config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
    config.mqtt_port = config.amqp_port = config.http_port = 0;
    config.threads = threads;
    config.data = data;
    config.settings = {{"feedback.window", "PT0.1S"}};
    config.tls_dir = folder_.path() / "tls";
    config.seed = folder_.path() / "seed.json";
    return config;
  }

  Watchdog watchdog_;
  TemporaryFolder folder_;
  CollectingLog log_;
  app::SystemClock clock_;
  app::Server server_;
  int exit_code_ = -1;
  std::thread thread_;
};

}  // namespace net_test
