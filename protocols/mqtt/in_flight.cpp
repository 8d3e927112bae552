#include "protocols/mqtt/in_flight.hpp"

#include <algorithm>

#include "emulator/core/base/error.hpp"

namespace mqtt {

namespace {
// A bound for a device that never acknowledges while messages expire or are purged. Well above what
// a queue can have locked, so what goes is not there any more.
constexpr std::size_t entries_kept_max = 256;
constexpr std::uint64_t packet_id_mask = 0x3FFF;
}  // namespace

// M-38: the same message has the same packet id on every connection, unless another one has it now.
std::uint16_t InFlight::free_packet_id(hub::SequenceNumber sequence) const {
  auto id = static_cast<std::uint16_t>((sequence & packet_id_mask) + 1);
  const auto is_taken = [this](std::uint16_t candidate) {
    return std::any_of(entries_.begin(), entries_.end(),
                       [candidate](const Entry& e) { return e.packet_id == candidate; });
  };
  for (std::size_t tries = 0; is_taken(id); ++tries) {
    HUB_ASSERT(tries <= entries_.size());
    if (++id == 0) id = 1;
  }
  return id;
}

InFlight::Added InFlight::add(const hub::Delivery& delivery, TimePoint lost_at, TimePoint now) {
  const hub::SequenceNumber sequence = delivery.message->sequence_number;
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [sequence](const Entry& e) { return e.sequence == sequence; });
  if (known != entries_.end()) {
    known->token = delivery.lock_token;
    known->lost_at = lost_at;
    return {known->packet_id, true, known->state != State::published};
  }
  if (entries_.size() >= entries_kept_max) {
    std::erase_if(entries_, [now](const Entry& e) { return e.lost(now); });
    if (entries_.size() >= entries_kept_max) entries_.erase(entries_.begin());
  }
  const std::uint16_t packet_id = free_packet_id(sequence);
  entries_.push_back({sequence, delivery.lock_token, lost_at, packet_id, State::published});
  return {packet_id, false, false};
}

InFlight::AckResult InFlight::acknowledge(std::uint16_t packet_id, hub::MqttOutOfOrderAck policy,
                                          TimePoint now) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [packet_id](const Entry& e) { return e.packet_id == packet_id; });
  if (entry == entries_.end()) return AckResult::unknown;
  if (entry->lost(now)) {
    entries_.erase(entry);
    return AckResult::lost;
  }
  const bool in_turn =
      std::none_of(entries_.begin(), entry, [now](const Entry& e) { return e.blocks(now); });
  if (in_turn || policy == hub::MqttOutOfOrderAck::complete) {
    entry->state = State::settled;
    return AckResult::settled;
  }
  switch (policy) {
    case hub::MqttOutOfOrderAck::hold:
      entry->state = State::acknowledged;
      return AckResult::held;
    case hub::MqttOutOfOrderAck::ignore:
      return AckResult::ignored;
    case hub::MqttOutOfOrderAck::close:
      return AckResult::forbidden;
    case hub::MqttOutOfOrderAck::complete:
      break;
  }
  hub::assertion_failed("unknown MqttOutOfOrderAck", __FILE__, __LINE__);
}

std::optional<hub::LockToken> InFlight::take_settled(TimePoint now) {
  bool blocked = false;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    blocked = blocked || entry->blocks(now);
    if (entry->lost(now)) continue;
    if (entry->state == State::settled || (entry->state == State::acknowledged && !blocked)) {
      const hub::LockToken token = entry->token;
      entries_.erase(entry);
      return token;
    }
  }
  return std::nullopt;
}

std::size_t InFlight::locked_count(TimePoint now) const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(),
                                                [now](const Entry& e) { return !e.lost(now); }));
}

std::optional<TimePoint> InFlight::next_lost(TimePoint now) const {
  std::optional<TimePoint> next;
  for (const Entry& entry : entries_) {
    if (!entry.lost(now) && (!next || entry.lost_at < *next)) next = entry.lost_at;
  }
  return next;
}

}  // namespace mqtt
