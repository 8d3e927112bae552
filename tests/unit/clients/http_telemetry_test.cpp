#include "clients/hub_client/transports/http_telemetry.hpp"
#include "clients/hub_client/error.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace iothub;
using namespace std::chrono_literals;

namespace {

Message full() {
  Message message;
  message.body = std::string{"\0\xff", 2};
  message.message_id = "m";
  message.correlation_id = "c";
  message.user_id = "u";
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.expires_at = TimePoint{1'700'000'000'000ms};
  message.created_at = TimePoint{1'700'000'000'123ms};
  message.properties = {{"room", "kitchen"}};
  return message;
}

}  // namespace

TEST_CASE("every system property of telemetry has its header") {
  const std::vector<std::pair<std::string, std::string>> wanted{
      {"iothub-messageid", "m"},
      {"iothub-correlationid", "c"},
      {"iothub-userid", "u"},
      {"iothub-contenttype", "application/json"},
      {"iothub-contentencoding", "utf-8"},
      {"iothub-expiry", "2023-11-14T22:13:20.000Z"},
      {"iothub-creation-time-utc", "2023-11-14T22:13:20.123Z"},
      {"iothub-app-room", "kitchen"}};
  CHECK(telemetry_headers(full()) == wanted);
  CHECK(telemetry_headers({}).empty());
}

TEST_CASE("a batch is a JSON array, its bodies base64") {
  Message plain;
  plain.body = "x";
  plain.properties = {{"größe", "5 €"}};
  auto binary = full();
  binary.expires_at.reset();
  binary.correlation_id = binary.user_id = binary.content_type = binary.content_encoding = {};
  binary.created_at.reset();
  const std::vector<Message> messages{binary, plain};
  CHECK(to_http_batch(messages) ==
        R"([{"body":"AP8=","base64Encoded":true,"properties":{"iothub-messageid":"m",)"
        R"("iothub-app-room":"kitchen"}},{"body":"eA==","base64Encoded":true,"properties":)"
        R"({"iothub-app-größe":"5 €"}}])");
  plain.properties = {{"k", "\xff"}};
  CHECK_THROWS_AS(to_http_batch({&plain, 1}), Error);
}
