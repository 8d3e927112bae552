#include "emulator/core/events/event_stream.hpp"

#include <algorithm>

namespace hub {

EventStream::EventStream(std::uint32_t partition_count, std::uint64_t per_partition_max,
                         std::uint64_t bytes_per_partition_max)
    : partitions_(partition_count),
      per_partition_max_(per_partition_max),
      bytes_per_partition_max_(bytes_per_partition_max) {}

std::uint32_t EventStream::partition_of(std::string_view device_id) const {
  std::uint64_t hash = 14'695'981'039'346'656'037u;  // FNV-1a: the same on every machine and run
  for (const char c : device_id) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211u;
  }
  return static_cast<std::uint32_t>(hash % partitions_.size());
}

EventStream::Appended EventStream::append(const std::shared_ptr<TelemetryMessage>& message,
                                          TimePoint now) {
  Appended out;
  out.partition = partition_of(message->origin->device.text);
  Partition& partition = partitions_[out.partition];
  message->enqueued_time = now;
  message->sequence_number = partition.next_sequence;
  message->offset = partition.next_offset;
  push(partition, message);
  while (is_over(partition)) {
    pop(partition);
    out.trimmed_to = partition.events.front()->sequence_number;
  }
  return out;
}

bool EventStream::is_over(const Partition& partition) const {
  const auto& events = partition.events;
  return events.size() > per_partition_max_ ||
         (events.size() > 1 && partition.held_bytes > bytes_per_partition_max_);
}

void EventStream::push(Partition& partition, TelemetryPtr event) {
  auto& events = partition.events;
  partition.next_sequence = std::max(partition.next_sequence, event->sequence_number + 1);
  partition.next_offset =
      std::max(partition.next_offset, event->offset + event->content.size() + 1);
  partition.held_bytes += event->held_bytes();
  if (events.empty() || events.back()->origin != event->origin) {
    partition.held_bytes += event->origin->held_bytes();
  }
  events.push_back(std::move(event));
}

void EventStream::pop(Partition& partition) {
  auto& events = partition.events;
  const TelemetryPtr event = std::move(events.front());
  events.pop_front();
  partition.held_bytes -= event->held_bytes();
  if (events.empty() || events.front()->origin != event->origin) {
    partition.held_bytes -= event->origin->held_bytes();
  }
}

void EventStream::restore(std::uint32_t partition_number, TelemetryPtr event) {
  // A hub whose partition count was lowered keeps reading what it has.
  Partition& partition = partitions_[partition_number % partitions_.size()];
  push(partition, std::move(event));
  // The store forgets these with the next event that it is told to forget.
  while (is_over(partition)) pop(partition);
}

std::vector<TelemetryPtr> EventStream::read(std::uint32_t partition, std::uint64_t from,
                                            std::size_t count) const {
  std::vector<TelemetryPtr> out;
  if (partition >= partitions_.size()) return out;
  const auto& events = partitions_[partition].events;
  auto it = std::lower_bound(
      events.begin(), events.end(), from,
      [](const TelemetryPtr& event, std::uint64_t seq) { return event->sequence_number < seq; });
  for (; it != events.end() && out.size() < count; ++it) out.push_back(*it);
  return out;
}

}  // namespace hub
