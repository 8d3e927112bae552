#pragma once
// An IoT Hub connection string:
//   HostName=h[:port];SharedAccessKeyName=policy;SharedAccessKey=base64       (hub)
//   HostName=h[:port];DeviceId=d;SharedAccessKey=base64                       (device)
// Also known: GatewayHostName, SharedAccessSignature (a ready-made token), x509=true.
// Keys are matched without regard to case, values keep theirs; "=" inside a value is fine.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace iothub {

struct ConnectionString {
  std::string host_name;              // without port
  std::optional<std::uint16_t> port;  // of HTTPS and WebSocket
  std::string gateway_host_name;      // connect here instead, host_name stays the hub's identity
  std::string device_id;
  std::string shared_access_key_name;   // policy
  std::string shared_access_key;        // base64
  std::string shared_access_signature;  // token made elsewhere
  bool x509 = false;

  // Where to connect.
  const std::string& connect_host() const;

  // First label of the host name: the hub's name in SASL user names.
  std::string hub_name() const;

  // Error invalid_argument, naming the part that is wrong and never a key.
  static ConnectionString parse(std::string_view text);

  // parse, and what a device or the service side needs beside it.
  static ConnectionString parse_device(std::string_view text);
  static ConnectionString parse_service(std::string_view text);
};

// The connection string of a device of this hub, port included when the hub's has one.
std::string make_device_connection_string(const ConnectionString& hub, std::string_view device_id,
                                          std::string_view primary_key);

}  // namespace iothub
