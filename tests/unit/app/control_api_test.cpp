#include "emulator/app/control_api.hpp"

#include <doctest/doctest.h>

#include "tests/support/print_result.hpp"

#include <boost/json.hpp>

namespace {

const hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);

struct Api {
  Api() {
    hub::DeviceSpec spec;
    spec.id.text = "d1";
    spec.primary_key = spec.secondary_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    REQUIRE(hub.create_device(spec, now));
  }
  // One request on a connection of its own; the answer as it is on the wire.
  std::string ask(const std::string& request) {
    const auto session = app::make_control_session(sources, now);
    session->on_bytes(request, now);
    return std::string(session->output());
  }
  std::string get(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  static std::string body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

  hub::SeededIdSource ids{1};
  hub::NullLog log;
  hub::HubConfig config{.host_name = "my.hub",
                        .policies = hub::default_policies("a2V5a2V5a2V5a2V5a2V5"),
                        .settings = {},
                        .limits = {}};
  hub::Hub hub{config, ids, log, now};
  std::vector<std::string> missing;
  app::ControlSources sources{hub, "-----BEGIN CERTIFICATE-----\n", [this] { return missing; },
                              app::host_names("my.hub", "127.0.0.1", {}), "http://127.0.0.1:9400/ca.pem"};
};

}  // namespace

TEST_CASE("N-18 health, ready, version, CA") {
  Api api;
  CHECK(api.get("/health").starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(Api::body(api.get("/health")) == R"({"status":"ok"})");
  CHECK(api.get("/ready").starts_with("HTTP/1.1 200 OK\r\n"));
  api.missing = {"listener mqtts does not accept"};
  CHECK(api.get("/ready").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(Api::body(api.get("/ready")) ==
        R"({"status":"not ready","missing":["listener mqtts does not accept"]})");
  const auto version = boost::json::parse(Api::body(api.get("/version"))).as_object();
  for (const char* field : {"name", "version", "commit", "build"}) CHECK(version.contains(field));
  CHECK(Api::body(api.get("/ca.pem")) == "-----BEGIN CERTIFICATE-----\n");
}

TEST_CASE("N-18 connection strings of hub and devices") {
  Api api;
  const auto strings = boost::json::parse(Api::body(api.get("/connection-strings"))).as_object();
  CHECK(strings.at("hub").as_string() ==
        "HostName=my.hub;SharedAccessKeyName=iothubowner;SharedAccessKey=a2V5a2V5a2V5a2V5a2V5");
  CHECK(strings.at("byName") == strings.at("hub"));
  CHECK(strings.at("policies").as_object().size() == 5);
  CHECK(strings.at("devices").at("d1").as_string() ==
        "HostName=my.hub;DeviceId=d1;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
}

TEST_CASE("APP-30 clients that insist on a dot are given connection strings with an address") {
  Api api;
  const auto strings = boost::json::parse(Api::body(api.get("/connection-strings"))).as_object();
  CHECK(strings.at("byAddress").as_string() ==
        "HostName=127.0.0.1;SharedAccessKeyName=iothubowner;SharedAccessKey=a2V5a2V5a2V5a2V5a2V5");
  CHECK(strings.at("devicesByAddress").at("d1").as_string() ==
        "HostName=127.0.0.1;DeviceId=d1;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  CHECK(strings.at("caUrl").as_string() == "http://127.0.0.1:9400/ca.pem");
}

TEST_CASE("N-18 metrics are Prometheus text, named as the hub's own") {
  Api api;
  api.hub.metrics().c2d_ingress_success = 7;
  const auto answer = api.get("/metrics");
  CHECK(answer.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
  const auto body = Api::body(answer);
  CHECK(body.find("# HELP c2d_commands_ingress_success c2d.commands.ingress.success") != std::string::npos);
  CHECK(body.find("# TYPE c2d_commands_ingress_success counter\n") != std::string::npos);
  CHECK(body.find("\nc2d_commands_ingress_success 7\n") != std::string::npos);
  CHECK(body.find("\nC2DMessagesExpired 0\n") != std::string::npos);
  CHECK(body.find("# TYPE iothub_emulator_connections_open gauge\n") != std::string::npos);
}

TEST_CASE("N-18 HEAD, keep-alive, pipelining, and what is refused") {
  Api api;
  const auto head = api.ask("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(head.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(Api::body(head).empty());
  CHECK(api.get("/nothing").starts_with("HTTP/1.1 404 "));
  CHECK(api.get("/health?x=1").starts_with("HTTP/1.1 200 "));
  CHECK(api.ask("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 405 "));
  CHECK(api.ask("rubbish\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(api.ask("GET /" + std::string(20'000, 'x')).starts_with("HTTP/1.1 400 "));

  const auto session = app::make_control_session(api.sources, now);
  session->on_bytes("GET /health HT", now);
  CHECK(session->output().empty());
  session->on_bytes("TP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n", now);
  const std::string both(session->output());
  CHECK(both.find(R"({"status":"ok"}HTTP/1.1 200 OK)") != std::string::npos);
  CHECK_FALSE(session->wants_close());
  session->on_bytes("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", now);
  CHECK(session->wants_close());
}

TEST_CASE("N-18 an idle connection is closed after a minute") {
  Api api;
  const auto session = app::make_control_session(api.sources, now);
  REQUIRE(session->next_deadline());
  session->on_time(now + std::chrono::seconds{59});
  CHECK_FALSE(session->wants_close());
  session->on_time(*session->next_deadline());
  CHECK(session->wants_close());
}
