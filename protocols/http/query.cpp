// POST /devices/query (spec/https.md 3.6, H-57): every twin, page by page. It is the one way to
// list more devices than GET /devices gives. Beside it the children of an edge device, as the
// command-line extension asks for them; other conditions and projections are not there yet.
#include "emulator/core/base/encoding.hpp"
#include "protocols/http/device_json.hpp"
#include "protocols/http/service_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <string>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

constexpr std::size_t default_page = 100;  // U16
// A page that looks for few among many ends here, and the next one goes on.
constexpr std::size_t looked_at_max = 10'000;

// Words with one space between, as the SDKs' own spelling and everybody else's differ.
std::string words_of(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

// What `az iot hub device-identity children list` asks for.
constexpr std::string_view children_begin =
    "select deviceid from devices where array_contains(parentscopes, '";
constexpr std::string_view children_end = "')";

struct Query {
  std::optional<std::string>
      parent_scope;  // children of that one, their ids alone; else: all twins
};

std::optional<Query> known_query(std::string_view text) {
  const std::string words = words_of(text);
  if (hub::iequals(words, "select * from devices")) return Query{};
  if (words.size() < children_begin.size() + children_end.size() ||
      !words.ends_with(children_end) ||
      !hub::iequals(std::string_view(words).substr(0, children_begin.size()), children_begin)) {
    return std::nullopt;
  }
  const auto scope = std::string_view(words).substr(
      children_begin.size(), words.size() - children_begin.size() - children_end.size());
  if (scope.find('\'') != scope.npos) return std::nullopt;
  return Query{std::string(scope)};
}

hub::Result<Query> parse_query(std::string_view body) {
  const auto parsed = parse_json(body);
  if (!parsed) return parsed.error();
  const json::value* query =
      parsed->is_object() ? parsed->get_object().if_contains("query") : nullptr;
  if (query == nullptr || !query->is_string()) {
    return hub::fail(
        HubErrc::argument_invalid,
        "the body must be a JSON object with a query, such as {\"query\":\"SELECT * FROM "
        "devices\"}");
  }
  const json::string& text = query->get_string();
  if (auto known = known_query({text.data(), text.size()})) return *known;
  return hub::fail(
      HubErrc::feature_not_supported,
      "this emulator knows no conditions so far: send SELECT * FROM devices, and choose "
      "among what comes");
}

std::size_t page_size(std::string_view asked, std::size_t most) {
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), size);
  if (error != std::errc{} || end != asked.data() + asked.size() || size < 1) return default_page;
  return std::min(size, most);
}

}  // namespace

hub::Result<void> query_devices(Exchange& exchange) {
  const auto query = parse_query(exchange.body);
  if (!query) return query.error();
  if (auto admitted = exchange.hub.admission().admit(hub::Operation::query, 1, exchange.now);
      !admitted) {
    return admitted;
  }
  // The token is the last id of the page before, which may be gone meanwhile: nothing is skipped.
  const auto after = hub::base64_decode(exchange.head.find("x-ms-continuation").value_or(""));
  if (!after)
    return hub::fail(
        HubErrc::argument_invalid,
        "x-ms-continuation is none of this hub's: send what the page before had, or none for "
        "the first page");
  const std::size_t size = page_size(exchange.head.find("x-ms-max-item-count").value_or(""),
                                     exchange.hub.limits().list_devices_max);

  json::array page;
  std::string last = *after;  // that was looked at
  bool more = true;           // there are others behind it
  for (std::size_t looked = 0; more && page.size() < size && looked < looked_at_max;) {
    const std::size_t left = size - page.size();
    const auto devices = exchange.hub.registry().list(last, left + 1, exchange.now);
    more = devices.size() > left;
    for (const hub::DeviceView& device : std::span(devices).first(std::min(left, devices.size()))) {
      ++looked;
      last = device.identity.id.text;
      if (!query->parent_scope) {
        page.push_back(to_twin_json(device));
      } else if (device.identity.scope_of_parent() == *query->parent_scope) {
        page.push_back(json::object{{"deviceId", last}});
      }
    }
  }
  exchange.response.header("x-ms-item-type", query->parent_scope ? "Raw" : "Twin");
  // Left out on the last page: a Node client asks for more as long as it is there.
  if (more) exchange.response.header("x-ms-continuation", hub::base64_encode(last));
  exchange.response.json(json::serialize(page));
  return {};
}

}  // namespace http
