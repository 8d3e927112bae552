#include "protocols/amqp/frame_guard.hpp"

#include <algorithm>

#include "protocols/amqp/codec.hpp"
#include "protocols/amqp/full_length.hpp"

namespace amqp {

namespace {

constexpr std::size_t header_bytes = 8;
constexpr std::size_t frame_header_bytes = 8;
constexpr std::size_t frame_bytes_min = 512;  // AMQP 1.0 part 2, 2.4.1
constexpr std::string_view magic = "AMQP";

constexpr const char* framing_error = "amqp:connection:framing-error";
constexpr const char* decode_error = "amqp:decode-error";
constexpr const char* invalid_field = "amqp:invalid-field";

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace

// The fields of a performative in order; absent ones at the end read as null.
class FrameGuard::Fields {
 public:
  explicit Fields(const Value& list) : reader_(list.bytes), left_(list.count) {}

  std::optional<std::uint32_t> number(Type type) {
    Reader ahead = reader_;  // a described value is no number, and is passed by all the same
    skip();
    Value value;
    if (!ahead.read(value) || value.type != type) return std::nullopt;
    return static_cast<std::uint32_t>(value.bits);
  }
  bool flag() { return number(Type::boolean).value_or(0) != 0; }
  // Whether the next `wanted` fields are there: neither left out nor null.
  bool given(std::uint32_t wanted) const {
    if (left_ < wanted) return false;
    Reader ahead = reader_;
    for (; wanted > 0; --wanted) {
      Reader field = ahead;
      Value value;
      if (field.read(value) && value.is_null()) return false;
      (void)ahead.skip();
    }
    return true;
  }
  std::string_view rest() const { return reader_.rest(); }
  void skip() {
    if (left_ == 0) return;
    --left_;
    (void)reader_.skip();  // the whole list was checked before
  }

