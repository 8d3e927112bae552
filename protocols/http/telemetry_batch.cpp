#include "protocols/http/telemetry_batch.hpp"

#include "emulator/core/base/encoding.hpp"
#include "protocols/http/device_json.hpp"
#include "protocols/http/limits.hpp"

#include <boost/json/array.hpp>

namespace http {

namespace json = boost::json;
using hub::HubErrc;

namespace {

hub::HubError bad_message(std::size_t index, std::string_view what) {
  return hub::fail(HubErrc::iot_hub_format_error,
                   "message " + std::to_string(index) + " of the batch: " + std::string(what));
}

std::string_view to_view(json::string_view text) { return {text.data(), text.size()}; }

hub::Result<SentHeaders> parse_message(const json::value& value, std::size_t index) {
  if (!value.is_object()) return bad_message(index, "must be an object");
  const json::object& object = value.get_object();
  SentHeaders sent;

  const json::value* encoded = object.if_contains("base64Encoded");
  if (encoded != nullptr && !encoded->is_bool() && !encoded->is_null()) {
    return bad_message(index, "base64Encoded must be true or false");
  }
  const bool base64 = encoded == nullptr || encoded->is_null() || encoded->get_bool();

  const json::value* body = object.if_contains("body");
  if (body == nullptr || !body->is_string()) return bad_message(index, "body must be a string");
  const std::string_view text = to_view(body->get_string());
  if (base64) {
    auto bytes = hub::base64_decode(text);
    if (!bytes) return bad_message(index, "body is no base64");
    sent.content.body = std::move(*bytes);
  } else {
    sent.content.body = text;
  }

  const json::value* properties = object.if_contains("properties");
  if (properties == nullptr || properties->is_null()) return sent;
  if (!properties->is_object()) return bad_message(index, "properties must be an object");
  for (const auto& [name, property] : properties->get_object()) {
    if (!property.is_string()) return bad_message(index, "a property must be a string");
    apply_header(sent, to_view(name), to_view(property.get_string()));
  }
  return sent;
}

}  // namespace

hub::Result<std::vector<SentHeaders>> parse_telemetry_batch(std::string_view body) {
  const auto parsed = parse_json(body);
  if (!parsed) return parsed.error();
  if (!parsed->is_array()) {
    return hub::fail(HubErrc::iot_hub_format_error,
                     "a batch is a JSON array of messages, such as [{\"body\":\"eA==\"}]");
  }
  const json::array& array = parsed->get_array();
  if (array.size() > batch_messages_max) {
    return hub::fail(HubErrc::message_too_large,
                     std::to_string(array.size()) + " messages in a batch: send at most " +
                         std::to_string(batch_messages_max) + ", and the others in the next");
  }
  std::vector<SentHeaders> messages;
  messages.reserve(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    auto message = parse_message(array[i], i);
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  return messages;
}

}  // namespace http
