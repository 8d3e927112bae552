#pragma once
// The table of what the hub serves over HTTPS.
#include "protocols/http/exchange.hpp"
#include "protocols/http/router.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace http {

// Who may come in (spec/https.md 1.3, H-49). `modules_…`: who has that right in the registry, and
// the device whose modules they are (H-70).
enum class Access : std::uint8_t {
  open,
  device,
  module,
  modules_read,
  modules_write,
  registry_read,
  registry_write,
  service,
};

struct Route {
  std::optional<Method> method;  // nullopt: any
  std::string_view path;         // "/devices/{id}"
  Access access = Access::open;
  bool wants_api_version = true;
  Handler handler = nullptr;
};

std::span<const Route> all_routes();

}  // namespace http
