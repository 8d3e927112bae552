#include "emulator/core/message.hpp"

#include <algorithm>

#include "emulator/core/encoding.hpp"

namespace hub {

std::string_view to_text(Ack ack) {
  switch (ack) {
    case Ack::none: return "none";
    case Ack::positive: return "positive";
    case Ack::negative: return "negative";
    case Ack::full: return "full";
  }
  assertion_failed("unknown Ack", __FILE__, __LINE__);
}

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

}  // namespace hub
