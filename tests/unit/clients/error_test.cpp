#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/message.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

using namespace iothub;

TEST_CASE("an HTTP error tells its kind, the hub's number and its text") {
  const auto error = error_from_http(
      404, "DeviceNotFound",
      R"({"Message":"ErrorCode:DeviceNotFound;No such device","ExceptionMessage":"Tracking ID:x"})",
      "show device d1");
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.hub_code() == 404001);
  CHECK(std::string{error.what()} == "show device d1: HTTP 404 DeviceNotFound (No such device)");
}

TEST_CASE("the body that is JSON in JSON is understood too") {
  const auto error = error_from_http(
      404, "", R"({"Message":"{\"errorCode\":404103,\"message\":\"Timed out\"}"})", "call d1");
  CHECK(error.hub_code() == 404103);
  CHECK(std::string{error.what()} == "call d1: HTTP 404 (Timed out)");
}

TEST_CASE("the header alone, or the status alone, is enough") {
  CHECK(error_from_http(412, "DeviceMessageLockLost", "", "complete").kind() ==
        ErrorKind::lock_lost);
  CHECK(error_from_http(412, "", "", "update").kind() == ErrorKind::precondition_failed);
  CHECK(error_from_http(401, "", "<html>", "show").kind() == ErrorKind::unauthorized);
  CHECK(error_from_http(409, "", "", "create").kind() == ErrorKind::already_exists);
  CHECK(error_from_http(413, "", "", "send").kind() == ErrorKind::message_too_large);
  CHECK(error_from_http(429, "", "", "send").kind() == ErrorKind::throttled);
  CHECK(error_from_http(403, "DeviceMaximumQueueDepthExceeded", "", "send").kind() ==
        ErrorKind::queue_full);
  CHECK(error_from_http(400, "", "[]", "create").kind() == ErrorKind::invalid_argument);
  CHECK(error_from_http(503, "", "", "show").kind() == ErrorKind::server_error);
  CHECK(error_from_http(302, "", "", "show").kind() == ErrorKind::protocol_error);
}

TEST_CASE("AMQP conditions are mapped, with the number in their description") {
  const auto full = error_from_amqp(
      "amqp:resource-limit-exceeded",
      "Device d1 has reached 50 messages. ErrorCode:403004, Tracking:1234567", "send");
  CHECK(full.kind() == ErrorKind::queue_full);
  CHECK(full.hub_code() == 403004);
  CHECK(error_from_amqp("amqp:resource-limit-exceeded", "quota 403002", "send").kind() ==
        ErrorKind::quota_exceeded);
  CHECK(error_from_amqp("amqp:not-found", "", "send").kind() == ErrorKind::not_found);
  CHECK(error_from_amqp("amqp:unauthorized-access", "", "open").kind() == ErrorKind::unauthorized);
  CHECK(error_from_amqp("amqp:link:message-size-exceeded", "", "send").kind() ==
        ErrorKind::message_too_large);
  CHECK(error_from_amqp("com.microsoft:device-container-throttled", "", "send").kind() ==
        ErrorKind::throttled);
  CHECK(error_from_amqp("com.microsoft:message-lock-lost", "", "complete").kind() ==
        ErrorKind::lock_lost);
  CHECK(error_from_amqp("amqp:link:stolen", "", "wait").kind() == ErrorKind::connection_lost);
  CHECK(error_from_amqp("amqp:unheard-of", "", "wait").kind() == ErrorKind::server_error);
  CHECK(error_from_amqp("", "", "wait").kind() == ErrorKind::protocol_error);
}

TEST_CASE("CONNACK codes are mapped") {
  CHECK(error_from_connack(5, "connect").kind() == ErrorKind::unauthorized);
  CHECK(error_from_connack(3, "connect").kind() == ErrorKind::server_error);
  CHECK(error_from_connack(1, "connect").kind() == ErrorKind::protocol_error);
}

TEST_CASE("only a six-digit number that stands alone is the hub's") {
  CHECK(find_hub_code("code 404001.") == 404001);
  CHECK(find_hub_code("403004") == 403004);
  CHECK_FALSE(find_hub_code("1404001"));
  CHECK_FALSE(find_hub_code("4040015"));
  CHECK_FALSE(find_hub_code("a404001"));
  CHECK_FALSE(find_hub_code("304001"));
  CHECK_FALSE(find_hub_code("40400"));
  CHECK_FALSE(find_hub_code(""));
}

