#include "protocols/amqp/message_map.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "emulator/core/base/encoding.hpp"

namespace amqp {

namespace {

using hub::HubErrc;
using hub::MessageId;

constexpr std::string_view ack_key = "iothub-ack";
constexpr std::size_t properties_fields_max = 13;
constexpr std::size_t application_properties_max = 1000;  // a bound on the loop, as in Limits

hub::HubError malformed(std::string detail) {
  return hub::fail(HubErrc::iot_hub_format_error, std::move(detail));
}

template <class T>
std::string decimal(T value) {
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  HUB_ASSERT(error == std::errc{});
  return {buffer.data(), end};
}

std::string uuid_text(std::string_view bytes) {
  hub::LockToken guid;  // the same sixteen bytes in text order
  for (std::size_t i = 0; i < guid.bytes.size(); ++i) {
    guid.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
  }
  return guid.to_text();
}

std::string utf8(std::uint32_t c) {
  const auto unit = [](std::uint32_t bits) { return static_cast<char>(bits); };
  if (c < 0x80) return {unit(c)};
  if (c < 0x800) return {unit(0xc0 | c >> 6), unit(0x80 | (c & 0x3f))};
  if (c < 0x10000) {
    return {unit(0xe0 | c >> 12), unit(0x80 | (c >> 6 & 0x3f)), unit(0x80 | (c & 0x3f))};
  }
  return {unit(0xf0 | (c >> 18 & 0x07)), unit(0x80 | (c >> 12 & 0x3f)),
          unit(0x80 | (c >> 6 & 0x3f)), unit(0x80 | (c & 0x3f))};
}

// A simple value as text: application properties other than strings are stringified.
std::optional<std::string> text_of(const Value& value) {
  switch (value.type) {
    case Type::null:
      return std::string();
    case Type::boolean:
      return value.bits != 0 ? "true" : "false";
    case Type::ubyte:
    case Type::ushort:
    case Type::uint:
    case Type::ulong:
      return decimal(value.bits);
    case Type::byte:
    case Type::short_:
    case Type::int_:
    case Type::long_:
      return decimal(static_cast<std::int64_t>(value.bits));
    case Type::float_:
      return decimal(std::bit_cast<float>(static_cast<std::uint32_t>(value.bits)));
    case Type::double_:
      return decimal(std::bit_cast<double>(value.bits));
    case Type::character:
      return utf8(static_cast<std::uint32_t>(value.bits));
    case Type::timestamp: {
      // Beyond the year 9999 there is no ISO text; the number is all that can be said.
      const auto ms = static_cast<std::int64_t>(value.bits);
      constexpr std::int64_t year_9999 = 253'402'300'799'000;
      if (ms < 0 || ms > year_9999) return decimal(ms);
      return hub::to_iso8601(hub::from_unix_ms(ms));
    }
    case Type::uuid:
      return uuid_text(value.bytes);
    case Type::binary:
      return hub::is_valid_utf8(value.bytes) ? std::string(value.bytes)
                                             : hub::base64_encode(value.bytes);
    case Type::string:
    case Type::symbol:
      return std::string(value.bytes);
    case Type::decimal:
    case Type::list:
    case Type::map:
    case Type::array:
      return std::nullopt;
  }
  hub::assertion_failed("unknown Type", __FILE__, __LINE__);
}

std::optional<MessageId> read_message_id(const Value& value) {
  switch (value.type) {
    case Type::null:
      return MessageId{};
    case Type::string:
      if (!hub::is_valid_utf8(value.bytes)) return std::nullopt;
      return MessageId{MessageId::Type::string, std::string(value.bytes)};
    case Type::ulong:
      return MessageId{MessageId::Type::ulong, decimal(value.bits)};
    case Type::uuid:
      return MessageId{MessageId::Type::uuid, uuid_text(value.bytes)};
    case Type::binary:
      return MessageId{MessageId::Type::binary, std::string(value.bytes)};
    default:
      return std::nullopt;
  }
}

// The fields of the properties section by position (AMQP 1.0 part 3, 3.2.4).
struct Properties {
  enum Field : std::size_t {
    message_id,
    user_id,
    to,
    subject,
    reply_to,
    correlation_id,
    content_type,
    content_encoding,
    absolute_expiry_time,
    creation_time,
    group_id,
    group_sequence,
    reply_to_group_id,
  };
  std::array<Value, properties_fields_max> fields{};

