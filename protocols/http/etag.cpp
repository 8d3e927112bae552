#include "protocols/http/etag.hpp"

#include <string>

namespace http {

namespace {

bool is_quoted(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  return text.size() >= 2 && text.front() == '"' && text.back() == '"';
}

}  // namespace

std::string_view bare_etag(std::string_view text) {
  const bool quoted = is_quoted(text);
  if (text.starts_with("W/")) text.remove_prefix(2);
  return quoted ? text.substr(1, text.size() - 2) : text;
}

hub::IfMatch to_if_match(std::string_view etag) {
  etag = bare_etag(etag);
  if (etag.empty()) return std::nullopt;
  return std::string(etag);
}

hub::Result<hub::IfMatch> read_if_match(const RequestHead& head) {
  const std::string_view text = head.find("if-match").value_or(std::string_view{});
  if (!text.empty() && text != "*" && !is_quoted(text)) {
    return hub::fail(hub::HubErrc::precondition_failed,
                     "If-Match has an etag without quotes, which matches nothing: send "
                     "If-Match: \"etag\" in double quotes, or * for whatever is there");
  }
  return to_if_match(text);
}

}  // namespace http
