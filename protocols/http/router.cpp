#include "protocols/http/router.hpp"

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/error.hpp"

namespace http {

std::string_view to_text(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::put:
      return "PUT";
    case Method::post:
      return "POST";
    case Method::delete_:
      return "DELETE";
    case Method::patch:
      return "PATCH";
    case Method::head:
      return "HEAD";
    case Method::other:
      return "";
  }
  hub::assertion_failed("unknown Method", __FILE__, __LINE__);
}

bool fits(std::string_view path, const std::vector<std::string>& segments,
          std::vector<std::string_view>& ids) {
  ids.clear();
  for (const std::string& segment : segments) {
    if (path.empty()) return false;
    path.remove_prefix(1);  // the slash
    const std::size_t end = path.find('/');
    const std::string_view wanted = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
    if (wanted == "*") return true;
    if (wanted.starts_with('{')) {
      if (segment.empty()) return false;
      ids.push_back(segment);
    } else if (!hub::iequals(wanted, segment)) {
      return false;
    }
  }
  return path.empty() || path == "/" || path == "/*";
}

}  // namespace http
