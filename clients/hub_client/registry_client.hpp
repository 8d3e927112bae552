#pragma once
// Device identities over the hub's REST API, and the purge of a device's queue.
//
// Not safe for concurrent use; no threads inside; connects when first used. Throws Error.
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/options.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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
  std::string document;  // the hub's JSON, so that update() sends back what is not named here
};

// Part of all devices, in the order of the hub's choice.
struct DevicePage {
  std::vector<DeviceIdentity> devices;
  std::string continuation;  // empty: this was the last page
};

// One device that a bulk operation could not do.
struct BulkFailure {
  std::string device_id;
  std::string error;  // the hub's name for it, e.g. DeviceAlreadyExists
  std::string text;
  std::optional<int> hub_code;
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
std::string to_json(const DeviceIdentity& device);

class HttpConnection;
struct HttpResponse;

class RegistryClient {
 public:
  explicit RegistryClient(const ClientOptions& options);
  ~RegistryClient();

  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  DeviceIdentity create(const DeviceSpec& spec);     // Error already_exists
  DeviceIdentity get(const std::string& device_id);  // Error not_found

  // Stores status, status reason, keys and thumbprints of a device that get() gave, and its new
  // etag comes back. Error precondition_failed if someone else changed it since; an empty etag
  // overwrites whatever is there. Error not_found.
  DeviceIdentity update(const DeviceIdentity& device);
  DeviceIdentity set_enabled(const std::string& device_id, bool enabled);

  void remove(const std::string& device_id);  // Error not_found
  // Error precondition_failed unless the device has this etag.
  void remove(const std::string& device_id, const std::string& etag);

  // The hub has no paging here: at most 1000.
  std::vector<DeviceIdentity> list(unsigned top);

  // Any number of devices, page by page (the query SELECT * FROM devices, at most 1000 a page;
  // needs ServiceConnect). The hub gives no keys and no generation id this way, and `etag` is that
  // of the device. `continuation` is that of the page before; empty begins.
  DevicePage list_page(unsigned size, const std::string& continuation = {});

  // Every device until `visit` says false: whole identities for the first 1000, pages of list_page
  // beyond.
  void for_each(const std::function<bool(const DeviceIdentity&)>& visit);

  // Any number of devices, 100 to a call. What failed comes back; the others are done. An Error in
  // between leaves the calls before it done.
  std::vector<BulkFailure> create(std::span<const DeviceSpec> specs);
  std::vector<BulkFailure> remove(std::span<const std::string> device_ids);

  // Removes every message waiting for the device; how many there were.
  std::uint64_t purge(const std::string& device_id);

 private:
  struct Call;
  HttpResponse exchange(const Call& call);
  std::string call(std::string_view method, const std::string& path, const std::string& body,
                   const std::string& if_match, const std::string& doing);
  std::vector<BulkFailure> bulk(const std::string& body, const std::string& doing);

  ClientOptions options_;
  std::unique_ptr<HttpConnection> connection_;
};

}  // namespace iothub
