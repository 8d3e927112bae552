#include "protocols/mqtt/username.hpp"

#include <doctest/doctest.h>

#include <optional>

using mqtt::Username;

namespace {
std::optional<Username> parse_username(std::string_view text, std::string_view client_id = "D") {
  return mqtt::parse_username(text, client_id);
}
}  // namespace

TEST_CASE("M-10 the user names of the SDKs") {
  const auto node = parse_username(
      "hub.local/dev1/?api-version=2021-04-12&model-id=dtmi:com:example:T;1&"
      "DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20.11.1%3B%20Ubuntu%2022.04%3B%"
      "20x64)");
  REQUIRE(node.has_value());
  CHECK(node->host == "hub.local");
  CHECK(node->device_id == "dev1");
  CHECK(node->module_id == "");
  CHECK(node->model_id == "dtmi:com:example:T;1");
  CHECK(node->client_type == "azure-iot-device/1.18.4 (node v20.11.1; Ubuntu 22.04; x64)");

  const auto python = parse_username(
      "hub/dev1/api-version=2020-09-30&DeviceClientType=py%2F2.14.0&model-id=dtmi%3Aa%3Bb%3B1");
  REQUIRE(python.has_value());
  CHECK(python->device_id == "dev1");
  CHECK(python->model_id == "dtmi:a;b;1");
}

TEST_CASE("M-10 every form of user name that is tolerated") {
  const auto parsed = [](std::string_view text) {
    const auto username = parse_username(text);
    REQUIRE(username.has_value());
    return *username;
  };
  CHECK(parsed("H/D") == Username{"H", "D", "", "", ""});
  CHECK(parsed("H/D/") == Username{"H", "D", "", "", ""});
  CHECK(parsed("H/D/?") == Username{"H", "D", "", "", ""});
  CHECK(parsed("H:8883/D/?x=1&model-id=a&model-id=b") == Username{"H:8883", "D", "", "a", ""});
  CHECK(parsed("H/D/M") == Username{"H", "D", "M", "", ""});
  CHECK(parsed("H/D/M/?api-version=1") == Username{"H", "D", "M", "", ""});
  CHECK(parsed("H/D?x=1/?api-version=1") == Username{"H", "D?x=1", "", "", ""});
  CHECK(parsed("H/D/?DeviceClientType=foo/1.0") == Username{"H", "D", "", "", "foo/1.0"});
}

TEST_CASE("M-11 no value of api-version is refused") {
  for (const auto* name :
       {"H/D/?api-version=1999-01-01", "H/D/?api-version=", "H/D/?api-version"}) {
    CHECK(parse_username(name).has_value());
  }
}

TEST_CASE("M-10 user names that say no device") {
  for (const auto* bad : {"", "H", "H/", "/D", "/", "H//?api-version=1", "H/D//M", "H/D/M/x",
                          "H/D/M/x/?api-version"}) {
    CHECK_FALSE(parse_username(bad).has_value());
  }
}

TEST_CASE("M-72 an old SDK's query without ? and api-version is no module id") {
  const auto node = parse_username("hub/D/DeviceClientType=azure-iot-device%2F1.0.15");
  REQUIRE(node.has_value());
  CHECK(*node == Username{"hub", "D", "", "", "azure-iot-device/1.0.15"});
  const auto raw = parse_username("hub/D/DeviceClientType=iothubclient/1.0.9 (native; Linux)");
  REQUIRE(raw.has_value());
  CHECK(*raw == Username{"hub", "D", "", "", "iothubclient/1.0.9 (native; Linux)"});
  CHECK(parse_username("hub/D/model-id=a")->model_id == "a");
  CHECK(parse_username("hub/D/M/DeviceClientType=c", "D/M")->module_id == "M");
}

TEST_CASE("M-72 a module id that looks like a query is one if the client id says so") {
  CHECK(*parse_username("H/D/m=1/?api-version=1", "D/m=1") == Username{"H", "D", "m=1", "", ""});
  CHECK(*parse_username("H/D/m=1", "D/m=1") == Username{"H", "D", "m=1", "", ""});
  CHECK(parse_username("H/D/m=1", "D")->module_id == "");
  CHECK(parse_username("H/D/m=1", "DD/m=1")->module_id == "");
}
