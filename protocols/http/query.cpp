// POST /devices/query (spec/https.md 3.6, H-57): every twin, page by page. It is the one way to
// list more devices than GET /devices gives. Conditions and projections are not there yet.
#include "emulator/core/encoding.hpp"
#include "protocols/http/device_json.hpp"
#include "protocols/http/service_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

constexpr std::size_t default_page = 100;  // U16

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

hub::Result<void> check_query(std::string_view body) {
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
  if (!hub::iequals(words_of({text.data(), text.size()}), "select * from devices")) {
    return hub::fail(
        HubErrc::feature_not_supported,
        "this emulator knows one query so far: send SELECT * FROM devices, and choose among "
        "what comes");
  }
  return {};
}

std::size_t page_size(std::string_view asked, std::size_t most) {
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), size);
  if (error != std::errc{} || end != asked.data() + asked.size() || size < 1) return default_page;
  return std::min(size, most);
}

}  // namespace

hub::Result<void> query_devices(Exchange& exchange) {
  if (auto known = check_query(exchange.body); !known) return known;
  if (auto admitted = exchange.hub.admit(hub::Operation::query, 1, exchange.now); !admitted) {
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

  const auto devices = exchange.hub.list_devices(*after, size + 1, exchange.now);
  json::array twins;
  for (std::size_t i = 0; i < std::min(size, devices.size()); ++i) {
    twins.push_back(to_twin_json(devices[i]));
  }
  exchange.response.header("x-ms-item-type", "Twin");
  // Left out on the last page: a Node client asks for more as long as it is there.
  if (devices.size() > size) {
    exchange.response.header("x-ms-continuation",
                             hub::base64_encode(devices[size - 1].identity.id.text));
  }
  exchange.response.json(json::serialize(twins));
  return {};
}

}  // namespace http
