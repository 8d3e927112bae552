#pragma once
// Device identities over the hub's REST API, and the purge of a device's queue.
//
// Not safe for concurrent use; no threads inside; connects when first used. Throws Error.
#include "clients/hub_client/options.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace iothub {

struct DeviceIdentity {
  std::string device_id, generation_id, etag;
  std::string status, status_reason;  // enabled, disabled
  std::string connection_state;       // Connected, Disconnected
  std::string last_activity_time;
  std::string authentication_type;         // sas, selfSigned, certificateAuthority, none
  std::string primary_key, secondary_key;  // secrets: never print them but in a connection string
  std::string primary_thumbprint, secondary_thumbprint;
  std::uint64_t cloud_to_device_message_count = 0;
};

// What a new device is made of; the hub makes the keys that are not given.
struct DeviceSpec {
  std::string device_id;
  std::string primary_key, secondary_key;
  std::string primary_thumbprint, secondary_thumbprint;  // X.509, self-signed
  bool enabled = true;
};

// The identity as the REST API takes it.
std::string to_json(const DeviceSpec& spec);

class HttpConnection;

class RegistryClient {
 public:
  explicit RegistryClient(const ClientOptions& options);
  ~RegistryClient();

  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  DeviceIdentity create(const DeviceSpec& spec);     // Error already_exists
  DeviceIdentity get(const std::string& device_id);  // Error not_found
  std::vector<DeviceIdentity> list(unsigned top);    // at most 1000
  void remove(const std::string& device_id);         // Error not_found
  DeviceIdentity set_enabled(const std::string& device_id, bool enabled);

  // Removes every message waiting for the device; how many there were.
  std::uint64_t purge(const std::string& device_id);

 private:
  std::string call(std::string_view method, const std::string& path, const std::string& body,
                   const std::string& if_match, const std::string& doing);

  ClientOptions options_;
  std::unique_ptr<HttpConnection> connection_;
};

}  // namespace iothub
