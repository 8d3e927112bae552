#include "clients/hub_client/property_bag.hpp"

#include "clients/hub_client/encoding.hpp"

namespace iothub {
namespace {

class Writer {
 public:
  void add(std::string_view key, std::string_view value) {
    if (!bag_.empty()) bag_ += '&';
    bag_ += percent_encode(key);
    bag_ += '=';
    bag_ += percent_encode(value);
  }
  void add(std::string_view key, const std::optional<std::string>& value) {
    if (value) add(key, std::string_view{*value});
  }
  std::string take() { return std::move(bag_); }

 private:
  std::string bag_;
};

void set(Message& message, std::string key, std::string value) {
  if (key == "$.mid") {
    message.message_id = std::move(value);
  } else if (key == "$.cid") {
    message.correlation_id = std::move(value);
  } else if (key == "$.uid") {
    message.user_id = std::move(value);
  } else if (key == "$.to") {
    message.to = std::move(value);
  } else if (key == "$.ct") {
    message.content_type = std::move(value);
  } else if (key == "$.ce") {
    message.content_encoding = std::move(value);
  } else if (key == "iothub-ack") {
    message.ack = std::move(value);
  } else if (key == "$.exp" && parse_time(value)) {
    message.expires_at = parse_time(value);
  } else if ((key == "$.ctime" || key == "iothub-creation-time-utc") && parse_time(value)) {
    message.created_at = parse_time(value);
  } else {
    message.properties.emplace_back(std::move(key), std::move(value));
  }
}

}  // namespace

std::string encode_property_bag(const Message& message) {
  Writer out;
  out.add("$.mid", message.message_id);
  out.add("$.cid", message.correlation_id);
  out.add("$.uid", message.user_id);
  out.add("$.ct", message.content_type);
  out.add("$.ce", message.content_encoding);
  if (message.expires_at) out.add("$.exp", std::string_view{format_time(*message.expires_at)});
  if (message.created_at) out.add("$.ctime", std::string_view{format_time(*message.created_at)});
  for (const auto& [key, value] : message.properties) out.add(key, std::string_view{value});
  return out.take();
}

void decode_property_bag(std::string_view bag, Message& message) {
  while (!bag.empty()) {
    const auto end = bag.find('&');
    const auto pair = bag.substr(0, end);
    bag = end == std::string_view::npos ? std::string_view{} : bag.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto value =
        equals == std::string_view::npos ? std::string{} : percent_decode(pair.substr(equals + 1));
    set(message, percent_decode(pair.substr(0, equals)), std::move(value));
  }
}

}  // namespace iothub
