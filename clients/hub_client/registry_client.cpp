#include "clients/hub_client/registry_client.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/sas_token.hpp"
#include "clients/hub_client/transports/http.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <set>
#include <utility>

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
  out.document = json::serialize(value);
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

// A twin tells of its device what an identity does, under other names, and no keys.
DeviceIdentity identity_of_twin(const json::value& value) {
  auto out = identity(value);
  const auto& twin = value.get_object();
  out.etag = text(&twin, "deviceEtag");
  out.authentication_type = text(&twin, "authenticationType");
  const auto* thumbprints = child(twin, "x509Thumbprint");
  out.primary_thumbprint = text(thumbprints, "primaryThumbprint");
  out.secondary_thumbprint = text(thumbprints, "secondaryThumbprint");
  out.document.clear();
  return out;
}

const json::array& array_of(json::value&&) = delete;  // it refers to its argument
const json::array& array_of(const json::value& answer) {
  if (!answer.is_array()) {
    throw Error{ErrorKind::protocol_error, "the hub's answer is not a list of devices"};
  }
  return answer.get_array();
}

std::vector<BulkFailure> failures(const json::value& answer) {
  const auto* object = answer.if_object();
  const auto* errors = object == nullptr ? nullptr : object->if_contains("errors");
  if (errors == nullptr || !errors->is_array()) {
    throw Error{ErrorKind::protocol_error, "the hub's answer is not a bulk result"};
  }
  std::vector<BulkFailure> out;
  for (const auto& item : errors->get_array()) {
    const auto* error = item.if_object();
    BulkFailure failure{text(error, "deviceId"), text(error, "errorCode"),
                        text(error, "errorStatus"), std::nullopt};
    failure.hub_code = hub_code_of(failure.error);
    out.push_back(std::move(failure));
  }
  return out;
}

void throw_unless_done(const HttpResponse& response, const std::string& doing) {
  if (response.status >= 200 && response.status <= 299) return;
  throw error_from_http(response.status, response.header("iothub-errorcode"), response.body, doing);
}

std::string quoted(const std::string& etag) { return etag.empty() ? "*" : "\"" + etag + "\""; }

constexpr std::size_t kBulkMax = 100;
constexpr unsigned kPageMax = 1000;

std::string device_path(const std::string& device_id) {
  return "/devices/" + percent_encode(device_id);
}

}  // namespace

struct RegistryClient::Call {
  std::string_view method;
  std::string path, body, if_match;
  std::vector<std::pair<std::string, std::string>> headers{};
};

std::string to_json(const DeviceIdentity& device) {
  json::object body;
  if (!device.document.empty()) body = parse(device.document).as_object();
  body["deviceId"] = device.device_id;
  body["status"] = device.status;
  body["statusReason"] = or_null(device.status_reason);
  json::object authentication;
  if (const auto* known = child(body, "authentication")) authentication = *known;
  if (!device.authentication_type.empty()) authentication["type"] = device.authentication_type;
  authentication["symmetricKey"] = {{"primaryKey", or_null(device.primary_key)},
                                    {"secondaryKey", or_null(device.secondary_key)}};
  authentication["x509Thumbprint"] = {
      {"primaryThumbprint", or_null(device.primary_thumbprint)},
      {"secondaryThumbprint", or_null(device.secondary_thumbprint)}};
  body["authentication"] = std::move(authentication);
  return json::serialize(body);
}

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
  std::vector<DeviceIdentity> devices;
  for (const auto& item : array_of(answer)) devices.push_back(identity(item));
  return devices;
}

DevicePage RegistryClient::list_page(unsigned size, const std::string& continuation) {
  Call request{"POST", "/devices/query", R"({"query":"SELECT * FROM devices"})", {}};
  request.headers.emplace_back("x-ms-max-item-count", std::to_string(size));
  if (!continuation.empty()) request.headers.emplace_back("x-ms-continuation", continuation);
  const auto response = exchange(request);
  throw_unless_done(response, "list devices");
  DevicePage page;
  const auto answer = parse(response.body);
  for (const auto& item : array_of(answer)) {
    page.devices.push_back(identity_of_twin(item));
  }
  page.continuation = response.header("x-ms-continuation");
  return page;
}

