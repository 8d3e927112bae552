// Every refusal over HTTPS in the log: who asked for what, why it is refused, and what to do.
#include "tests/unit/http/support.hpp"

#include <cctype>

namespace http::test {

namespace {

const std::string version = "?api-version=2021-04-12";
const std::string lock_token = "00000000-0000-4000-8000-000000000000";

struct Refused {
  std::string method, path;
  std::string why;     // stands in the reason, and names what it is about
  std::string remedy;  // so does this
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct Bench : HttpHub {
  Bench() {
    create("d1");
    create("edge");
  }
  // The line that one refused call leaves.
  std::string line_of(const Call& request, int status = 0) {
    log.lines.clear();
    log.levels.clear();
    const auto answer = call(request);
    CHECK(answer.status >= 400);
    if (status != 0) CHECK(answer.status == status);
    REQUIRE(log.lines.size() == 1);
    CHECK(log.levels[0] == hub::LogLevel::warn);
    return log.lines[0];
  }
};

// A rule's id, such as H-21, means nothing to a user.
bool has_rule_id(std::string_view text) {
  for (std::size_t i = 1; i + 2 < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) {
      return std::isdigit(static_cast<unsigned char>(text[at]));
    };
    if (text[i] == '-' && std::isupper(static_cast<unsigned char>(text[i - 1])) &&
        is_digit(i + 1) && is_digit(i + 2) &&
        (i == 1 || text[i - 2] == ' ' || text[i - 2] == '(')) {
      return true;
    }
  }
  return false;
}

void check_line(const std::string& line, const Refused& refused) {
  CAPTURE(line);
  CHECK(line.starts_with("http request refused peer=127.0.0.1:"));
  CHECK(line.find("method=" + refused.method + " path=" + refused.path) != std::string::npos);
  const auto reason = line.find("reason=");
  REQUIRE(reason != std::string::npos);
  const std::string text = line.substr(reason);
  CHECK(text.find(refused.why) != std::string::npos);
  CHECK(text.find(refused.remedy) != std::string::npos);
  CHECK_FALSE(has_rule_id(text));
}

}  // namespace

TEST_CASE("H-75 the log line of a refused service call names who, why and remedy, at warn") {
  const std::string feedback = "/messages/serviceBound/feedback/";
  const std::pair<std::string, std::string> star{"If-Match", "*"};
  const Refused all[] = {
      {"GET", "/device", "no route /device", "compare it with the REST API"},
      {"POST", "/devices/d1/messages/deviceBound", "takes GET, not POST",
       "POST /messages/deviceBound with the header iothub-to: /devices/d1/messages/deviceBound"},
      {"PUT", "/statistics/devices", "takes GET, not PUT", "takes GET"},
      {"GET", "/jobs/v2/query", "not there yet in this emulator", "GET /jobs/v2/query"},
      {"GET", "/$iothub/websocket", "WebSocket upgrades only", "subprotocol mqtt or AMQPWSB10"},
      {"GET", "/devices/none", "device none is not registered", "create it first"},
      {"GET", "/devices/d1/modules/m", "module m of device d1 is not registered",
       "create it first"},
      {"PUT", "/devices/a%20b", "'a b' is no id", "1 to 128 ASCII letters", "{}"},
      {"PUT", "/devices/d2", "is no JSON", "send a JSON text", "{"},
      {"PUT", "/devices/d2", "must be a JSON object", "device d2", "[]"},
      {"PUT", "/devices/d2", "deviceId of the body is not that of the path, d2", "leave it out",
       R"({"deviceId":"d3"})"},
      {"PUT", "/devices/d2", "status", "must be enabled or disabled", R"({"status":"on"})"},
      {"PUT", "/devices/d2", "parentScopes", "array of at most one string",
       R"({"parentScopes":1})"},
      {"PUT", "/devices/d1", "device d1 is there already", "If-Match", "{}"},
      {"PUT",
       "/devices/d1",
       "an etag without quotes",
       "in double quotes",
       "{}",
       {{"If-Match", "abc"}}},
      {"DELETE",
       "/devices/d1",
       "device d1 has another etag",
       "get it again",
       "",
       {{"If-Match", "\"abc\""}}},
      {"PUT",
       "/devices/d1",
       "device d1 cannot be moved",
       "ms-azure-iot-edge://",
       R"({"deviceScope":"x"})",
       {star}},
      {"POST", "/devices", "JSON array of devices", "at least one", "[]"},
      {"POST", "/devices/query", "with a query", R"({"query":"SELECT * FROM devices"})", "{}"},
      {"POST", "/devices/query", "no conditions so far", "SELECT * FROM devices",
       R"({"query":"x"})"},
      {"POST",
       "/devices/query",
       "none of this hub's",
       "send what the page before had",
       R"({"query":"SELECT * FROM devices"})",
       {{"x-ms-continuation", "?"}}},
      {"DELETE", feedback + "x", "'x' is no lock token", "take the GUID from the ETag"},
      {"DELETE", feedback + lock_token, "lock timed out", "receive again"},
      {"POST",
       "/messages/deviceBound",
       "iothub-to is 'd1'",
       "/devices/{id}/messages/devicebound",
       "x",
       {{"iothub-to", "d1"}}},
      {"POST",
       "/messages/deviceBound",
       "iothub-ack is 'maybe'",
       "none, positive, negative or full",
       "x",
       {{"iothub-ack", "maybe"}}},
      {"POST",
       "/messages/deviceBound",
       "iothub-expiry is 'soon'",
       "ISO 8601",
       "x",
       {{"iothub-expiry", "soon"}}},
  };
  for (const Refused& refused : all) {
    Bench bench;
    check_line(bench.line_of({refused.method, refused.path + version, bench.policy_token(),
                              refused.headers, refused.body}),
               refused);
  }
}

TEST_CASE("H-75 the log line of a refused device call names who, why and remedy, at warn") {
  const std::string events = "/devices/d1/messages/events",
                    bound = "/devices/d1/messages/deviceBound";
  const std::pair<std::string, std::string> batch{"Content-Type",
                                                  "application/vnd.microsoft.iothub.json"};
  const Refused all[] = {
      {"POST", events, "bytes of messages", "send fewer or smaller ones",
       std::string(300'000, 'x')},
      {"POST",
       events,
       "iothub-messageid has 200 characters",
       "shorten it to 128",
       "x",
       {{"iothub-messageid", std::string(200, 'i')}}},
      {"POST", events, "a batch is a JSON array", "such as", "{}", {batch}},
      {"POST", events, "message 0 of the batch", "must be a string", R"([{"body":1}])", {batch}},
      {"GET",
       bound,
       "IotHub-MessageLockTimeout is '0'",
       "1 to 300",
       "",
       {{"IotHub-MessageLockTimeout", "0"}}},
      {"DELETE", bound + "/x", "'x' is no lock token", "take the GUID from the ETag"},
      {"GET", "/devices/edge/messages/deviceBound", "device edge", "does not cover"},
      {"GET", "/devices", "lacks RegistryRead", "d1"},
  };
  for (const Refused& refused : all) {
    Bench bench;
    check_line(bench.line_of({refused.method, refused.path + version, bench.device_token("d1"),
                              refused.headers, refused.body}),
               refused);
  }
  Bench bench;
  check_line(bench.line_of({"POST", events + version, {}, {}, "x"}, 401),
             {"POST", events, "neither an Authorization header nor a client certificate",
              "made with a key of device d1"});
  check_line(bench.line_of({"GET", "/devices" + version, {}, {}, {}}, 401),
             {"GET", "/devices", "no Authorization header", "key of a shared access policy"});
  check_line(bench.line_of({"GET", "/devices" + version, "Bearer x", {}, {}}, 401),
             {"GET", "/devices", "Bearer tokens", "use a SharedAccessSignature"});
  check_line(bench.line_of({"GET", "/devices", bench.policy_token(), {}, {}}, 400),
             {"GET", "/devices", "api-version", "add ?api-version=2021-04-12"});
  check_line(bench.line_of({"PUT", "/devices/a#b" + version, bench.policy_token(), {}, "{}"}, 400),
             {"PUT", "/devices/a#b", "has a '#'", "encodeURIComponent"});
  check_line(bench.line_of({"GET", "/devices/a%3" + version, bench.policy_token(), {}, {}}, 400),
             {"GET", "/devices/a%3", "a bare '%'", "encodeURIComponent"});
}

}  // namespace http::test
