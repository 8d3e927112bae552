#pragma once
// Method and path template -> handler. Fixed segments match in any case, `{name}` matches one
// segment, a last `*` any number of them (T-06).
#include "protocols/http/exchange.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// Who may come in (spec/https.md 1.3, H-49).
enum class Access : std::uint8_t { open, device, module, registry_read, registry_write, service };

struct Route {
  std::optional<Method> method;  // nullopt: any
  std::string_view path;         // "/devices/{id}"
  Access access = Access::open;
  bool wants_api_version = true;
  Handler handler = nullptr;
};

struct Match {
  const Route* route = nullptr;  // nullptr: none
  std::vector<std::string_view> ids;
  bool path_known = false;
  std::string allow;  // the methods of this path, if it has others than the one asked for
};

// The first route that fits. `ids` of the result point into `segments`.
Match match(std::span<const Route> routes, Method method, const std::vector<std::string>& segments);

// Everything this hub serves.
std::span<const Route> all_routes();

}  // namespace http
