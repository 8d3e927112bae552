#include "protocols/http/device_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

constexpr std::string_view never = "0001-01-01T00:00:00Z";

json::string_view to_json_view(std::string_view text) { return {text.data(), text.size()}; }

json::value time_or_never(const std::optional<hub::TimePoint>& time) {
  return time ? json::value(hub::to_iso8601(*time)) : json::value(to_json_view(never));
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object thumbprints(const hub::Authentication& authentication) {
  json::object out;
  out["primaryThumbprint"] = text_or_null(authentication.primary_thumbprint);
  out["secondaryThumbprint"] = text_or_null(authentication.secondary_thumbprint);
  return out;
}

std::string_view connection_state(const hub::DeviceView& device) {
  return device.connected ? "Connected" : "Disconnected";
}

void put(json::object& out, std::string_view name, std::string_view text) {
  out[to_json_view(name)] = to_json_view(text);
}

hub::HubError wrong_type(std::string_view name, std::string_view wanted) {
  return hub::fail(HubErrc::argument_invalid,
                   std::string(name) + " must be " + std::string(wanted));
}

// A string member; null and absent are the same.
hub::Result<std::optional<std::string>> text_member(const json::object& from,
                                                    std::string_view name) {
  const json::value* value = from.if_contains(to_json_view(name));
  if (value == nullptr || value->is_null()) return std::optional<std::string>{};
  if (!value->is_string()) return wrong_type(name, "a string");
  return std::optional<std::string>{std::string(value->get_string())};
}

// An object member; null and absent are the same.
hub::Result<const json::object*> object_member(const json::object& from, std::string_view name) {
  const json::value* value = from.if_contains(to_json_view(name));
  const json::object* none = nullptr;
  if (value == nullptr || value->is_null()) return none;
  if (!value->is_object()) return wrong_type(name, "an object");
  return &value->get_object();
}

// Two texts of a sub-object of `authentication`; empty and absent are the same: NS always sends
// empty keys when the hub shall make them (H-31).
hub::Result<void> text_pair(const json::object& authentication, std::string_view object_name,
                            std::string_view first_name, std::string& first,
                            std::string_view second_name, std::string& second) {
  const auto object = object_member(authentication, object_name);
  if (!object) return object.error();
  if (*object == nullptr) return {};
  auto first_text = text_member(**object, first_name);
  if (!first_text) return first_text.error();
  auto second_text = text_member(**object, second_name);
  if (!second_text) return second_text.error();
  first = first_text->value_or("");
  second = second_text->value_or("");
  return {};
}

hub::Result<void> read_authentication(const json::object& from, hub::DeviceSpec& spec) {
  const auto type = text_member(from, "type");
  if (!type) return type.error();
  if (*type && !(*type)->empty()) {
    spec.authentication_type = hub::parse_authentication_type(**type);
    if (!spec.authentication_type) {
      return wrong_type("authentication.type", "sas, selfSigned, certificateAuthority or none");
    }
  }
  auto keys = text_pair(from, "symmetricKey", "primaryKey", spec.primary_key, "secondaryKey",
                        spec.secondary_key);
  if (!keys) return keys.error();
  return text_pair(from, "x509Thumbprint", "primaryThumbprint", spec.primary_thumbprint,
                   "secondaryThumbprint", spec.secondary_thumbprint);
}

hub::Result<void> read_capabilities(const json::object& from, hub::DeviceSpec& spec) {
  const json::value* edge = from.if_contains("iotEdge");
  if (edge == nullptr || edge->is_null()) return {};
  if (!edge->is_bool()) return wrong_type("capabilities.iotEdge", "true or false");
  spec.iot_edge = edge->get_bool();
  return {};
}

// A device has one parent at most.
hub::Result<void> read_parent_scopes(const json::object& from, hub::DeviceSpec& spec) {
  const json::value* parents = from.if_contains("parentScopes");
  if (parents == nullptr || parents->is_null()) return {};
  if (!parents->is_array() || parents->get_array().size() > 1 ||
      (parents->get_array().size() == 1 && !parents->get_array()[0].is_string())) {
    return wrong_type("parentScopes", "an array of at most one string, the parent's deviceScope");
  }
  const auto& array = parents->get_array();
  spec.parent_scope = array.empty() ? std::string() : std::string(array[0].get_string());
  return {};
}

json::array parent_scopes(const hub::DeviceIdentity& identity) {
  json::array out;
  if (const std::string& scope = identity.scope_of_parent(); !scope.empty())
    out.emplace_back(scope);
  return out;
}

}  // namespace

