#include "protocols/http/request.hpp"

#include "emulator/core/encoding.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace http {

namespace urls = boost::urls;

namespace {

bool is_hex(char c) {
  const char low = static_cast<char>(c | 0x20);
  return (c >= '0' && c <= '9') || (low >= 'a' && low <= 'f');
}

// Java's service client does not encode device ids at all (T-06): what no URL may hold is escaped
// first, a `%` that starts no escape included.
std::string escape_strays(std::string_view text) {
  constexpr std::string_view never = "\"#<>[\\]^`{|}";
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool escape =
        c == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    const bool stray = (c == '%' && !escape) || static_cast<unsigned char>(c) >= 0x80 ||
                       never.find(c) != std::string_view::npos;
    out += stray ? hub::percent_encode(text.substr(i, 1)) : std::string(1, c);
  }
  return out;
}

Target take_apart(const urls::url_view& url) {
  Target target;
  // Encoded segments, decoded here: a NUL or a slash inside an id must reach the id's own check.
  for (const auto segment : url.encoded_segments()) {
    target.segments.push_back(hub::percent_decode({segment.data(), segment.size()}));
  }
  while (!target.segments.empty() && target.segments.back().empty()) target.segments.pop_back();
  for (const auto param : url.encoded_params()) {
    target.query.emplace_back(hub::percent_decode({param.key.data(), param.key.size()}),
                              hub::percent_decode({param.value.data(), param.value.size()}));
  }
  return target;
}

std::optional<Target> parse_strict(std::string_view text) {
  const urls::string_view view(text.data(), text.size());
  const auto url =
      text.starts_with('/') ? urls::parse_origin_form(view) : urls::parse_absolute_uri(view);
  if (!url) return std::nullopt;
  return take_apart(*url);
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
  if (auto target = parse_strict(text)) return target;
  return parse_strict(escape_strays(text));
}

std::optional<std::string_view> Target::find(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (hub::iequals(name, key)) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> RequestHead::find(std::string_view name) const {
  for (const Header& header : headers) {
    if (hub::iequals(header.name, name)) return header.value;
  }
  return std::nullopt;
}

}  // namespace http
