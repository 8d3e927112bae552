#include "protocols/mqtt/property_bag.hpp"

#include <algorithm>

#include "emulator/core/base/encoding.hpp"

namespace mqtt {

namespace {

// What decodes to no UTF-8 stays as it was written, like an escape that is none (M-20).
std::string decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded = hub::percent_decode(text);
  if (!hub::is_valid_utf8(decoded)) return std::string(text);
  return decoded;
}

// Keys that stand for an application property with a name of its own: AMQP and HTTPS say that name,
// and one message looks the same however it came (H-81).
std::string_view application_name_of(std::string_view key) {
  if (key == "$.ctime") return hub::creation_time_property;
  if (key == "$.schema") return "iothub-message-schema";
  if (key == "$.on") return "iothub-outputname";
  return key;
}

// False: no system property of ours, so an application property.
bool set_system_property(hub::TelemetryMessage& message, std::string_view key, std::string& value) {
  hub::MessageContent& content = message.content;
  const auto id = [&value] { return value.empty() ? hub::MessageId{} : hub::MessageId::of(value); };
  if (key == "$.mid") {
    content.message_id = id();
  } else if (key == "$.cid") {
    content.correlation_id = id();
  } else if (key == "$.uid") {
    content.user_id = std::move(value);
  } else if (key == "$.to") {
    content.to = std::move(value);
  } else if (key == "$.ct") {
    content.content_type = std::move(value);
  } else if (key == "$.ce") {
    content.content_encoding = std::move(value);
  } else if (key == "$.ifid") {
    message.interface_id = std::move(value);
  } else if (key == "$.sub") {
    message.subject = std::move(value);
  } else if (key == "$.exp") {
    const auto expiry = hub::parse_iso8601(value);
    if (!expiry) return false;  // kept as text rather than lost
    content.absolute_expiry = expiry;
  } else {
    return key == "$.cdid" || key == "$.cmid";
  }
  return true;
}

// Null has no `=` (M-35).
void append_pair(std::string& topic, std::string_view key, std::optional<std::string_view> value) {
  if (topic.back() != '/') topic += '&';
  topic.append(key);
  if (value) topic.append(1, '=').append(hub::percent_encode(*value));
}

// M-35: only what has a value.
void append_system(std::string& topic, std::string_view key, std::string_view value) {
  if (!value.empty()) append_pair(topic, key, value);
}

}  // namespace

void set_property(hub::MessageContent& content, std::string_view name, std::string_view value) {
  const auto known = std::find_if(content.properties.begin(), content.properties.end(),
                                  [name](const hub::Property& p) { return p.first == name; });
  if (known != content.properties.end()) {
    known->second = std::string(value);
  } else {
    content.properties.emplace_back(name, value);
  }
}

hub::Result<void> decode_property_bag(std::string_view bag, std::size_t property_count_max,
                                      hub::TelemetryMessage& message) {
  std::size_t count = 0;
  while (!bag.empty()) {
    const auto end = bag.find('&');
    const std::string_view pair = bag.substr(0, end);
    bag = end == std::string_view::npos ? std::string_view{} : bag.substr(end + 1);
    if (pair.empty()) continue;
    if (++count > property_count_max) {
      return hub::fail(hub::HubErrc::argument_invalid,
                       "more than " + std::to_string(property_count_max) + " properties");
    }
    const auto equals = pair.find('=');
    const std::string key = decode(pair.substr(0, equals));
    std::string value =
        equals == std::string_view::npos ? std::string{} : decode(pair.substr(equals + 1));
    if (key.starts_with("$.") && set_system_property(message, key, value)) continue;
    set_property(message.content, application_name_of(key), value);
  }
  return {};
}

std::string devicebound_topic(const hub::Message& message, const hub::DeviceId& device) {
  const hub::MessageContent& content = message.content;
  std::string topic;
  topic.reserve(160);
  topic.append("devices/").append(device.text).append("/messages/devicebound/");

  if (content.absolute_expiry) {
    append_system(topic, "%24.exp", hub::to_iso8601(*content.absolute_expiry));
  }
  append_system(topic, "%24.mid", content.message_id.text);
  append_pair(
      topic, "%24.to",
      content.to.empty() ? "/devices/" + device.text + "/messages/devicebound" : content.to);
  append_system(topic, "%24.cid", content.correlation_id.text);
  append_system(topic, "%24.uid", content.user_id);
  append_system(topic, "%24.ct", content.content_type);
  append_system(topic, "%24.ce", content.content_encoding);
  if (message.ack_given) append_system(topic, "iothub-ack", hub::to_text(message.ack));
  for (const auto& [name, value] : content.properties) {
    append_pair(topic, hub::percent_encode(name), value);
  }
  return topic;
}

}  // namespace mqtt