 private:
  Reader reader_;
  std::uint32_t left_;
};

void FrameGuard::forget(const IncomingLink& link) {
  --link_count_;
  unfinished_bytes_ -= link.unfinished_bytes;
  attach_bytes_ -= link.attach_bytes;
}

std::size_t FrameGuard::held_bytes() const {
  // What Proton and the hub allocate for one, measured; names and termini are kept on both sides.
  constexpr std::size_t session_bytes = 3500;
  constexpr std::size_t link_bytes = 3000;
  return partial_.size() + 2 * open_bytes_ + session_bytes * channels_.size() +
         link_bytes * link_count_ + 3 * attach_bytes_ + unfinished_bytes_;
}

bool FrameGuard::fail(const char* condition, std::string description) {
  if (fault_.condition == nullptr) fault_ = {condition, std::move(description), false};
  return false;
}

std::string_view FrameGuard::next(std::string_view& input) {
  if (fault_.condition != nullptr) return {};
  std::string().swap(whole_);  // an idle connection keeps no large buffer
  if (partial_.empty()) {
    const std::size_t size = unit_size(input);
    if (fault_.condition != nullptr) return {};
    if (size != 0 && size <= input.size()) {
      std::string_view unit = input.substr(0, size);
      input.remove_prefix(size);
      return check(unit) ? unit : std::string_view{};
    }
  }
  while (!input.empty()) {
    const std::size_t wanted = partial_.size() < magic.size() ? magic.size() : unit_size(partial_);
    if (fault_.condition != nullptr) return {};
    const std::size_t taken = std::min(wanted - partial_.size(), input.size());
    partial_.append(input.substr(0, taken));
    input.remove_prefix(taken);
    const std::size_t size = unit_size(partial_);
    if (fault_.condition != nullptr) return {};
    if (size != 0 && size == partial_.size()) {
      whole_.swap(partial_);
      std::string_view unit = whole_;
      return check(unit) ? unit : std::string_view{};
    }
  }
  return {};
}

std::size_t FrameGuard::unit_size(std::string_view begin) {
  const std::string_view first = begin.substr(0, magic.size());
  if (phase_ == Phase::start && first != magic.substr(0, first.size())) {
    fail(framing_error, "the first bytes are no AMQP protocol header");
    fault_.bad_header = true;
    return 0;
  }
  if (first.size() < magic.size()) return 0;
  // As a size this would be a frame of a gigabyte.
  if (first == magic) return header_bytes;
  const std::uint32_t size = big_endian(first);
  if (size < frame_header_bytes || size > frame_bytes_max) {
    fail(framing_error, "a frame of " + std::to_string(size) + " bytes; 8 to 65536 are allowed");
    return 0;
  }
  return size;
}

bool FrameGuard::check(std::string_view& unit) {
  if (unit.substr(0, magic.size()) == magic) return check_header(unit);
  const std::size_t body_at = std::size_t{4} * static_cast<std::uint8_t>(unit[4]);
  const auto type = static_cast<std::uint8_t>(unit[5]);
  const auto channel = static_cast<std::uint16_t>(big_endian(unit.substr(6, 2)));
  if (body_at < frame_header_bytes || body_at > unit.size()) {
    return fail(framing_error, "the data offset of a frame lies outside it");
  }
  if (type != (phase_ == Phase::sasl ? 1 : 0)) {
    return fail(framing_error, "a frame of type " + std::to_string(type) + " at the wrong time");
  }
  if (body_at == unit.size()) {
    return phase_ == Phase::amqp || fail(framing_error, "an empty frame inside SASL");
  }
  return check_performative(channel, unit, body_at);
}

bool FrameGuard::check_header(std::string_view unit) {
  const auto id = static_cast<std::uint8_t>(unit[4]);
  const bool version_1_0 = unit.substr(5) == std::string_view("\1\0\0", 3);
  if (phase_ == Phase::start && (!version_1_0 || (id != 0 && id != 3))) {
    fail(framing_error, "the client's protocol header is neither AMQP 1.0 nor SASL");
    fault_.bad_header = true;
    return false;
  }
  const bool allowed =
      version_1_0 && ((id == 3 && phase_ == Phase::start) || (id == 0 && phase_ != Phase::amqp));
  if (!allowed) return fail(framing_error, "a protocol header at the wrong time");
  phase_ = id == 3 ? Phase::sasl : Phase::amqp;
  return true;
}

bool FrameGuard::check_performative(std::uint16_t channel, std::string_view& unit,
                                    std::size_t body_at) {
  const std::string_view body = unit.substr(body_at);
  std::uint64_t code = 0;
  Value list;
  Reader whole(body);
  if (!whole.skip()) return fail(decode_error, "a frame body is no well-formed AMQP value");
  Reader reader(body);
  if (!reader.read_descriptor(code) || !reader.read(list) || list.type != Type::list) {
    return fail(decode_error, "a frame body is no performative");
  }
  if (phase_ == Phase::sasl) return true;
  const auto performative = static_cast<Descriptor>(code);
  if (open_seen_ == (performative == Descriptor::open)) {
    return fail("amqp:not-allowed", open_seen_ ? "a second open" : "a frame before open");
  }
  Fields fields(list);
  switch (performative) {
    case Descriptor::open:
      open_seen_ = true;
      return on_open(unit, fields);
    case Descriptor::begin:
      return on_begin(channel, fields);
    case Descriptor::attach:
      return on_attach(channel, fields, body.size());
    case Descriptor::transfer:
      return on_transfer(channel, fields, whole.rest().size());
    case Descriptor::detach:
      return on_detach(channel, fields);
    case Descriptor::end:
      if (const auto found = channels_.find(channel); found != channels_.end()) {
        for (const auto& [handle, link] : found->second.links) forget(link);
        channels_.erase(found);
      }
      return true;
    case Descriptor::flow:
      fields.skip();  // next-incoming-id
      return fields.given(3) || fail(invalid_field, "a flow without the session's windows");
    case Descriptor::disposition:
      return fields.given(2) || fail(invalid_field, "a disposition without role or first");
    case Descriptor::close:
      return true;  // Proton checks it well, and what else these have
    default:
      return fail(decode_error, "an unknown performative");
  }
}

bool FrameGuard::on_open(std::string_view& unit, Fields& fields) {
  if (!fields.given(1)) return fail(invalid_field, "an open without a container-id");
  open_bytes_ = unit.size();
  fields.skip();
  fields.skip();  // hostname
  const auto at = static_cast<std::size_t>(fields.rest().data() - unit.data());
  const auto size = fields.number(Type::uint);
  if (!size) return true;
  peer_frame_bytes_max_ = std::max<std::size_t>(*size, frame_bytes_min);
  constexpr char uint32_format = 0x70;
  const std::size_t told = peer_frame_bytes_max_ - FullLength::growth_max;
  if (unit[at] != uint32_format || told < frame_bytes_min) return true;
  std::string changed(unit);
  for (std::size_t i = 0; i < 4; ++i) changed[at + 1 + i] = static_cast<char>(told >> (24 - 8 * i));
  whole_ = std::move(changed);
  unit = whole_;
  return true;
}

bool FrameGuard::on_begin(std::uint16_t channel, Fields& fields) {
  if (fields.number(Type::ushort)) {
    return fail("amqp:not-allowed", "a begin that answers one the hub never sent");
  }
  if (!fields.given(3)) return fail(invalid_field, "a begin without next-outgoing-id or windows");
  if (channels_.size() >= sessions_max && !channels_.contains(channel)) {
    return fail("amqp:resource-limit-exceeded",
                "more than " + std::to_string(sessions_max) + " sessions on one connection");
  }
  if (!channels_.try_emplace(channel).second) {
    return fail("amqp:not-allowed", "channel " + std::to_string(channel) + " is in use");
  }
  return true;
}

bool FrameGuard::on_attach(std::uint16_t channel, Fields& fields, std::size_t frame_bytes) {
  if (!fields.given(1)) return fail(invalid_field, "an attach without a name");
  fields.skip();
  const auto handle = fields.number(Type::uint);
  const bool peer_receives = fields.flag();  // role
  const auto found = channels_.find(channel);
  if (!handle || found == channels_.end()) {
    return fail("amqp:not-allowed", "an attach without a handle or outside a session");
  }
  if (*handle > FullLength::handle_max) {
    return fail(framing_error, "handle " + std::to_string(*handle) + " is above the handle-max " +
                                   std::to_string(FullLength::handle_max));
  }
  if (link_count_ >= links_max) {
    return fail("amqp:resource-limit-exceeded",
                "more than " + std::to_string(links_max) + " links on one connection");
  }
  const auto [link, is_new] = found->second.links.try_emplace(*handle);
  if (!is_new) {
    return fail("amqp:session:handle-in-use", "handle " + std::to_string(*handle) + " is in use");
  }
  link->second.peer_receives = peer_receives;
  link->second.attach_bytes = frame_bytes;
  attach_bytes_ += frame_bytes;
  ++link_count_;
  return true;
}

bool FrameGuard::on_transfer(std::uint16_t channel, Fields& fields, std::size_t payload_bytes) {
  const auto handle = fields.number(Type::uint);
  const auto session = channels_.find(channel);
  if (!handle || session == channels_.end()) {
    return fail("amqp:not-allowed", "a transfer without a handle or outside a session");
  }
  const auto found = session->second.links.find(*handle);
  if (found == session->second.links.end()) {
    return fail("amqp:session:unattached-handle",
                "a transfer on handle " + std::to_string(*handle) + ", which is not attached");
  }
  IncomingLink& link = found->second;
  if (link.peer_receives) {
    return fail("amqp:not-allowed", "a transfer on a link whose sender is the hub");
  }
  const auto delivery_id = fields.number(Type::uint);
  fields.skip();  // delivery-tag
  const auto message_format = fields.number(Type::uint);
  fields.skip();  // settled
  const bool more = fields.flag();
  fields.skip();  // rcv-settle-mode
  fields.skip();  // state
  fields.skip();  // resume
  const bool aborted = fields.flag();
  if (!link.more) {
    if (!delivery_id) return fail(invalid_field, "a delivery without a delivery-id");
    link.message_format = message_format.value_or(0);
  }
  link.more = more && !aborted;
  message_format_ = link.message_format;
  unfinished_bytes_ -= link.unfinished_bytes;
  link.unfinished_bytes =
      link.more ? std::min(link.unfinished_bytes + payload_bytes, message_bytes_max) : 0;
  unfinished_bytes_ += link.unfinished_bytes;
  if (unfinished_bytes_ > unfinished_bytes_max) {
    return fail("amqp:resource-limit-exceeded",
                "more than 16 MiB of messages that have begun and not ended");
  }
  return true;
}

bool FrameGuard::on_detach(std::uint16_t channel, Fields& fields) {
  const auto handle = fields.number(Type::uint);
  const auto found = channels_.find(channel);
  if (!handle || found == channels_.end() || !found->second.links.contains(*handle)) {
    return fail("amqp:session:unattached-handle", "a detach of a link that is not attached");
  }
  const auto link = found->second.links.find(*handle);
  forget(link->second);
  found->second.links.erase(link);
  return true;
}

}  // namespace amqp
