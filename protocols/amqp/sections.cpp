#include "protocols/amqp/sections.hpp"

namespace amqp {

namespace {

hub::HubError malformed(std::string detail) {
  return hub::fail(hub::HubErrc::iot_hub_format_error, std::move(detail));
}

// One more of a section that may come once; false if it came before.
bool set_once(std::optional<Value>& section, const Value& value) {
  if (section) return false;
  section = value;
  return true;
}

}  // namespace

hub::Result<Sections> scan_sections(std::string_view message) {
  Sections out;
  Reader reader(message);
  // Where the bare message starts, and whether it has stayed in the order that can be forwarded.
  std::optional<std::size_t> bare_at;
  std::uint64_t last_code = 0;
  bool in_order = true;
  while (!reader.empty()) {
    const std::size_t at = message.size() - reader.rest().size();
    Reader checked = reader;
    std::uint64_t code = 0;
    Value value;
    if (!checked.skip() || !reader.read_descriptor(code) || !reader.read(value)) {
      return malformed("the message is not well-formed AMQP");
    }
    in_order = in_order && code >= last_code;
    last_code = code;
    const auto section = static_cast<Descriptor>(code);
    bool ok = true;
    switch (section) {
      case Descriptor::header:
        ok = value.type == Type::list;
        break;
      case Descriptor::delivery_annotations:
        ok = value.type == Type::map;
        break;
      case Descriptor::message_annotations:
        ok = value.type == Type::map && set_once(out.message_annotations, value);
        break;
      case Descriptor::properties:
        ok = value.type == Type::list && set_once(out.properties, value);
        break;
      case Descriptor::application_properties:
        ok = value.type == Type::map && set_once(out.application_properties, value);
        break;
      case Descriptor::data:
        ok = value.type == Type::binary && !out.amqp_value && !out.has_sequence;
        out.data.push_back(value.bytes);
        break;
      case Descriptor::amqp_sequence:
        ok = value.type == Type::list && !out.amqp_value && out.data.empty();
        out.has_sequence = true;
        break;
      case Descriptor::amqp_value:
        ok = out.data.empty() && !out.has_sequence && set_once(out.amqp_value, value);
        break;
      case Descriptor::footer:
        ok = value.type == Type::map;
        in_order = false;
        break;
      default:
        return malformed("the message has a section with descriptor " + std::to_string(code));
    }
    if (!ok) {
      return malformed("the section with descriptor " + std::to_string(code) +
                       " has a wrong type, is repeated or does not go with the others");
    }
    if (!bare_at && code >= static_cast<std::uint64_t>(Descriptor::properties)) bare_at = at;
  }
  if (in_order && bare_at && out.data.size() == 1) out.bare = message.substr(*bare_at);
  return out;
}

std::optional<std::string_view> find_text(const std::optional<Value>& map, std::string_view key) {
  if (!map) return std::nullopt;
  Reader reader(map->bytes);
  for (std::uint32_t i = 0; i + 1 < map->count; i += 2) {
    Value name;
    if (!reader.read(name)) return std::nullopt;
    if (name.text() == key) {
      Value value;
      return reader.read(value) ? value.text() : std::nullopt;
    }
    if (!reader.skip()) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace amqp
