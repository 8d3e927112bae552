#include "clients/hub_client/registry_client.hpp"

#include <doctest/doctest.h>

using namespace iothub;

TEST_CASE("a new device asks the hub for its keys") {
  DeviceSpec spec;
  spec.device_id = "d";
  CHECK(to_json(spec) == R"({"deviceId":"d","status":"enabled","authentication":{"type":"sas",)"
                         R"("symmetricKey":{"primaryKey":null,"secondaryKey":null}}})");
}

TEST_CASE("keys that are given are sent as they are") {
  DeviceSpec spec;
  spec.device_id = "d";
  spec.primary_key = "cHJpbWFyeQ==";
  spec.enabled = false;
  CHECK(to_json(spec) == R"({"deviceId":"d","status":"disabled","authentication":{"type":"sas",)"
                         R"("symmetricKey":{"primaryKey":"cHJpbWFyeQ==","secondaryKey":null}}})");
}

TEST_CASE("a thumbprint makes an X.509 device") {
  DeviceSpec spec;
  spec.device_id = "d";
  spec.primary_thumbprint = "AB12";
  CHECK(to_json(spec) ==
        R"({"deviceId":"d","status":"enabled","authentication":{"type":"selfSigned",)"
        R"("x509Thumbprint":{"primaryThumbprint":"AB12","secondaryThumbprint":null}}})");
}

TEST_CASE("an update sends back what the client does not know") {
  DeviceIdentity device;
  device.device_id = "d";
  device.status = "disabled";
  device.status_reason = "why";
  device.primary_key = "cHJpbWFyeQ==";
  device.document = R"({"deviceId":"d","status":"enabled","capabilities":{"iotEdge":true},)"
                    R"("authentication":{"type":"sas","symmetricKey":{"primaryKey":"b2xk"}}})";
  CHECK(to_json(device) ==
        R"({"deviceId":"d","status":"disabled","capabilities":{"iotEdge":true},)"
        R"("authentication":{"type":"sas","symmetricKey":{"primaryKey":"cHJpbWFyeQ==",)"
        R"("secondaryKey":null},"x509Thumbprint":{"primaryThumbprint":null,)"
        R"("secondaryThumbprint":null}},"statusReason":"why"})");
}
