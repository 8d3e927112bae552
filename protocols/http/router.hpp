#pragma once
// Method and path template -> row of a table. Fixed segments match in any case, `{name}` matches
// one segment, a last `*` any number of them (T-06).
#include "protocols/http/request.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace http {

std::string_view to_text(Method method);

// True if the template `path` is of this shape; `ids` are then what stands for its names, and point
// into `segments`.
bool fits(std::string_view path, const std::vector<std::string>& segments,
          std::vector<std::string_view>& ids);

template <class Route>
struct Match {
  const Route* route = nullptr;  // nullptr: none
  std::vector<std::string_view> ids;
  bool path_known = false;
  std::string allow;  // the methods of this path, if it has others than the one asked for
};

// The first route that fits. A Route has `method`, nullopt for any, and `path`.
template <class Route>
Match<Route> match(std::span<const Route> routes, Method method,
                   const std::vector<std::string>& segments) {
  Match<Route> result;
  for (const Route& route : routes) {
    if (!fits(route.path, segments, result.ids)) continue;
    result.path_known = true;
    if (!route.method || *route.method == method) {
      result.route = &route;
      return result;
    }
    if (!result.allow.empty()) result.allow += ", ";
    result.allow += to_text(*route.method);
  }
  return result;
}

}  // namespace http
