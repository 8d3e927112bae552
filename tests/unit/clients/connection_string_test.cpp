#include "clients/hub_client/connection_string.hpp"

#include "clients/hub_client/error.hpp"
#include "clients/hub_client/options.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace iothub;

namespace {

constexpr const char* kHub =
    "HostName=localhost;SharedAccessKeyName=iothubowner;"
    "SharedAccessKey=aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";

std::string complaint(const char* text) {
  try {
    ConnectionString::parse(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_argument);
    return error.what();
  }
  return "none";
}

bool mentions(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the emulator's well-known connection string is understood") {
  const auto cs = ConnectionString::parse_service(kHub);
  CHECK(cs.host_name == "localhost");
  CHECK_FALSE(cs.port);
  CHECK(cs.shared_access_key_name == "iothubowner");
  CHECK(cs.shared_access_key == "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=");
  CHECK(cs.hub_name() == "localhost");
}

TEST_CASE("a device's connection string of the real hub is understood") {
  const auto cs = ConnectionString::parse_device(
      "HostName=contoso.azure-devices.net;DeviceId=dev-1;SharedAccessKey=c2VjcmV0");
  CHECK(cs.host_name == "contoso.azure-devices.net");
  CHECK(cs.hub_name() == "contoso");
  CHECK(cs.device_id == "dev-1");
}

TEST_CASE("a port after HostName is the port of HTTPS and WebSocket only") {
  ClientOptions options;
  options.connection = ConnectionString::parse("HostName=localhost:8443;DeviceId=d");
  CHECK(options.connection.host_name == "localhost");
  CHECK(options.endpoint(TransportKind::https).port == 8443);
  CHECK(options.endpoint(TransportKind::amqp_ws).port == 8443);
  CHECK(options.endpoint(TransportKind::mqtt_ws).port == 8443);
  CHECK(options.endpoint(TransportKind::mqtt).port == 8883);
  CHECK(options.endpoint(TransportKind::amqp).port == 5671);
}

TEST_CASE("port options win over the connection string and the standard ports") {
  ClientOptions options;
  options.connection = ConnectionString::parse("HostName=localhost:8443;DeviceId=d");
  options.ports = {.mqtts = 1, .amqps = 2, .https = 3};
  CHECK(options.endpoint(TransportKind::mqtt).port == 1);
  CHECK(options.endpoint(TransportKind::amqp).port == 2);
  CHECK(options.endpoint(TransportKind::https).port == 3);
}

TEST_CASE("without any port HTTPS is at 443") {
  ClientOptions options;
  options.connection = ConnectionString::parse("HostName=h;DeviceId=d");
  CHECK(options.endpoint(TransportKind::https).port == 443);
}

TEST_CASE("an IPv6 host stands in brackets") {
  const auto cs = ConnectionString::parse("HostName=[::1]:8443;DeviceId=d");
  CHECK(cs.host_name == "::1");
  CHECK(cs.port == 8443);
  CHECK(mentions(complaint("HostName=::1;DeviceId=d"), "brackets"));
  CHECK(mentions(complaint("HostName=[::1;DeviceId=d"), "without ']'"));
}

TEST_CASE("names are matched without regard to case, and unknown ones are left alone") {
  const auto cs = ConnectionString::parse(" hostname=h ; DEVICEID = Dev ; Color=blue ;");
  CHECK(cs.host_name == "h");
  CHECK(cs.device_id == "Dev");
}

TEST_CASE("a gateway's name is where to connect, and the hub keeps its identity") {
  ClientOptions options;
  options.connection = ConnectionString::parse("HostName=hub.net;GatewayHostName=gw;DeviceId=d");
  CHECK(options.endpoint(TransportKind::mqtt).host == "gw");
  CHECK(options.connection.hub_name() == "hub");
}

TEST_CASE("a bad connection string is refused with its reason and without its key") {
  CHECK(mentions(complaint(""), "empty"));
  CHECK(mentions(complaint("   "), "empty"));
  CHECK(mentions(complaint("DeviceId=d"), "HostName is missing"));
  CHECK(mentions(complaint("HostName=;DeviceId=d"), "HostName is empty"));
  CHECK(mentions(complaint("HostName=a;HostName=b"), "twice"));
  CHECK(mentions(complaint("HostName=https://h;DeviceId=d"), "HostName"));
  CHECK(mentions(complaint("HostName=h:0"), "port"));
  CHECK(mentions(complaint("HostName=h:65536"), "port"));
  CHECK(mentions(complaint("HostName=h:12x"), "port"));
  CHECK(mentions(complaint("HostName=h:"), "port"));
  CHECK(mentions(complaint("HostName=h;DeviceId=d;ModuleId=m"), "ModuleId"));
  const auto pasted = complaint("HostName=h;c2VjcmV0");
  CHECK(mentions(pasted, "'='"));
  CHECK_FALSE(mentions(pasted, "c2VjcmV0"));
  const auto bad_key = complaint("HostName=h;SharedAccessKey=not base64!");
  CHECK(mentions(bad_key, "not base64"));
  CHECK_FALSE(mentions(bad_key, "not base64!"));
}

TEST_CASE("a hub's string is no device's, and a device's is no hub's") {
  CHECK_THROWS_AS(ConnectionString::parse_device(kHub), Error);
  CHECK_THROWS_AS(ConnectionString::parse_service("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0"),
                  Error);
  CHECK_THROWS_AS(ConnectionString::parse_service("HostName=h;SharedAccessKeyName=p"), Error);
}

TEST_CASE("a device's connection string is made from the hub's, port included") {
  auto hub = ConnectionString::parse(kHub);
  CHECK(make_device_connection_string(hub, "dev-1", "c2VjcmV0") ==
        "HostName=localhost;DeviceId=dev-1;SharedAccessKey=c2VjcmV0");
  hub.port = 8443;
  CHECK(make_device_connection_string(hub, "dev-1", "c2VjcmV0") ==
        "HostName=localhost:8443;DeviceId=dev-1;SharedAccessKey=c2VjcmV0");
  hub.host_name = "::1";
  CHECK(make_device_connection_string(hub, "d", "") == "HostName=[::1]:8443;DeviceId=d;x509=true");
}
