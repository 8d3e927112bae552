#include "emulator/core/base/message.hpp"

#include <algorithm>

#include "emulator/core/base/encoding.hpp"

namespace hub {

std::string_view to_text(Ack ack) {
  switch (ack) {
    case Ack::none:
      return "none";
    case Ack::positive:
      return "positive";
    case Ack::negative:
      return "negative";
    case Ack::full:
      return "full";
  }
  assertion_failed("unknown Ack", __FILE__, __LINE__);
}

namespace {

// What the allocator takes for a block of `size`: a word before it, in steps of two words.
constexpr std::size_t block_bytes(std::size_t size) {
  constexpr std::size_t word = sizeof(std::size_t), step = 2 * word;
  return std::max(2 * step, (size + word + step - 1) / step * step);
}

std::size_t heap_bytes(const std::string& text) {
  static const std::size_t kept_inside = std::string{}.capacity();
  return text.capacity() > kept_inside ? block_bytes(text.capacity() + 1) : 0;
}

}  // namespace

std::optional<Ack> parse_ack(std::string_view text) {
  if (text.empty()) return Ack::none;
  for (const Ack ack : {Ack::none, Ack::positive, Ack::negative, Ack::full}) {
    if (iequals(text, to_text(ack))) return ack;
  }
  return std::nullopt;
}

std::string ids_of(std::span<const MessagePtr> messages) {
  constexpr std::size_t named_max = 10;
  std::string ids;
  for (const MessagePtr& message : messages.first(std::min(messages.size(), named_max))) {
    if (!ids.empty()) ids += ", ";
    ids += message->content.message_id.empty() ? "#" + std::to_string(message->sequence_number)
                                               : message->content.message_id.text;
  }
  if (messages.size() > named_max) {
    ids += " and " + std::to_string(messages.size() - named_max) + " more";
  }
  return ids;
}

std::size_t MessageContent::size() const {
  std::size_t total = body.size() + message_id.text.size() + correlation_id.text.size() +
                      user_id.size() + to.size() + content_type.size() + content_encoding.size() +
                      (absolute_expiry ? 8 : 0);
  for (const auto& [name, value] : properties) total += name.size() + (value ? value->size() : 0);
  return total;
}

std::size_t MessageContent::heap_bytes() const {
  std::size_t total = 0;
  for (const std::string* text : {&message_id.text, &correlation_id.text, &user_id, &to,
                                  &content_type, &content_encoding, &body, &amqp_bare}) {
    total += hub::heap_bytes(*text);
  }
  if (properties.capacity() > 0) total += block_bytes(properties.capacity() * sizeof(Property));
  for (const auto& [name, value] : properties) {
    total += hub::heap_bytes(name) + (value ? hub::heap_bytes(*value) : 0);
  }
  return total;
}

std::size_t TelemetryOrigin::held_bytes() const {
  return block_bytes(sizeof *this) + heap_bytes(device.text) + heap_bytes(device.module) +
         heap_bytes(auth_generation_id) + heap_bytes(auth_method) + heap_bytes(data_schema);
}

std::size_t TelemetryMessage::held_bytes() const {
  return block_bytes(sizeof *this) + content.heap_bytes() + heap_bytes(message_source) +
         heap_bytes(interface_id) + heap_bytes(subject);
}

}  // namespace hub
