#include "protocols/http/etag.hpp"

#include <string>

namespace http {

std::string_view bare_etag(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

hub::IfMatch normalise_if_match(std::optional<std::string_view> header) {
  if (!header) return std::nullopt;
  const std::string_view etag = bare_etag(*header);
  if (etag.empty()) return std::nullopt;
  return std::string(etag);
}

}  // namespace http
