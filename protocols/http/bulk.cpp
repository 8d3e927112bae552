// POST /devices: many registry operations in one call (spec/https.md 3.3, H-42).
#include "emulator/core/base/encoding.hpp"
#include "protocols/http/device_json.hpp"
#include "protocols/http/etag.hpp"
#include "protocols/http/service_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <optional>
#include <set>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

enum class ImportMode {
  create,
  create_or_update,
  create_or_update_if_match,
  update,
  update_if_match,
  delete_,
  delete_if_match,
  update_twin,
  update_twin_if_match,
};

// In any case: the Node SDK writes `Update`, the others `update`.
std::optional<ImportMode> parse_import_mode(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, ImportMode>, 9> modes = {{
      {"create", ImportMode::create},
      {"createOrUpdate", ImportMode::create_or_update},
      {"createOrUpdateIfMatchETag", ImportMode::create_or_update_if_match},
      {"update", ImportMode::update},
      {"updateIfMatchETag", ImportMode::update_if_match},
      {"delete", ImportMode::delete_},
      {"deleteIfMatchETag", ImportMode::delete_if_match},
      {"updateTwin", ImportMode::update_twin},
      {"updateTwinIfMatchETag", ImportMode::update_twin_if_match},
  }};
  for (const auto& [name, mode] : modes) {
    if (hub::iequals(text, name)) return mode;
  }
  return std::nullopt;
}

std::string text_of(const json::object& from, std::string_view name) {
  const json::value* value = from.if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

struct BulkError {
  std::string_view code;
  std::string text;
};

std::optional<BulkError> to_bulk_error(const hub::HubError& error) {
  return BulkError{hub::name_of(error.code), error.detail};
}

template <class T>
std::optional<BulkError> error_of(const hub::Result<T>& result) {
  return result ? std::nullopt : to_bulk_error(result.error());
}

// Creates, or updates what is there. `if_match` matters only for what is there.
std::optional<BulkError> create_or_update(Exchange& exchange, const hub::DeviceSpec& spec,
                                          const hub::IfMatch& if_match) {
  const auto created = exchange.hub.registry().create(spec, exchange.now);
  const bool is_known =
      !created && (created.error().code == HubErrc::device_already_exists ||
                   created.error().code == HubErrc::module_already_exists_on_device);
  if (!is_known) return error_of(created);
  return error_of(exchange.hub.registry().update(spec, if_match, exchange.now));
}

std::optional<BulkError> apply(Exchange& exchange, const json::object& entry,
                               const hub::DeviceId& id) {
  const std::string mode_text = text_of(entry, "importMode");
  const auto mode = mode_text.empty() ? ImportMode::create_or_update : parse_import_mode(mode_text);
  if (!mode)
    return BulkError{"ArgumentInvalid",
                     "importMode '" + mode_text + "' is none: create, update, " +
                         "createOrUpdate, delete, or one of these with IfMatchETag"};
  auto spec = to_device_spec(entry);
  if (!spec) return to_bulk_error(spec.error());
  spec->id = id;
  // NS copies `etag` where the others write `eTag`.
  std::string etag = text_of(entry, "eTag");
  if (etag.empty()) etag = text_of(entry, "etag");
  const hub::IfMatch if_match = to_if_match(etag);
  const hub::IfMatch always;

  switch (*mode) {
    case ImportMode::create:
      return error_of(exchange.hub.registry().create(*spec, exchange.now));
    case ImportMode::create_or_update:
      return create_or_update(exchange, *spec, always);
    case ImportMode::create_or_update_if_match:
      return create_or_update(exchange, *spec, if_match);
    case ImportMode::update:
      return error_of(exchange.hub.registry().update(*spec, always, exchange.now));
    case ImportMode::update_if_match:
      return error_of(exchange.hub.registry().update(*spec, if_match, exchange.now));
    case ImportMode::delete_:
      return error_of(exchange.hub.registry().remove(spec->id, always, exchange.now));
    case ImportMode::delete_if_match:
      return error_of(exchange.hub.registry().remove(spec->id, if_match, exchange.now));
    case ImportMode::update_twin:
    case ImportMode::update_twin_if_match:
      return BulkError{"InvalidOperation", "twins can not be written yet in this emulator"};
  }
  hub::assertion_failed("unknown ImportMode", __FILE__, __LINE__);
}

}  // namespace

hub::Result<void> bulk_devices(Exchange& exchange) {
  const auto parsed = parse_json(exchange.body);
  if (!parsed) return parsed.error();
  if (!parsed->is_array() || parsed->get_array().empty()) {
    return hub::fail(HubErrc::argument_invalid,
                     "the body must be a JSON array of devices, with at least one");
  }
  const json::array& entries = parsed->get_array();
  if (entries.size() > exchange.hub.limits().bulk_devices_max) {
    return hub::fail(HubErrc::too_many_devices,
                     std::to_string(entries.size()) + " devices in one call: send at most " +
                         std::to_string(exchange.hub.limits().bulk_devices_max) +
                         ", and the others in the next");
  }
  if (auto admitted = exchange.hub.admission().admit(hub::Operation::registry, entries.size() - 1,
                                                     exchange.now);
      !admitted) {
    return admitted;
  }
  json::array errors;
  std::set<hub::DeviceId> seen;
  for (const json::value& value : entries) {
    hub::DeviceId id;
    std::optional<BulkError> error;
    if (!value.is_object()) {
      error = BulkError{"ArgumentInvalid", "a device must be a JSON object"};
    } else {
      id = {text_of(value.get_object(), "id"), text_of(value.get_object(), "moduleId")};
      if (id.text.empty()) {
        error = BulkError{"ArgumentInvalid", "a device without an id"};
      } else if (!seen.insert(id).second) {
        error = BulkError{"DeviceDefinedMultipleTimes", described(id) + " is in this call already"};
      } else {
        error = apply(exchange, value.get_object(), id);
      }
    }
    if (!error) continue;
    json::object line;
    line["deviceId"] = id.text;
    if (id.is_module()) line["moduleId"] = id.module;
    line["errorCode"] = json::string_view(error->code.data(), error->code.size());
    line["errorStatus"] = error->text;
    errors.push_back(std::move(line));
  }
  if (!errors.empty()) {
    // Not Form A: the Python SDK reads this body with 400 as well. The C# one looks for the second
    // header, which has no hyphen.
    const std::string_view name = hub::name_of(HubErrc::bulk_registry_operation_failure);
    exchange.response.status = 400;
    exchange.response.header("iothub-errorcode", name);
    exchange.response.header("IotHubErrorCode", name);
  }
  json::object body;
  body["isSuccessful"] = errors.empty();
  body["errors"] = std::move(errors);
  body["warnings"] = json::array{};
  exchange.response.json(json::serialize(body));
  return {};
}

}  // namespace http
