#pragma once
// Device-to-cloud telemetry: partitions, sequence numbers, offsets. Kept, bounded, readable in
// process; the oldest go first. Pure. Source: spec/c2d.md 7 (Telemetry), spec/amqp.md 6.4.
#include "emulator/core/base/message.hpp"

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace hub {

class EventStream {
 public:
  // A partition keeps at most so many events and so many bytes of memory (D2C-02), and the newest
  // event in any case.
  EventStream(std::uint32_t partition_count, std::uint64_t per_partition_max,
              std::uint64_t bytes_per_partition_max);

  // Stable: the same device is always in the same partition.
  std::uint32_t partition_of(std::string_view device_id) const;

  struct Appended {
    std::uint32_t partition = 0;
    std::optional<std::uint64_t> trimmed_to;  // events below this sequence number are gone
  };
  // Stamps `message`, which is not to be changed from then on.
  Appended append(const std::shared_ptr<TelemetryMessage>& message, TimePoint now);

  // Events of `partition` with a sequence number >= `from`, at most `count`.
  std::vector<TelemetryPtr> read(std::uint32_t partition, std::uint64_t from,
                                 std::size_t count) const;

  void restore(std::uint32_t partition, TelemetryPtr event);

 private:
  struct Partition {
    std::deque<TelemetryPtr> events;
    std::uint64_t next_sequence = 0;
    std::uint64_t next_offset = 0;
    std::uint64_t held_bytes = 0;
  };
  bool is_over(const Partition& partition) const;
  // An origin counts once for all events of it that follow each other.
  static void push(Partition& partition, TelemetryPtr event);
  static void pop(Partition& partition);

  std::vector<Partition> partitions_;
  std::uint64_t per_partition_max_;
  std::uint64_t bytes_per_partition_max_;
};

}  // namespace hub
