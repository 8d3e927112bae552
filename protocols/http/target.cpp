#include "protocols/http/request.hpp"

#include "emulator/core/base/encoding.hpp"

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
// first. Not a `#` or a `%`: there the real hub says 400, and who forgot to encode an id learns it
// here (H-72).
std::string escape_strays(std::string_view text) {
  constexpr std::string_view never = "\"<>[\\]^`{|}";
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool stray =
        static_cast<unsigned char>(c) >= 0x80 || never.find(c) != std::string_view::npos;
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

std::string target_problem(std::string_view text) {
  std::string_view stray;
  if (text.find('#') != std::string_view::npos) stray = "a '#'";
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (at + 2 >= text.size() || !is_hex(text[at + 1]) || !is_hex(text[at + 2]))
      stray = "a bare '%'";
  }
  if (stray.empty()) return "the target is no path: it starts with a slash";
  return "the path or query has " + std::string(stray) +
         ", as ids may: percent-encode each id in a path (encodeURIComponent; '#' is %23, '%' is "
         "%25)";
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
