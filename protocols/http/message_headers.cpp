#include "protocols/http/message_headers.hpp"

#include "emulator/core/base/encoding.hpp"

#include <algorithm>

namespace http {

namespace {

constexpr std::string_view system_prefix = "iothub-";
constexpr std::string_view application_prefix = "iothub-app-";
constexpr std::uint32_t delivery_count_max = 255;  // one byte on the wire (spec/c2d.md 1.3)

// Text is UTF-8 inside the hub. What is no UTF-8 was sent by a client that writes headers in
// Latin-1, as Node's does (H-35).
std::string to_utf8(std::string_view bytes) {
  if (hub::is_valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

bool has_prefix(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && hub::iequals(name.substr(0, prefix.size()), prefix);
}

}  // namespace

void apply_header(SentHeaders& sent, std::string_view name, std::string_view value) {
  using hub::iequals;
  hub::MessageContent& content = sent.content;
  if (iequals(name, "dt-subject")) {
    sent.subject = to_utf8(value);
    return;
  }
  if (!has_prefix(name, system_prefix)) return;
  if (has_prefix(name, application_prefix)) {
    content.properties.emplace_back(to_utf8(name.substr(application_prefix.size())),
                                    to_utf8(value));
    return;
  }
  const std::string_view rest = name.substr(system_prefix.size());
  if (iequals(rest, "messageid")) {
    content.message_id = hub::MessageId::of(to_utf8(value));
  } else if (iequals(rest, "correlationid")) {
    content.correlation_id = hub::MessageId::of(to_utf8(value));
  } else if (iequals(rest, "userid")) {
    content.user_id = to_utf8(value);
  } else if (iequals(rest, "to")) {
    content.to = to_utf8(value);
  } else if (iequals(rest, "contenttype")) {
    content.content_type = to_utf8(value);
  } else if (iequals(rest, "contentencoding")) {
    content.content_encoding = to_utf8(value);
  } else if (iequals(rest, "creationtimeutc") || iequals(rest, "creation-time-utc")) {
    content.properties.emplace_back(hub::creation_time_property, to_utf8(value));
  } else if (iequals(rest, "messageschema")) {
    content.properties.emplace_back("iothub-message-schema", to_utf8(value));
  } else if (iequals(rest, "ack")) {
    sent.ack = value;
  } else if (iequals(rest, "expiry")) {
    sent.expiry = value;
  } else if (iequals(rest, "interface-id")) {
    sent.interface_id = to_utf8(value);
  }
}

SentHeaders read_headers(const RequestHead& head) {
  SentHeaders sent;
  for (const Header& header : head.headers) apply_header(sent, header.name, header.value);
  return sent;
}

hub::Result<void> check_headers(const SentHeaders& sent, const hub::Limits& limits) {
  if (sent.content.message_id.text.size() > limits.message_id_chars_max) {
    return hub::fail(hub::HubErrc::argument_invalid,
                     "iothub-messageid has " + std::to_string(sent.content.message_id.text.size()) +
                         " characters: shorten it to 128");
  }
  if (sent.content.properties.size() > limits.property_count_max) {
    return hub::fail(hub::HubErrc::argument_invalid,
                     std::to_string(sent.content.properties.size()) + " application properties: " +
                         std::to_string(limits.property_count_max) + " are allowed");
  }
  return {};
}

void write_delivery(Response& response, const hub::Delivery& delivery) {
  const hub::Message& message = *delivery.message;
  const hub::MessageContent& content = message.content;
  response.header("ETag", '"' + delivery.lock_token.to_text() + '"');
  response.header("iothub-messageid", content.message_id.text);
  response.header("iothub-sequencenumber", std::to_string(message.sequence_number));
  response.header("iothub-to", content.to);
  response.header("iothub-correlationid", content.correlation_id.text);
  response.header("iothub-userid", content.user_id);
  response.header("iothub-ack", hub::to_text(message.ack));
  response.header("iothub-deliverycount",
                  std::to_string(std::min(delivery.delivery_count, delivery_count_max)));
  response.header("iothub-enqueuedtime", hub::to_iso8601(message.enqueued_time));
  response.header("iothub-expiry", content.absolute_expiry
                                       ? hub::to_iso8601(*content.absolute_expiry)
                                       : std::string());
  // Without a hyphen: this is the message's, Content-Type is the transport's.
  if (!content.content_type.empty()) response.header("ContentType", content.content_type);
  if (!content.content_encoding.empty()) {
    response.header("ContentEncoding", content.content_encoding);
  }
  for (const auto& [name, value] : content.properties) {
    // A header has no null: it is empty.
    response.property_header(application_prefix, name, value ? *value : std::string_view{});
  }
  response.content_type = content_type_bytes;
  response.shared_body = {delivery.message, &content.body};
}

}  // namespace http