  const Value& operator[](Field field) const { return fields[field]; }
  bool has_any(std::initializer_list<Field> list) const {
    for (const Field field : list) {
      if (!fields[field].is_null()) return true;
    }
    return false;
  }
};

hub::Result<Properties> read_properties(const Sections& sections) {
  Properties out;
  if (!sections.properties) return out;
  if (sections.properties->count > properties_fields_max) {
    return malformed("the properties section has too many fields");
  }
  Reader reader(sections.properties->bytes);
  for (std::uint32_t i = 0; i < sections.properties->count; ++i) {
    if (!reader.read(out.fields[i]))
      return malformed("a field of the properties is no plain value");
  }
  return out;
}

hub::Result<Ids> ids_of(const Properties& properties) {
  auto message_id = read_message_id(properties[Properties::message_id]);
  auto correlation_id = read_message_id(properties[Properties::correlation_id]);
  if (!message_id || !correlation_id) {
    return malformed("message-id and correlation-id are string, ulong, uuid or binary");
  }
  return Ids{*std::move(message_id), *std::move(correlation_id)};
}

// Takes text out of a field that should be `type`; what is close enough is accepted but keeps the
// message from being forwarded as it is.
bool read_text(const Value& value, Type type, std::string& out, bool& as_is) {
  if (value.is_null()) return true;
  if (value.type != type) as_is = false;
  if (!value.text() && value.type != Type::binary) return false;
  out.assign(value.bytes);
  return true;
}

hub::Result<std::optional<hub::Ack>> read_application_properties(const Sections& sections,
                                                                 Direction direction,
                                                                 hub::MessageContent& content,
                                                                 bool& as_is) {
  std::optional<hub::Ack> ack;
  if (!sections.application_properties) return ack;
  const Value& map = *sections.application_properties;
  if (map.count / 2 > application_properties_max)
    return malformed("too many application properties");
  auto& properties = content.properties;
  properties.reserve(map.count / 2);
  std::optional<std::size_t> plain_ack;  // a property `ack`, which may be meant or may not (9.15)
  Reader reader(map.bytes);
  for (std::uint32_t i = 0; i < map.count; i += 2) {
    Value name;
    Value value;
    if (!reader.read(name) || !name.text()) {
      return malformed("the name of an application property is no string");
    }
    if (!reader.read(value)) return malformed("an application property is no plain value");
    auto text = value.is_null() ? hub::PropertyValue() : text_of(value);
    if (!text && !value.is_null()) {
      return malformed("application property " + std::string(name.bytes) + " is no simple value");
    }
    if (!hub::is_valid_utf8(name.bytes) || (text && !hub::is_valid_utf8(*text))) {
      return malformed("an application property is not valid UTF-8");
    }
    as_is = as_is && name.type == Type::string && value.type == Type::string;
    if (direction == Direction::cloud_to_device && hub::iequals(name.bytes, ack_key)) {
      ack = hub::parse_ack(text.value_or(""));
      if (!ack) {
        return hub::fail(HubErrc::argument_invalid,
                         "iothub-ack is none, positive, negative or full");
      }
      as_is = as_is && name.bytes == ack_key && text == hub::to_text(*ack);
      continue;
    }
    if (direction == Direction::cloud_to_device && name.bytes == "ack")
      plain_ack = properties.size();
    properties.emplace_back(name.bytes, std::move(text));
  }
  if (plain_ack && !ack) {
    // Python programs pass `ack` as it is (spec/amqp.md 4.3); anything else there is the user's
    // own.
    const auto at = properties.begin() + static_cast<std::ptrdiff_t>(*plain_ack);
    if (at->second && !at->second->empty()) ack = hub::parse_ack(*at->second);
    if (ack) {
      properties.erase(at);
      as_is = false;
    }
  }
  return ack;
}

hub::Result<void> read_body(const Sections& sections, std::string& body) {
  if (sections.has_sequence) {
    return hub::fail(HubErrc::feature_not_supported, "bodies of type amqp-sequence");
  }
  if (sections.amqp_value) {
    auto text = sections.amqp_value->type == Type::binary
                    ? std::optional(std::string(sections.amqp_value->bytes))
                    : text_of(*sections.amqp_value);
    if (!text) return hub::fail(HubErrc::feature_not_supported, "bodies that are maps or lists");
    body = std::move(*text);
    return {};
  }
  for (const std::string_view data : sections.data) body.append(data);
  return {};
}

}  // namespace

hub::Result<Ids> read_ids(const Sections& sections) {
  const auto properties = read_properties(sections);
  if (!properties) return properties.error();
  return ids_of(*properties);
}

hub::Result<std::optional<hub::Ack>> read_message(const Sections& sections, Direction direction,
                                                  hub::MessageContent& content) {
  bool as_is = direction == Direction::cloud_to_device && !sections.bare.empty();

  const auto properties = read_properties(sections);
  if (!properties) return properties.error();
  const Properties& p = *properties;
  auto ids = ids_of(p);
  if (!ids) return ids.error();
  content.message_id = std::move(ids->message_id);
  content.correlation_id = std::move(ids->correlation_id);
  const bool texts =
      read_text(p[Properties::user_id], Type::binary, content.user_id, as_is) &&
      read_text(p[Properties::to], Type::string, content.to, as_is) &&
      read_text(p[Properties::content_type], Type::symbol, content.content_type, as_is) &&
      read_text(p[Properties::content_encoding], Type::symbol, content.content_encoding, as_is);
  if (!texts || !hub::is_valid_utf8(content.to) || !hub::is_valid_utf8(content.content_type) ||
      !hub::is_valid_utf8(content.content_encoding)) {
    return malformed("a field of the properties section has a wrong type");
  }
  if (const Value& expiry = p[Properties::absolute_expiry_time]; !expiry.is_null()) {
    if (expiry.type != Type::timestamp) return malformed("absolute-expiry-time is no timestamp");
    content.absolute_expiry = hub::from_unix_ms(static_cast<std::int64_t>(expiry.bits));
  }
  // What would not survive a restart is not forwarded either: every delivery shows the same
  // (C2D-20).
  if (p.has_any({Properties::subject, Properties::reply_to, Properties::creation_time,
                 Properties::group_id, Properties::group_sequence,
                 Properties::reply_to_group_id})) {
    as_is = false;
  }
  auto ack = read_application_properties(sections, direction, content, as_is);
  if (!ack) return ack;
  if (const Value& created = p[Properties::creation_time]; created.type == Type::timestamp) {
    const auto is_creation_time = [](const hub::Property& property) {
      return property.first == hub::creation_time_property;
    };
    if (std::none_of(content.properties.begin(), content.properties.end(), is_creation_time)) {
      content.properties.emplace_back(hub::creation_time_property, text_of(created));
    }
  }
  if (const auto read = read_body(sections, content.body); !read) return read.error();
  if (as_is) content.amqp_bare.assign(sections.bare);
  return ack;
}

// ---- encoding ----------------------------------------------------------------------------------

void append_message_id(Writer& writer, const MessageId& id) {
  switch (id.type) {
    case MessageId::Type::none:
      return writer.null();
    case MessageId::Type::string:
      return writer.string(id.text);
    case MessageId::Type::binary:
      return writer.binary(id.text);
    case MessageId::Type::ulong: {
      std::uint64_t number = 0;
      const auto [end, error] =
          std::from_chars(id.text.data(), id.text.data() + id.text.size(), number);
      HUB_ASSERT(error == std::errc{} && end == id.text.data() + id.text.size());
      return writer.uint64(number);
    }
    case MessageId::Type::uuid: {
      const auto guid = hub::LockToken::from_text(id.text);
      HUB_ASSERT(guid.has_value());
      return writer.uuid({reinterpret_cast<const char*>(guid->bytes.data()), guid->bytes.size()});
    }
  }
  hub::assertion_failed("unknown MessageId::Type", __FILE__, __LINE__);
}

namespace {

void append_bare(std::string& out, const hub::Message& message) {
  const hub::MessageContent& content = message.content;
  const auto optional_symbol = [](Writer& writer, const std::string& text) {
    text.empty() ? writer.null() : writer.symbol(text);
  };
  Writer writer(out);
  writer.descriptor(Descriptor::properties);
  const std::size_t properties = writer.begin_list(9);
  append_message_id(writer, content.message_id);
  content.user_id.empty() ? writer.null() : writer.binary(content.user_id);
  content.to.empty() ? writer.null() : writer.string(content.to);
  writer.null();  // subject
  writer.null();  // reply-to
  append_message_id(writer, content.correlation_id);
  optional_symbol(writer, content.content_type);
  optional_symbol(writer, content.content_encoding);
  content.absolute_expiry ? writer.timestamp(hub::to_unix_ms(*content.absolute_expiry))
                          : writer.null();
  writer.end(properties);

  const std::size_t count = content.properties.size() + (message.ack_given ? 1 : 0);
  if (count != 0) {
    writer.descriptor(Descriptor::application_properties);
    const std::size_t map = writer.begin_map(static_cast<std::uint32_t>(2 * count));
    for (const auto& [name, value] : content.properties) {
      writer.string(name);
      value ? writer.string(*value) : writer.null();
    }
    if (message.ack_given) {
      writer.string(ack_key);
      writer.string(hub::to_text(message.ack));
    }
    writer.end(map);
  }
  writer.descriptor(Descriptor::data);
  writer.binary(content.body);
}

}  // namespace

void append_delivery(std::string& out, const hub::Delivery& delivery) {
  const hub::Message& message = *delivery.message;
  out.reserve(out.size() + 512 +
              std::max(message.content.size(), message.content.amqp_bare.size()));
  Writer writer(out);
  writer.descriptor(Descriptor::message_annotations);
  const std::size_t map = writer.begin_map(8);
  writer.symbol("x-opt-sequence-number");
  writer.uint64(message.sequence_number);
  writer.symbol("iothub-enqueuedtime");
  writer.timestamp(hub::to_unix_ms(message.enqueued_time));
  writer.symbol("iothub-deliverycount");
  writer.ubyte(static_cast<std::uint8_t>(std::min<std::uint32_t>(delivery.delivery_count, 0xff)));
  writer.symbol("x-opt-lock-token");
  writer.string(delivery.lock_token.to_text());
  writer.end(map);
  if (!message.content.amqp_bare.empty()) {
    out.append(message.content.amqp_bare);
  } else {
    append_bare(out, message);
  }
}

}  // namespace amqp
