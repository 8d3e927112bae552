#pragma once
// The user name of a CONNECT (M-10, M-11):
//   username = host "/" device-id [ "/" module-id ] [ "/" [ "?" ] query ]
//   query    = name [ "=" pct-value ] *( "&" name [ "=" pct-value ] )
// SDKs of 2016 send a query without `?` and without api-version. A module id may look like one,
// too: it is a module's if the client id says so (M-72).
#include <optional>
#include <string>
#include <string_view>

namespace mqtt {

struct Username {
  std::string_view host;       // any text: a client may know us by any name (M-04)
  std::string_view device_id;  // never percent-encoded; may hold '?'
  std::string_view module_id;  // empty: a device
  std::string model_id;        // dtmi of the Plug and Play model
  std::string client_type;     // SDK and version, for the log

  bool operator==(const Username&) const = default;
};

// nullopt: no host, no device id, or too many segments. Views point into `text`.
std::optional<Username> parse_username(std::string_view text, std::string_view client_id);

}  // namespace mqtt
