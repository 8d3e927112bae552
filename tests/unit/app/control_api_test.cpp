#include "emulator/app/control_api.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "tests/unit/net/net_test_support.hpp"

#include <boost/json.hpp>

namespace {

const hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);

struct Api {
  // `change`: of what a start on loopback says.
  explicit Api(
      const std::function<void(app::Config&)>& change = [](app::Config&) {},
      const std::string& key = "a2V5a2V5a2V5a2V5a2V5")
      : config{.host_name = "my.hub",
               .policies = hub::default_policies(key),
               .settings = {},
               .limits = {}},
        sources{hub,
                "-----BEGIN CERTIFICATE-----\n",
                [this] { return missing; },
                app::host_names("my.hub", "127.0.0.1", {}),
                "http://127.0.0.1:9400/ca.pem",
                app::ControlAccess(changed(change), {"box.example"})} {
    hub::DeviceSpec spec;
    spec.id.text = "d1";
    spec.primary_key = spec.secondary_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    REQUIRE(hub.registry().create(spec, now));
  }
  static app::Config changed(const std::function<void(app::Config&)>& change) {
    app::Config result;
    change(result);
    return result;
  }
  std::unique_ptr<protocols::Session> connect() {
    protocols::PeerInfo peer;
    peer.address = "127.0.0.1:1";
    return app::make_control_session(sources, std::move(peer), now);
  }
  // One request on a connection of its own; the answer as it is on the wire.
  std::string ask(const std::string& request) {
    const auto session = connect();
    session->on_bytes(request, now);
    return std::string(session->output());
  }
  std::string get(const std::string& path, const std::string& headers = "Host: localhost\r\n") {
    return ask("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n");
  }
  // Its status and the name of its error, if it is one.
  std::string outcome(const std::string& path, const std::string& headers) {
    const std::string answer = get(path, headers);
    const std::string status = answer.substr(9, 3);
    const auto at = answer.find("iothub-errorcode: ");
    return at == answer.npos
               ? status
               : status + " " + answer.substr(at + 18, answer.find("\r\n", at) - at - 18);
  }
  static std::string body(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  hub::SeededIdSource ids{1};
  hub::NullLog log;
  hub::HubConfig config;
  hub::Hub hub{config, ids, log, now};
  std::vector<std::string> missing;
  app::ControlSources sources;
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
        "HostName=127.0.0.1;DeviceId=d1;SharedAccessKey="
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  CHECK(strings.at("caUrl").as_string() == "http://127.0.0.1:9400/ca.pem");
}

TEST_CASE("N-18 metrics are Prometheus text, named as the hub's own") {
  Api api;
  api.hub.metrics().c2d_ingress_success = 7;
  const auto answer = api.get("/metrics");
  CHECK(answer.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
  const auto body = Api::body(answer);
  CHECK(body.find("# HELP c2d_commands_ingress_success c2d.commands.ingress.success") !=
        std::string::npos);
  CHECK(body.find("# TYPE c2d_commands_ingress_success counter\n") != std::string::npos);
  CHECK(body.find("\nc2d_commands_ingress_success 7\n") != std::string::npos);
  CHECK(body.find("\nC2DMessagesExpired 0\n") != std::string::npos);
  CHECK(body.find("# TYPE iothub_emulator_connections_open gauge\n") != std::string::npos);
}

TEST_CASE("N-18 HEAD, keep-alive, pipelining, and what is refused") {
  Api api;
  const auto head = api.ask("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(head.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(Api::body(head).empty());
  CHECK(api.get("/nothing").starts_with("HTTP/1.1 404 "));
  CHECK(api.get("/health?x=1").starts_with("HTTP/1.1 200 "));
  CHECK(api.ask("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            .starts_with("HTTP/1.1 405 "));
  CHECK(api.ask("rubbish\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(api.ask("GET /" + std::string(20'000, 'x')).starts_with("HTTP/1.1 431 "));

  const auto session = api.connect();
  session->on_bytes("GET /health HT", now);
  CHECK(session->output().empty());
  session->on_bytes(
      "TP/1.1\r\nHost: localhost\r\n\r\nGET /version HTTP/1.1\r\nHost: localhost\r\n\r\n", now);
  const std::string both(session->output());
  CHECK(both.find(R"({"status":"ok"}HTTP/1.1 200 OK)") != std::string::npos);
  CHECK_FALSE(session->output_promises());  // N-46
  CHECK_FALSE(session->wants_close());
  session->on_bytes("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", now);
  CHECK(session->wants_close());
}

TEST_CASE(
    "N-18 what is refused says what to do: the routes there are, the nearest first, and the "
    "methods") {
  Api api;
  const auto missing = api.get("/conection-strings");
  CHECK(missing.find("iothub-errorcode: NotFound\r\n") != std::string::npos);
  const auto error = boost::json::parse(Api::body(missing)).as_object();
  CHECK(error.at("error").as_string() == "there is no route /conection-strings");
  CHECK(error.at("hint").as_string().starts_with("there are: /connection-strings, "));
  CHECK(error.at("Message").as_string().starts_with("ErrorCode:NotFound;there is no route"));
  CHECK(error.at("ExceptionMessage").as_string().starts_with("Tracking ID:"));
  for (const char* route : {"/health", "/ready", "/metrics", "/ca.pem", "/version"}) {
    CHECK(error.at("hint").as_string().find(route) != std::string::npos);
  }
  const auto post = api.ask("DELETE /health HTTP/1.1\r\nHost: x.localhost\r\n\r\n");
  CHECK(post.starts_with("HTTP/1.1 405 "));
  CHECK(post.find("\r\nAllow: GET, HEAD\r\n") != std::string::npos);
}

TEST_CASE(
    "CT-151 a request names a host of ours, or is refused with the flag that allows another") {
  Api here, open([](app::Config&config) {
    config.control_listen = "0.0.0.0";
    config.sans = {"Hub.Example", "*.ci.example"};
    config.control_hosts = {"control.example"};
  });
  for (const char* host : {"localhost", "LOCALHOST:9400", "localhost.", "t1.iothub.localhost",
                           "127.0.0.1", "127.0.0.1:9400", "[::1]", "[::1]:9400", "10.1.2.3:80",
                           "host.docker.internal:9400", "box.example", "BOX.example:1"}) {
    CAPTURE(host);
    CHECK(here.outcome("/connection-strings", "Host: " + std::string(host) + "\r\n") == "200");
  }
  for (const char* host :
       {"evil.example", "evil.example:9400", "localhost.evil.example", "evillocalhost", "iothub",
        "iothub:9400", "127.0.0.1.evil.example", "[::1", "::1", "[127.0.0.1]", "hub.example",
        "a.ci.example", "", ":9400", "localhost:evil.example", "localhost@evil.example",
        "box.example.evil"}) {
    CAPTURE(host);
    CHECK(here.outcome("/health", "Host: " + std::string(host) + "\r\n") == "403 ForbiddenHost");
  }
  for (const char* host :
       {"iothub", "iothub:9400", "hub.example:1", "a.ci.example", "control.example"}) {
    CAPTURE(host);
    CHECK(open.outcome("/health", "Host: " + std::string(host) + "\r\n") == "200");
  }
  for (const char* host : {"evil.example", "ci.example", "a.b.ci.example", ".ci.example"}) {
    CAPTURE(host);
    CHECK(open.outcome("/health", "Host: " + std::string(host) + "\r\n") == "403 ForbiddenHost");
  }
  const auto refusal = Api::body(here.get("/connection-strings", "Host: evil.example\r\n"));
  CHECK(refusal.find("--control-host") != std::string::npos);
  CHECK(refusal.find("SharedAccessKey") == std::string::npos);
  CHECK(here.ask("GET /health HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 200 "));  // a probe, and no browser
}

TEST_CASE("CT-152 a page of another origin or site is refused") {
  Api api;
  const auto outcome = [&](const std::string& headers,
                           const std::string& path = "/connection-strings") {
    return api.outcome(path, "Host: localhost:9400\r\n" + headers);
  };
  CHECK(outcome("Origin: http://localhost:9400\r\n") == "200");
  CHECK(api.outcome("/health", "Host: localhost:80\r\nOrigin: http://LOCALHOST\r\n") == "200");
  for (const char* origin : {"http://evil.example", "http://localhost", "http://localhost:9401",
                             "null", "https://localhost:9400", "http://127.0.0.1:9400", ""}) {
    CAPTURE(origin);
    CHECK(outcome("Origin: " + std::string(origin) + "\r\n") == "403 ForbiddenOrigin");
  }
  CHECK(outcome("Origin: http://localhost:9400\r\nOrigin: http://evil.example\r\n") ==
        "403 ForbiddenOrigin");
  CHECK(outcome("Sec-Fetch-Site: same-origin\r\n") == "200");
  CHECK(outcome("Sec-Fetch-Site: none\r\n") == "200");
  const std::string navigates = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
  for (const std::string site :
       {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"}) {
    CHECK(outcome(site) == "403 ForbiddenOrigin");
    CHECK(outcome(site + navigates) == "403 ForbiddenOrigin");
    CHECK(outcome(site + navigates, "/") == "404 NotFound");  // where the page will be
    CHECK(outcome(site, "/") == "403 ForbiddenOrigin");
  }
  CHECK(api.get("/health").find("Access-Control-") == std::string::npos);
}

TEST_CASE("CT-152 --control-cors lets in the pages of one origin, and says so to the browser") {
  Api api([](app::Config& config) {
    config.control_cors = "http://localhost:5173";
    config.control_token = "sesame";
  });
  const std::string page =
      "Host: localhost:9400\r\nOrigin: http://localhost:5173\r\nSec-Fetch-Site: same-site\r\n";
  const auto asked = api.ask("OPTIONS /connection-strings HTTP/1.1\r\n" + page +
                             "Access-Control-Request-Method: GET\r\n\r\n");
  CHECK(asked.starts_with("HTTP/1.1 204 "));
  CHECK(asked.find("\r\nAccess-Control-Allow-Headers: authorization, content-type\r\n") !=
        std::string::npos);
  CHECK(api.outcome("/connection-strings", page) == "401 ControlTokenNeeded");
  const auto answer = api.get("/connection-strings", page + "Authorization: Bearer sesame\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.find("\r\nAccess-Control-Allow-Origin: http://localhost:5173\r\n") !=
        std::string::npos);
  CHECK(api.outcome("/health", "Host: localhost\r\nOrigin: http://localhost:5174\r\n") ==
        "403 ForbiddenOrigin");
  CHECK(Api()
            .ask("OPTIONS /health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                 "Access-Control-Request-Method: GET\r\n\r\n")
            .starts_with("HTTP/1.1 405 "));
}

TEST_CASE("CT-152 a body says that it is JSON, so that no HTML form can send one") {
  Api api;
  const auto post = [&](const std::string& type) {
    return api
        .ask("GET /health HTTP/1.1\r\nHost: localhost\r\n" + type + "Content-Length: 2\r\n\r\n{}")
        .substr(9, 3);
  };
  CHECK(post("Content-Type: application/json\r\n") == "200");
  CHECK(post("Content-Type: Application/JSON; charset=utf-8\r\n") == "200");
  CHECK(post("Content-Type: text/plain\r\n") == "415");
  CHECK(post("") == "415");
}

TEST_CASE("CT-153 a token is asked for on all but health, readiness and the CA") {
  Api api([](app::Config& config) { config.control_token = "open-sesame"; });
  for (const char* path : {"/health", "/ready", "/ca.pem"})
    CHECK(api.outcome(path, "Host: localhost\r\n") == "200");
  for (const std::string path : {"/metrics", "/version", "/connection-strings", "/nothing", "/"}) {
    CAPTURE(path);
    CHECK(api.outcome(path, "Host: localhost\r\n") == "401 ControlTokenNeeded");
  }
  const auto with = [&](const std::string& authorization) {
    return api.outcome("/connection-strings",
                       "Host: localhost\r\nAuthorization: " + authorization + "\r\n");
  };
  CHECK(with("Bearer open-sesame") == "200");
  CHECK(with("bearer open-sesame") == "200");
  for (const char* wrong : {"Bearer", "Bearer ", "Bearer open sesam", "Bearer open-sesame2",
                            "open-sesame", "Basic b3BlbiBzZXNhbWU=", "Bearer OPEN-SESAME"}) {
    CAPTURE(wrong);
    CHECK(with(wrong) == "401 ControlTokenNeeded");
  }
  const auto refusal = api.get("/version");
  CHECK(refusal.find("\r\nWWW-Authenticate: Bearer\r\n") != std::string::npos);
  CHECK(refusal.find("--control-token") != std::string::npos);
  CHECK(refusal.find("sesame") == std::string::npos);
}

TEST_CASE("CT-153 beyond loopback no key but the well-known one leaves without a token") {
  const auto beyond = [](app::Config& config) { config.control_listen = "0.0.0.0"; };
  const auto with_token = [](app::Config& config) {
    config.control_listen = "0.0.0.0";
    config.control_token = "t";
  };
  Api own_key(beyond);
  CHECK(own_key.outcome("/connection-strings", "Host: localhost\r\n") == "401 ControlTokenNeeded");
  CHECK(own_key.get("/connection-strings").find("--control-token") != std::string::npos);
  CHECK(own_key.outcome("/version", "Host: localhost\r\n") == "200");

  Api well_known(beyond, std::string(app::well_known_key));
  const auto shown =
      boost::json::parse(Api::body(well_known.get("/connection-strings"))).as_object();
  CHECK(shown.at("hub").as_string().ends_with(app::well_known_key));
  CHECK(shown.at("policies").as_object().size() == 5);
  CHECK(shown.at("devices").as_object().empty());                 // d1 has a key of its own
  CHECK(shown.at("withheld").at("count").to_number<int>() == 2);  // by name and by address
  CHECK(shown.at("withheld").at("hint").as_string().find("--control-token") != std::string::npos);

  Api token(with_token);
  const auto answer =
      token.get("/connection-strings", "Host: localhost\r\nAuthorization: Bearer t\r\n");
  CHECK(answer.find("DeviceId=d1;SharedAccessKey=MDEy") != std::string::npos);
  CHECK(answer.find("withheld") == std::string::npos);
}

TEST_CASE("CT-153 file:PATH holds the token") {
  const net_test::TemporaryFolder folder;
  const std::string path = folder.path() / "token";
  app::write_file_atomically(path, "sesame\n", 0600);
  CHECK(app::read_control_token("file:" + path) == "sesame");
  CHECK(app::read_control_token("sesame") == "sesame");
  CHECK_THROWS_AS(app::read_control_token("file:" + path + "2"), std::runtime_error);
  app::write_file_atomically(path, "two lines\nof it\n", 0600);
  CHECK_THROWS_AS(app::read_control_token("file:" + path), std::runtime_error);
}

TEST_CASE("CT-154 a request has 20 seconds to arrive, head and body together, however it drips") {
  Api api;
  using std::chrono::seconds;
  for (const bool with_body : {false, true}) {
    const auto session = api.connect();
    session->on_bytes("GET /health HTTP/1.1\r\n", now);
    session->on_bytes("Host: localhost\r\n", now + seconds{10});
    if (with_body) {
      session->on_bytes("Content-Type: application/json\r\nContent-Length: 5\r\n\r\n{",
                        now + seconds{15});
    }
    session->on_time(now + seconds{19});
    CHECK(session->output().empty());
    CHECK(session->next_deadline() == now + seconds{20});
    session->on_time(now + seconds{20});
    CHECK(session->output().starts_with("HTTP/1.1 408 "));
    CHECK(session->wants_close());
  }
  const auto session = api.connect();  // the head whole
  session->on_bytes(
      "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 5\r\n\r\n{",
      now);
  CHECK(session->next_deadline() == now + seconds{20});
}

TEST_CASE("CT-154 pipelined requests wait while their answers wait to be written") {
  Api api;
  for (int i = 0; i < 1000; ++i) {
    hub::DeviceSpec spec;
    spec.id.text = "device" + std::to_string(i);
    REQUIRE(api.hub.registry().create(spec, now));
  }
  const auto session = api.connect();
  std::string many;
  for (int i = 0; i < 300; ++i)
    many += "GET /connection-strings HTTP/1.1\r\nHost: localhost\r\n\r\n";
  session->on_bytes(many, now);
  CHECK(session->output().size() < 1'000'000);
  CHECK_FALSE(session->wants_input());
  std::size_t turns = 0;
  for (; !session->wants_input(); ++turns) {
    session->consume_output(session->output().size());
    session->on_time(now);
  }
  CHECK(turns > 100);
}

TEST_CASE("CT-155 every answer, errors too, has the headers that keep browsers from using it") {
  Api api;
  for (const std::string& answer :
       {api.get("/health"), api.get("/nothing"), api.get("/health", "Host: evil.example\r\n"),
        api.ask("rubbish\r\n\r\n")}) {
    CAPTURE(answer);
    for (const char* header :
         {"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
          "img-src 'self' data:; "
          "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
          "X-Content-Type-Options: nosniff", "Cross-Origin-Resource-Policy: same-origin",
          "Referrer-Policy: no-referrer", "Cache-Control: no-store"}) {
      CHECK(answer.find("\r\n" + std::string(header) + "\r\n") != std::string::npos);
    }
  }
}

TEST_CASE("N-18 an idle connection is closed after two minutes") {
  Api api;
  const auto session = api.connect();
  REQUIRE(session->next_deadline());
  session->on_time(now + std::chrono::seconds{119});
  CHECK_FALSE(session->wants_close());
  session->on_time(*session->next_deadline());
  CHECK(session->wants_close());
}
