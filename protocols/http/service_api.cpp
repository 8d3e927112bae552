#include "protocols/http/service_api.hpp"

#include "protocols/http/device_json.hpp"
#include "protocols/http/etag.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

// The device of the path or, if it names one, the module.
hub::Result<hub::DeviceId> device_of(const Exchange& exchange) {
  hub::DeviceId id;
  for (std::size_t i = 0; i < exchange.ids.size(); ++i) {
    if (!hub::is_valid_device_id(exchange.ids[i])) {
      return hub::fail(
          HubErrc::argument_invalid,
          "'" + std::string(exchange.ids[i]) +
              "' is no id of a device or module: it "
              "has 1 to 128 ASCII letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '");
    }
    (i == 0 ? id.text : id.module) = exchange.ids[i];
  }
  return id;
}

// An id in the body, if there is one, must be the path's.
hub::Result<void> check_id(const json::object& body, std::string_view name, std::string_view id) {
  const json::value* given = body.if_contains(json::string_view(name.data(), name.size()));
  if (given == nullptr || given->is_null()) return {};
  if (given->is_string() && std::string_view(given->get_string()) == id) return {};
  return hub::fail(HubErrc::argument_invalid,
                   std::string(name) + " of the body is not that of the path, " + std::string(id) +
                       ": leave it out, or write the same");
}

// What a PUT sets.
hub::Result<hub::DeviceSpec> read_device(const Exchange& exchange, const hub::DeviceId& id) {
  const auto parsed = parse_json(exchange.body);
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) {
    return hub::fail(HubErrc::iot_hub_format_error,
                     "the body must be a JSON object, the identity of " + described(id));
  }
  const json::object& body = parsed->get_object();
  if (auto same = check_id(body, "deviceId", id.text); !same) return same.error();
  if (id.is_module()) {
    if (auto same = check_id(body, "moduleId", id.module); !same) return same.error();
  }
  auto spec = to_device_spec(body);
  if (spec) spec->id = id;
  return spec;
}

void answer(Exchange& exchange, const json::value& body) {
  exchange.response.json(json::serialize(body));
}

}  // namespace

hub::Result<void> put_device(Exchange& exchange) {
  const auto id = device_of(exchange);
  if (!id) return id.error();
  const auto spec = read_device(exchange, *id);
  if (!spec) return spec.error();
  // Without If-Match it is a create, whatever is there already (H-29).
  const auto if_match = read_if_match(exchange.head);
  if (!if_match) return if_match.error();
  const auto device = *if_match ? exchange.hub.registry().update(*spec, *if_match, exchange.now)
                                : exchange.hub.registry().create(*spec, exchange.now);
  if (!device) return device.error();
  answer(exchange, to_json(*device));
  return {};
}

hub::Result<void> get_device(Exchange& exchange) {
  const auto id = device_of(exchange);
  if (!id) return id.error();
  const auto device = exchange.hub.registry().get(*id, exchange.now);
  if (!device) return device.error();
  answer(exchange, to_json(*device));
  return {};
}

hub::Result<void> delete_device(Exchange& exchange) {
  const auto id = device_of(exchange);
  if (!id) return id.error();
  const auto if_match = read_if_match(exchange.head);
  if (!if_match) return if_match.error();
  auto deleted = exchange.hub.registry().remove(*id, *if_match, exchange.now);
  if (deleted) exchange.response.status = 204;
  return deleted;
}

hub::Result<void> list_devices(Exchange& exchange) {
  const std::size_t all = exchange.hub.limits().list_devices_max;
  std::size_t count = 0;
  const std::string_view top = exchange.target.find("top").value_or(std::string_view{});
  const auto [end, error] = std::from_chars(top.data(), top.data() + top.size(), count);
  if (error != std::errc{} || end != top.data() + top.size() || count < 1 || count > all) {
    count = all;  // H-44
  }
  json::array devices;
  for (const auto& device : exchange.hub.registry().list({}, count, exchange.now)) {
    devices.push_back(to_json(device));
  }
  answer(exchange, devices);
  return {};
}

hub::Result<void> list_modules(Exchange& exchange) {
  const auto id = device_of(exchange);
  if (!id) return id.error();
  const auto modules = exchange.hub.registry().modules_of(*id, exchange.now);
  if (!modules) return modules.error();
  json::array body;
  for (const auto& module : *modules) body.push_back(to_json(module));
  answer(exchange, body);
  return {};
}

hub::Result<void> device_statistics(Exchange& exchange) {
  const auto statistics = exchange.hub.registry().statistics(exchange.now);
  json::object body;
  body["totalDeviceCount"] = statistics.total_device_count;
  body["enabledDeviceCount"] = statistics.enabled_device_count;
  body["enableDeviceCount"] = statistics.enabled_device_count;  // the name that Java reads
  body["disabledDeviceCount"] = statistics.disabled_device_count;
  answer(exchange, body);
  return {};
}

hub::Result<void> service_statistics(Exchange& exchange) {
  const std::size_t connected = exchange.hub.connections().connected_device_count(exchange.now);
  answer(exchange, json::object{{"connectedDeviceCount", connected}});
  return {};
}

hub::Result<void> get_twin(Exchange& exchange) {
  const auto id = device_of(exchange);
  if (!id) return id.error();
  if (auto admitted = exchange.hub.admission().admit(hub::Operation::twin_read, 1, exchange.now);
      !admitted) {
    return admitted;
  }
  const auto device = exchange.hub.registry().get(*id, exchange.now);
  if (!device) return device.error();
  answer(exchange, to_twin_json(*device));
  return {};
}

}  // namespace http