json::object to_json(const hub::DeviceView& device) {
  const hub::DeviceIdentity& identity = device.identity;
  const bool is_device = !identity.id.is_module();  // a module has no status, edge or parents
  json::object out;
  if (!is_device) {
    put(out, "moduleId", identity.id.module);
    out["managedBy"] = text_or_null(identity.managed_by);
  }
  put(out, "deviceId", identity.id.text);
  put(out, "generationId", identity.generation_id);
  put(out, "etag", identity.etag);  // without quotes (1.5)
  put(out, "connectionState", connection_state(device));
  out["connectionStateUpdatedTime"] = time_or_never(device.connection_state_updated_time);
  if (is_device) {
    put(out, "status", hub::to_text(identity.status));
    out["statusReason"] = text_or_null(identity.status_reason);
    out["statusUpdatedTime"] = time_or_never(identity.status_updated_time);
  }
  out["lastActivityTime"] = time_or_never(device.last_activity_time);
  out["cloudToDeviceMessageCount"] = device.c2d_message_count;

  // Both sub-objects and the type, always: C# never derives it, Java throws without (H-30).
  json::object keys;
  keys["primaryKey"] = text_or_null(identity.authentication.primary_key);
  keys["secondaryKey"] = text_or_null(identity.authentication.secondary_key);
  json::object authentication;
  authentication["symmetricKey"] = std::move(keys);
  authentication["x509Thumbprint"] = thumbprints(identity.authentication);
  put(authentication, "type", hub::to_text(identity.authentication.type));
  out["authentication"] = std::move(authentication);
  if (!is_device) return out;

  out["capabilities"] = json::object{{"iotEdge", identity.iot_edge}};
  if (!identity.device_scope.empty()) put(out, "deviceScope", identity.device_scope);
  out["parentScopes"] = parent_scopes(identity);
  return out;
}

json::object to_twin_json(const hub::DeviceView& device) {
  const hub::DeviceIdentity& identity = device.identity;
  const auto section = [] {
    json::object out;
    out["$metadata"] = json::object{{"$lastUpdated", to_json_view(never)}};
    out["$version"] = 1;
    return out;
  };
  json::object out;
  put(out, "deviceId", identity.id.text);
  if (identity.id.is_module()) put(out, "moduleId", identity.id.module);
  put(out, "etag", "AAAAAAAAAAE=");
  put(out, "deviceEtag", identity.etag);
  put(out, "status", hub::to_text(identity.status));
  if (!identity.status_reason.empty()) put(out, "statusReason", identity.status_reason);
  out["statusUpdateTime"] = time_or_never(identity.status_updated_time);
  put(out, "connectionState", connection_state(device));
  out["lastActivityTime"] = time_or_never(device.last_activity_time);
  out["cloudToDeviceMessageCount"] = device.c2d_message_count;
  put(out, "authenticationType", hub::to_text(identity.authentication.type));
  out["x509Thumbprint"] = thumbprints(identity.authentication);
  put(out, "modelId", "");
  out["version"] = 2;
  out["tags"] = json::object{};
  json::object properties;
  properties["desired"] = section();
  properties["reported"] = section();
  out["properties"] = std::move(properties);
  out["capabilities"] = json::object{{"iotEdge", identity.iot_edge}};
  if (identity.id.is_module()) return out;
  if (!identity.device_scope.empty()) put(out, "deviceScope", identity.device_scope);
  out["parentScopes"] = parent_scopes(identity);
  return out;
}

hub::Result<json::value> parse_json(std::string_view text) {
  json::error_code ec;
  json::value value = json::parse(to_json_view(text), ec);
  if (ec)
    return hub::fail(HubErrc::iot_hub_format_error,
                     "the body is no JSON (" + ec.message() + "): send a JSON text, in UTF-8");
  return value;
}

hub::Result<hub::DeviceSpec> to_device_spec(const json::object& from) {
  hub::DeviceSpec spec;
  const auto status = text_member(from, "status");
  if (!status) return status.error();
  if (*status && !(*status)->empty()) {
    spec.status = hub::parse_device_status(**status);
    if (!spec.status) return wrong_type("status", "enabled or disabled");
  }
  auto reason = text_member(from, "statusReason");
  if (!reason) return reason.error();
  spec.status_reason = std::move(*reason);
  auto managed_by = text_member(from, "managedBy");
  if (!managed_by) return managed_by.error();
  spec.managed_by = std::move(*managed_by);
  auto scope = text_member(from, "deviceScope");
  if (!scope) return scope.error();
  spec.device_scope = std::move(*scope);
  if (auto read = read_parent_scopes(from, spec); !read) return read.error();

  const auto authentication = object_member(from, "authentication");
  if (!authentication) return authentication.error();
  if (*authentication != nullptr) {
    if (auto read = read_authentication(**authentication, spec); !read) return read.error();
  }
  const auto capabilities = object_member(from, "capabilities");
  if (!capabilities) return capabilities.error();
  if (*capabilities != nullptr) {
    if (auto read = read_capabilities(**capabilities, spec); !read) return read.error();
  }
  return spec;
}

}  // namespace http