TEST_CASE("an error line names kind, cause, number and remedy") {
  const Error error{ErrorKind::queue_full, "send to device d1: amqp:resource-limit-exceeded",
                    403004};
  CHECK(error.line() ==
        "queue full: send to device d1: amqp:resource-limit-exceeded [hub error 403004] Let the "
        "device complete its messages, or empty the queue with 'iothub-service purge ID'.");
}

TEST_CASE("a feedback body becomes records, whatever is missing in it") {
  const auto records = parse_feedback(
      R"([{"originalMessageId":"m1","enqueuedTimeUtc":"2015-10-29T07:59:00.9772497Z",
           "statusCode":"Success","description":"Success","deviceId":"d1",
           "deviceGenerationId":"635794823643795743"},{"statusCode":0,"deviceId":null}])");
  REQUIRE(records.size() == 2);
  CHECK(records[0].original_message_id == "m1");
  CHECK(records[0].status_code == "Success");
  CHECK(records[0].device_id == "d1");
  CHECK(records[0].device_generation_id == "635794823643795743");
  CHECK(records[0].enqueued_time_utc == "2015-10-29T07:59:00.9772497Z");
  CHECK(records[1].status_code == "0");
  CHECK(records[1].device_id.empty());
  CHECK_THROWS_AS(parse_feedback("{}"), Error);
  CHECK_THROWS_AS(parse_feedback("[1]"), Error);
  CHECK_THROWS_AS(parse_feedback(""), Error);
}

TEST_CASE("every kind has a name, a remedy and an answer to \"again?\"") {
  using enum ErrorKind;
  const std::set<ErrorKind> again{throttled, timeout, unreachable, connection_lost, server_error};
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(cancelled); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    CHECK(names.insert(to_string(kind)).second);
    CHECK_FALSE(remedy(kind).empty());
    CHECK(is_transient(kind) == again.contains(kind));
  }
}

TEST_CASE("what the hub can say by its number becomes a kind, over HTTPS and AMQP alike") {
  struct Case {
    int status;
    const char* name;
    const char* condition;
    ErrorKind kind;
  };
  using enum ErrorKind;
  for (const auto& [status, name, condition, kind] : {
           Case{400, "ArgumentInvalid", "com.microsoft:argument-error", invalid_argument},
           Case{401, "IotHubUnauthorizedAccess", "amqp:unauthorized-access", unauthorized},
           Case{403, "IotHubQuotaExceeded", "com.microsoft:quota-exceeded", quota_exceeded},
           Case{403, "DeviceMaximumQueueDepthExceeded", "amqp:resource-limit-exceeded", queue_full},
           Case{403, "InvalidMessageExpiryTime", "amqp:not-allowed", invalid_argument},
           Case{403, "DeviceDisabled", "amqp:not-found", unauthorized},
           Case{404, "DeviceNotFound", "amqp:not-found", not_found},
           Case{404, "FeatureNotSupported", "amqp:not-implemented", not_supported},
           Case{409, "DeviceAlreadyExists", "com.microsoft:device-already-exists", already_exists},
           Case{412, "PreconditionFailed", "amqp:precondition-failed", precondition_failed},
           Case{412, "DeviceMessageLockLost", "com.microsoft:message-lock-lost", lock_lost},
           Case{413, "MessageTooLarge", "amqp:link:message-size-exceeded", message_too_large},
           Case{413, "TooManyDevices", "amqp:link:transfer-limit-exceeded", quota_exceeded},
           Case{429, "ThrottlingException", "com.microsoft:device-container-throttled", throttled},
           Case{500, "ServerError", "amqp:internal-error", server_error},
           Case{503, "ServiceUnavailable", "amqp:internal-error", server_error},
       }) {
    CAPTURE(name);
    const auto code = hub_code_of(name);
    REQUIRE(code);
    const auto http = error_from_http(status, name, "", "x");
    CHECK(http.kind() == kind);
    CHECK(http.hub_code() == code);
    const auto amqp =
        error_from_amqp(condition, "ErrorCode:" + std::to_string(*code) + ", Tracking:x", "x");
    CHECK(amqp.kind() == kind);
    CHECK(amqp.hub_code() == code);
  }
}
