#include "clients/hub_client/transports/amqp_message.hpp"

#include "clients/hub_client/error.hpp"

#include <proton/annotation_key.hpp>
#include <proton/codec/map.hpp>
#include <proton/codec/vector.hpp>
#include <proton/map.hpp>
#include <proton/message_id.hpp>
#include <proton/scalar.hpp>
#include <proton/symbol.hpp>
#include <proton/timestamp.hpp>
#include <proton/uuid.hpp>

#include <array>
#include <map>
#include <string>

namespace iothub {
namespace {

constexpr const char* kCreationTime = "iothub-creation-time-utc";

std::optional<std::string> given(std::string value) {
  if (value.empty()) return std::nullopt;
  return value;
}

std::string text_of(const proton::scalar& value) {
  switch (value.type()) {
    case proton::STRING:
      return proton::get<std::string>(value);
    case proton::SYMBOL:
      return std::string{proton::get<proton::symbol>(value)};
    case proton::BINARY: {
      const auto bytes = proton::get<proton::binary>(value);
      return {bytes.begin(), bytes.end()};
    }
    case proton::TIMESTAMP:
      return format_time(TimePoint{Duration{proton::get<proton::timestamp>(value).milliseconds()}});
    default:
      return proton::to_string(value);
  }
}

std::optional<std::string> id_text(const proton::message_id& id) {
  if (id.empty()) return std::nullopt;
  switch (id.type()) {
    case proton::STRING:
      return proton::get<std::string>(id);
    case proton::BINARY: {
      const auto bytes = proton::get<proton::binary>(id);
      return std::string{bytes.begin(), bytes.end()};
    }
    default:
      return proton::to_string(id);  // uuid, ulong
  }
}

std::string key_text(const proton::annotation_key& key) {
  if (key.type() == proton::SYMBOL) return std::string{proton::get<proton::symbol>(key)};
  return proton::to_string(key);
}

// Proton throws where a type does not fit; an annotation of an odd type is not worth a message.
std::optional<std::uint64_t> number_of(const proton::scalar& value) {
  try {
    return proton::coerce<std::uint64_t>(value);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void read_annotations(const proton::message& from, ReceivedMessage& to) {
  if (from.message_annotations().empty()) return;
  std::map<proton::annotation_key, proton::value> annotations;
  proton::get(from.message_annotations().value(), annotations);
  for (const auto& [key, value] : annotations) {
    const auto name = key_text(key);
    if (value.type() > proton::SYMBOL) continue;  // not a scalar
    const proton::scalar scalar = proton::get<proton::scalar>(value);
    if (name == "x-opt-sequence-number") {
      to.sequence_number = number_of(scalar);
    } else if (name == "iothub-enqueuedtime") {
      to.enqueued_time = text_of(scalar);
    } else if (name == "iothub-deliverycount") {
      if (const auto count = number_of(scalar)) to.delivery_count = static_cast<unsigned>(*count);
    }
  }
}

}  // namespace

proton::message to_amqp(const Message& message) {
  proton::message out;
  out.inferred(true);  // a data section, not a binary value
  out.body(proton::binary{message.body});
  if (message.message_id) out.id(*message.message_id);
  if (message.correlation_id) out.correlation_id(*message.correlation_id);
  if (message.user_id) out.user(*message.user_id);
  if (message.content_type) out.content_type(*message.content_type);
  if (message.content_encoding) out.content_encoding(*message.content_encoding);
  if (message.expires_at) {
    out.expiry_time(proton::timestamp{message.expires_at->time_since_epoch().count()});
  }
  if (message.ack) out.properties().put("iothub-ack", *message.ack);
  // Not the section's own creation-time: the hub and the SDKs look here.
  if (message.created_at) out.properties().put(kCreationTime, format_time(*message.created_at));
  for (const auto& [key, value] : message.properties) out.properties().put(key, value);
  return out;
}

std::string to_amqp_batch(std::span<const Message> messages) {
  std::string out;
  for (const auto& message : messages) {
    const auto one = to_amqp(message).encode();
    out += {'\0', 'S', 'u'};  // a data section ...
    if (one.size() < 256) {
      out += '\xA0';  // ... of binary with one byte of length, or four
    } else {
      out += '\xB0';
      for (const unsigned shift : {24U, 16U, 8U}) out += static_cast<char>(one.size() >> shift);
    }
    out += static_cast<char>(one.size());
    out.append(one.begin(), one.end());
  }
  return out;
}

ReceivedMessage from_amqp(const proton::message& message) {
  ReceivedMessage out;
  out.body = body_of(message);
  out.message_id = id_text(message.id());
  out.correlation_id = id_text(message.correlation_id());
  out.user_id = given(message.user());
  out.to = given(message.to());
  out.content_type = given(message.content_type());
  out.content_encoding = given(message.content_encoding());
  if (const auto expiry = message.expiry_time().milliseconds(); expiry > 0) {
    out.expires_at = TimePoint{Duration{expiry}};
  }
  if (const auto created = message.creation_time().milliseconds(); created > 0) {
    out.created_at = TimePoint{Duration{created}};
  }
  if (!message.properties().empty()) {
    std::map<std::string, proton::scalar> properties;
    proton::get(message.properties().value(), properties);
    for (const auto& [key, value] : properties) {
      if (key == "iothub-ack") {
        out.ack = text_of(value);
      } else if (key == kCreationTime && parse_time(text_of(value))) {
        out.created_at = parse_time(text_of(value));
      } else {
        out.properties.emplace_back(key, value.empty() ? std::string{} : text_of(value));
      }
    }
  }
  read_annotations(message, out);
  return out;
}

std::string body_of(const proton::message& message) {
  const auto& body = message.body();
  switch (body.type()) {
    case proton::NULL_TYPE:
      return {};
    case proton::BINARY: {
      const auto bytes = proton::get<proton::binary>(body);
      return {bytes.begin(), bytes.end()};
    }
    case proton::STRING:
      return proton::get<std::string>(body);
    default:
      throw Error{ErrorKind::protocol_error, "the message's body is not a data section"};
  }
}

std::string lock_token_of(const proton::binary& tag) {
  // The first three groups of a GUID are little-endian.
  constexpr std::array<std::size_t, 16> kOrder{3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    if (tag.size() == 16 && (i == 4 || i == 6 || i == 8 || i == 10)) text += '-';
    const unsigned byte = tag[tag.size() == 16 ? kOrder[i] : i];
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace iothub
