// An MQTT client that is not ours, over TLS, on a running server: whoever misreads the standard in
// our session would misread it in our own client as well. libmosquitto 2.0 is C, and strict.
#include "emulator/app/file_io.hpp"
#include "emulator/app/server.hpp"
#include "emulator/core/access/auth.hpp"
#include "tests/unit/net/net_test_support.hpp"

#include <doctest/doctest.h>
#include <mosquitto.h>

using namespace net_test;

namespace {

constexpr auto device_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

class RunningServer {
 public:
  RunningServer() : server_(config(), log_, clock_), thread_([this] { server_.run(); }) {
    hub::DeviceSpec spec;
    spec.id = {"d1"};
    spec.primary_key = device_key;
    REQUIRE(hub().registry().create(spec, clock_.now()));
  }
  ~RunningServer() {
    server_.request_stop();
    thread_.join();
  }
  hub::Hub& hub() { return server_.hub(); }
  int port() const { return server_.report().port("mqtts"); }
  std::string ca() const { return server_.report().ca_path; }
  hub::TimePoint now() { return clock_.now(); }

 private:
  app::Config config() {
    app::Config config;
    config.mqtts_port = config.amqps_port = config.https_port = config.control_port = 0;
    config.tls_dir = folder_.path() / "tls";
    return config;
  }

  Watchdog watchdog_;
  TemporaryFolder folder_;
  CollectingLog log_;
  app::SystemClock clock_;
  app::Server server_;
  std::thread thread_;
};

class MosquittoClient {
 public:
  MosquittoClient(RunningServer& server, const std::string& key) {
    mosquitto_lib_init();
    client_ = mosquitto_new("d1", false, this);
    REQUIRE(client_ != nullptr);
    const std::string token =
        hub::make_sas_token("localhost/devices/d1", key, server.now() + std::chrono::hours{1});
    mosquitto_username_pw_set(client_, "localhost/d1/?api-version=2021-04-12", token.c_str());
    REQUIRE(mosquitto_tls_set(client_, server.ca().c_str(), nullptr, nullptr, nullptr, nullptr) ==
            MOSQ_ERR_SUCCESS);
    mosquitto_connect_callback_set(client_, [](mosquitto*, void* self, int code) {
      static_cast<MosquittoClient*>(self)->connack = code;
    });
    mosquitto_subscribe_callback_set(client_, [](mosquitto*, void* self, int, int, const int* qos) {
      static_cast<MosquittoClient*>(self)->granted = qos[0];
    });
    mosquitto_publish_callback_set(client_, [](mosquitto*, void* self, int) {
      ++static_cast<MosquittoClient*>(self)->published;
    });
    mosquitto_disconnect_callback_set(client_, [](mosquitto*, void* self, int) {
      static_cast<MosquittoClient*>(self)->disconnected = true;
    });
    mosquitto_message_callback_set(client_,
                                   [](mosquitto*, void* self, const mosquitto_message* message) {
                                     static_cast<MosquittoClient*>(self)->topic = message->topic;
                                     static_cast<MosquittoClient*>(self)->body.assign(
                                         static_cast<const char*>(message->payload),
                                         static_cast<std::size_t>(message->payloadlen));
                                   });
    REQUIRE(mosquitto_connect(client_, "localhost", server.port(), 60) == MOSQ_ERR_SUCCESS);
  }
  ~MosquittoClient() {
    mosquitto_destroy(client_);
    mosquitto_lib_cleanup();
  }
  MosquittoClient(const MosquittoClient&) = delete;
  MosquittoClient& operator=(const MosquittoClient&) = delete;

  // Serves the connection until `done`; the watchdog ends what never is.
  template <class Done>
  void until(Done done) {
    while (!done()) mosquitto_loop(client_, 50, 1);
  }
  mosquitto* get() { return client_; }

  int connack = -1, granted = -1, published = 0;
  bool disconnected = false;
  std::string topic, body;

 private:
  mosquitto* client_ = nullptr;
};

}  // namespace

TEST_CASE("M-30 M-32 libmosquitto receives, acknowledges and sends over TLS") {
  RunningServer server;
  MosquittoClient client(server, device_key);
  client.until([&] { return client.connack >= 0; });
  REQUIRE(client.connack == 0);
  mosquitto_subscribe(client.get(), nullptr, "devices/d1/messages/devicebound/#", 1);
  client.until([&] { return client.granted >= 0; });
  CHECK(client.granted == 1);

  hub::SendRequest request;
  request.device = {"d1"};
  request.content.to = "/devices/d1/messages/devicebound";
  request.content.message_id = hub::MessageId::of("My Message ID");
  request.content.body = "Cloud to device message.";
  REQUIRE(server.hub().c2d().send(std::move(request), server.now()));
  client.until([&] { return !client.topic.empty(); });
  CHECK(client.body == "Cloud to device message.");
  CHECK(client.topic ==
        "devices/d1/messages/devicebound/%24.mid=My%20Message%20ID&"
        "%24.to=%2Fdevices%2Fd1%2Fmessages%2Fdevicebound");

  mosquitto_publish(client.get(), nullptr, "devices/d1/messages/events/room=a%2Fb", 1, "t", 1,
                    false);
  client.until([&] { return client.published == 1; });
  CHECK(server.hub().metrics().d2c_telemetry_ingress_success == 1);
  // Its PUBACK went out before the PUBLISH that we have had an answer to.
  CHECK(server.hub().registry().get({"d1"}, server.now())->c2d_message_count == 0);

  mosquitto_publish(client.get(), nullptr, "devices/d1/messages/events/", 1, "t", 2, false);
  client.until([&] { return client.disconnected; });  // QoS 2 closes
  CHECK(server.hub().metrics().d2c_telemetry_ingress_success == 1);
}

TEST_CASE("M-14 libmosquitto is told that a wrong key is not authorised") {
  RunningServer server;
  MosquittoClient client(server, "d3JvbmcgZGV2aWNlIGtleSBvZiAzMiBieXRlcyAuLi4=");
  client.until([&] { return client.connack >= 0; });
  CHECK(client.connack == 5);
}