void RegistryClient::for_each(const std::function<bool(const DeviceIdentity&)>& visit) {
  const auto first = list(kPageMax);
  for (const auto& device : first) {
    if (!visit(device)) return;
  }
  if (first.size() < kPageMax) return;
  std::set<std::string> seen;
  for (const auto& device : first) seen.insert(device.device_id);
  std::string continuation;
  do {
    const auto page = list_page(kPageMax, continuation);
    for (const auto& device : page.devices) {
      if (!seen.contains(device.device_id) && !visit(device)) return;
    }
    continuation = page.continuation;
  } while (!continuation.empty());
}

DeviceIdentity RegistryClient::update(const DeviceIdentity& device) {
  return identity(parse(call("PUT", device_path(device.device_id), to_json(device),
                             quoted(device.etag), "update device " + device.device_id)));
}

DeviceIdentity RegistryClient::set_enabled(const std::string& device_id, bool enabled) {
  auto device = get(device_id);
  device.status = enabled ? "enabled" : "disabled";
  return update(device);
}

void RegistryClient::remove(const std::string& device_id) { remove(device_id, {}); }

void RegistryClient::remove(const std::string& device_id, const std::string& etag) {
  call("DELETE", device_path(device_id), {}, quoted(etag), "delete device " + device_id);
}

std::vector<BulkFailure> RegistryClient::create(std::span<const DeviceSpec> specs) {
  std::vector<BulkFailure> failed;
  for (; !specs.empty(); specs = specs.subspan(std::min(specs.size(), kBulkMax))) {
    json::array body;
    for (const auto& spec : specs.first(std::min(specs.size(), kBulkMax))) {
      auto entry = parse(to_json(spec)).as_object();
      entry["id"] = spec.device_id;
      entry.erase("deviceId");
      entry["importMode"] = "create";
      body.push_back(std::move(entry));
    }
    for (auto& one : bulk(json::serialize(body), "create devices"))
      failed.push_back(std::move(one));
  }
  return failed;
}

std::vector<BulkFailure> RegistryClient::remove(std::span<const std::string> device_ids) {
  std::vector<BulkFailure> failed;
  for (; !device_ids.empty();
       device_ids = device_ids.subspan(std::min(device_ids.size(), kBulkMax))) {
    json::array body;
    for (const auto& id : device_ids.first(std::min(device_ids.size(), kBulkMax))) {
      body.push_back({{"id", id}, {"importMode", "delete"}});
    }
    for (auto& one : bulk(json::serialize(body), "delete devices"))
      failed.push_back(std::move(one));
  }
  return failed;
}

std::vector<BulkFailure> RegistryClient::bulk(const std::string& body, const std::string& doing) {
  const auto response = exchange({"POST", "/devices", body, {}});
  // Failures of single devices come with a 400 whose body has the same form as a success.
  const bool some_failed = response.status == 400 &&
                           response.header("iothub-errorcode") == "BulkRegistryOperationFailure";
  if (!some_failed) throw_unless_done(response, doing);
  return failures(parse(response.body));
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
  const auto response = exchange({method, path, body, if_match});
  throw_unless_done(response, doing);
  return response.body;
}

HttpResponse RegistryClient::exchange(const Call& call) {
  HttpRequest request;
  request.method = call.method;
  request.target = call.path + (call.path.find('?') == std::string::npos ? "?" : "&");
  request.target += kApiVersion;
  request.body = call.body;
  request.headers = call.headers;
  // One token a request: they are cheap, and none is ever old.
  request.headers.emplace_back("Authorization",
                               make_sas_token(options_.connection, now(), options_.token_ttl).text);
  request.headers.emplace_back("Accept", "application/json");
  if (!request.body.empty())
    request.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  if (!call.if_match.empty()) request.headers.emplace_back("If-Match", call.if_match);
  return connection_->send(request, options_.operation_timeout);
}

}  // namespace iothub
