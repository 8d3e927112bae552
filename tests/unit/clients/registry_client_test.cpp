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
