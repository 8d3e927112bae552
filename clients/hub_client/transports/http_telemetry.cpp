#include "clients/hub_client/transports/http_telemetry.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

#include <boost/json.hpp>

namespace iothub {

namespace json = boost::json;

std::vector<std::pair<std::string, std::string>> telemetry_headers(const Message& message) {
  std::vector<std::pair<std::string, std::string>> headers;
  const auto add = [&](const char* name, const std::optional<std::string>& value) {
    if (value) headers.emplace_back(name, *value);
  };
  const auto add_time = [&](const char* name, const std::optional<TimePoint>& value) {
    if (value) headers.emplace_back(name, format_time(*value));
  };
  add("iothub-messageid", message.message_id);
  add("iothub-correlationid", message.correlation_id);
  add("iothub-userid", message.user_id);
  add("iothub-contenttype", message.content_type);
  add("iothub-contentencoding", message.content_encoding);
  add_time("iothub-expiry", message.expires_at);
  add_time("iothub-creation-time-utc", message.created_at);
  for (const auto& [key, value] : message.properties) {
    headers.emplace_back("iothub-app-" + key, value);
  }
  return headers;
}

std::string to_http_batch(std::span<const Message> messages) {
  json::array batch;
  for (const auto& message : messages) {
    json::object properties;
    for (const auto& [name, value] : telemetry_headers(message)) {
      if (!is_utf8(name) || !is_utf8(value)) {
        throw Error{ErrorKind::invalid_argument,
                    "a property that is not UTF-8 cannot be sent in a batch over HTTPS"};
      }
      properties[name] = value;
    }
    batch.push_back({{"body", base64_encode(message.body)},
                     {"base64Encoded", true},
                     {"properties", std::move(properties)}});
  }
  return json::serialize(batch);
}

}  // namespace iothub
