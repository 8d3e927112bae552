#include "protocols/amqp/errors.hpp"

#include <doctest/doctest.h>

using hub::HubErrc;

TEST_CASE("A-36 errors of the hub have the conditions that SDKs map back") {
  const auto condition = [](HubErrc code) { return std::string(amqp::condition_of(code)); };
  CHECK(condition(HubErrc::invalid_operation) == "amqp:not-allowed");
  CHECK(condition(HubErrc::argument_invalid) == "com.microsoft:argument-error");
  CHECK(condition(HubErrc::iot_hub_format_error) == "com.microsoft:argument-error");
  CHECK(condition(HubErrc::iot_hub_unauthorized_access) == "amqp:unauthorized-access");
  CHECK(condition(HubErrc::device_maximum_queue_depth_exceeded) == "amqp:resource-limit-exceeded");
  CHECK(condition(HubErrc::iot_hub_quota_exceeded) == "amqp:resource-limit-exceeded");
  CHECK(condition(HubErrc::device_not_found) == "amqp:not-found");
  CHECK(condition(HubErrc::precondition_failed) == "com.microsoft:precondition-failed");
  CHECK(condition(HubErrc::device_message_lock_lost) == "com.microsoft:message-lock-lost");
  CHECK(condition(HubErrc::message_too_large) == "amqp:link:message-size-exceeded");
  CHECK(condition(HubErrc::throttling_exception) == "com.microsoft:device-container-throttled");
  CHECK(condition(HubErrc::server_error) == "amqp:internal-error");
  CHECK(condition(HubErrc::feature_not_supported) == "amqp:not-implemented");
}

TEST_CASE("A-36 a refused login is not explained to the peer, other errors are") {
  const auto login = amqp::to_wire(hub::fail(HubErrc::iot_hub_unauthorized_access, "wrong key"));
  CHECK(login.description.find("wrong key") == std::string::npos);
  const auto depth =
      amqp::to_wire(hub::fail(HubErrc::device_maximum_queue_depth_exceeded, "50 messages wait"));
  CHECK(depth.description.find("403004") != std::string::npos);
  CHECK(depth.description.find("50 messages wait") != std::string::npos);
}
