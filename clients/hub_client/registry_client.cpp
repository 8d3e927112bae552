#include "clients/hub_client/registry_client.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/sas_token.hpp"
#include "clients/hub_client/transports/http.hpp"

#include <boost/json.hpp>

namespace iothub {
namespace {

namespace json = boost::json;

constexpr std::string_view kApiVersion = "api-version=2021-04-12";

json::value parse(const std::string& text) {
  boost::system::error_code ec;
  auto value = json::parse(text, ec);
  if (ec) throw Error{ErrorKind::protocol_error, "the hub's answer is not JSON"};
  return value;
}

const json::object* child(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

std::string text(const json::object* object, const char* name) {
  const auto* value = object == nullptr ? nullptr : object->if_contains(name);
  const auto* string = value == nullptr ? nullptr : value->if_string();
  return string == nullptr ? std::string{} : std::string{string->data(), string->size()};
}

std::uint64_t count(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code ec;
  const auto number = value->to_number<std::uint64_t>(ec);
  return ec ? 0 : number;
}

DeviceIdentity identity(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr || text(object, "deviceId").empty()) {
    throw Error{ErrorKind::protocol_error, "the hub's answer is not a device identity"};
  }
  DeviceIdentity out;
  out.device_id = text(object, "deviceId");
  out.generation_id = text(object, "generationId");
  out.etag = text(object, "etag");
  out.status = text(object, "status");
  out.status_reason = text(object, "statusReason");
  out.connection_state = text(object, "connectionState");
  out.last_activity_time = text(object, "lastActivityTime");
  out.cloud_to_device_message_count = count(*object, "cloudToDeviceMessageCount");
  if (const auto* authentication = child(*object, "authentication")) {
    out.authentication_type = text(authentication, "type");
    const auto* keys = child(*authentication, "symmetricKey");
    out.primary_key = text(keys, "primaryKey");
    out.secondary_key = text(keys, "secondaryKey");
    const auto* thumbprints = child(*authentication, "x509Thumbprint");
    out.primary_thumbprint = text(thumbprints, "primaryThumbprint");
    out.secondary_thumbprint = text(thumbprints, "secondaryThumbprint");
  }
  return out;
}

// Not in braces: json::value{x} is an array of x.
json::value or_null(const std::string& value) {
  if (value.empty()) return nullptr;
  return json::value(value);
}

std::string device_path(const std::string& device_id) {
  return "/devices/" + percent_encode(device_id);
}

}  // namespace

std::string to_json(const DeviceSpec& spec) {
  json::object authentication;
  if (spec.primary_thumbprint.empty()) {
    authentication["type"] = "sas";
    authentication["symmetricKey"] = {{"primaryKey", or_null(spec.primary_key)},
                                      {"secondaryKey", or_null(spec.secondary_key)}};
  } else {
    authentication["type"] = "selfSigned";
    authentication["x509Thumbprint"] = {
        {"primaryThumbprint", or_null(spec.primary_thumbprint)},
        {"secondaryThumbprint", or_null(spec.secondary_thumbprint)}};
  }
  json::object body{{"deviceId", spec.device_id},
                    {"status", spec.enabled ? "enabled" : "disabled"},
                    {"authentication", std::move(authentication)}};
  return json::serialize(body);
}

RegistryClient::RegistryClient(const ClientOptions& options)
    : options_(options),
      connection_(
          std::make_unique<HttpConnection>(options, options.endpoint(TransportKind::https))) {}

RegistryClient::~RegistryClient() = default;

DeviceIdentity RegistryClient::create(const DeviceSpec& spec) {
  return identity(parse(call("PUT", device_path(spec.device_id), to_json(spec), {},
                             "create device " + spec.device_id)));
}

DeviceIdentity RegistryClient::get(const std::string& device_id) {
  return identity(parse(call("GET", device_path(device_id), {}, {}, "show device " + device_id)));
}

std::vector<DeviceIdentity> RegistryClient::list(unsigned top) {
  const auto answer =
      parse(call("GET", "/devices?top=" + std::to_string(top), {}, {}, "list devices"));
  if (!answer.is_array()) {
    throw Error{ErrorKind::protocol_error, "the hub's answer is not a list of devices"};
  }
  std::vector<DeviceIdentity> devices;
  for (const auto& item : answer.get_array()) devices.push_back(identity(item));
  return devices;
}

void RegistryClient::remove(const std::string& device_id) {
  call("DELETE", device_path(device_id), {}, "*", "delete device " + device_id);
}

DeviceIdentity RegistryClient::set_enabled(const std::string& device_id, bool enabled) {
  const auto doing = (enabled ? "enable device " : "disable device ") + device_id;
  // The whole identity goes back as it came, so that nothing else changes.
  auto device = parse(call("GET", device_path(device_id), {}, {}, doing));
  const auto etag = identity(device).etag;
  device.get_object()["status"] = enabled ? "enabled" : "disabled";
  return identity(parse(
      call("PUT", device_path(device_id), json::serialize(device), "\"" + etag + "\"", doing)));
}

std::uint64_t RegistryClient::purge(const std::string& device_id) {
  const auto answer = parse(
      call("DELETE", device_path(device_id) + "/commands", {}, {}, "purge device " + device_id));
  if (!answer.is_object()) throw Error{ErrorKind::protocol_error, "the hub's answer has no count"};
  return count(answer.get_object(), "totalMessagesPurged");
}

std::string RegistryClient::call(std::string_view method, const std::string& path,
                                 const std::string& body, const std::string& if_match,
                                 const std::string& doing) {
  HttpRequest request;
  request.method = method;
  request.target = path + (path.find('?') == std::string::npos ? "?" : "&");
  request.target += kApiVersion;
  request.body = body;
  // One token a request: they are cheap, and none is ever old.
  request.headers.emplace_back("Authorization",
                               make_sas_token(options_.connection, now(), options_.token_ttl).text);
  request.headers.emplace_back("Accept", "application/json");
  if (!body.empty())
    request.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  if (!if_match.empty()) request.headers.emplace_back("If-Match", if_match);
  const auto response = connection_->send(request, options_.operation_timeout);
  if (response.status < 200 || response.status > 299) {
    throw error_from_http(response.status, response.header("iothub-errorcode"), response.body,
                          doing);
  }
  return response.body;
}

}  // namespace iothub
