#pragma once
// Cloud-to-device messages that were published at QoS 1 on this connection and wait for PUBACK, in
// the order of their first publish. Pure: what the hub must be told is returned.
//   published --PUBACK, all before it settled--> settled
//       |  \---PUBACK before its turn (hold)--> acknowledged --its turn comes--> settled
//       +--lock timed out--> lost --received again--> published, same packet id (M-38)
// Lost messages hold nobody up. Source: M-36..M-39, spec/c2d.md U19.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "emulator/core/base/message.hpp"
#include "emulator/core/settings/limits.hpp"

namespace mqtt {

using hub::TimePoint;

class InFlight {
 public:
  struct Added {
    std::uint16_t packet_id = 0;
    bool published_here = false;  // on this connection: only its lock timed out
    bool acknowledged = false;    // the device has said PUBACK already
  };
  // A message that is still known keeps its packet id and its place, and gets the new lock.
  // `lost_at`: when that lock will be gone.
  Added add(const hub::Delivery& delivery, TimePoint lost_at, TimePoint now);

  enum class AckResult : std::uint8_t {
    settled,    // take_settled() gives it
    held,       // waits for those before it
    unknown,    // no such packet id: ignored (M-39)
    lost,       // too late: ignored (M-37)
    ignored,    // out of order
    forbidden,  // out of order: the connection is to be closed
  };
  AckResult acknowledge(std::uint16_t packet_id, hub::MqttOutOfOrderAck policy, TimePoint now);

  // The next lock to complete, until nullopt.
  std::optional<hub::LockToken> take_settled(TimePoint now);

  std::size_t locked_count(TimePoint now) const;  // what counts against the window
  bool empty() const { return entries_.empty(); }
  std::optional<TimePoint> next_lost(TimePoint now) const;  // when the next lock will be gone
  void clear() { entries_.clear(); }

 private:
  enum class State : std::uint8_t { published, acknowledged, settled };
  struct Entry {
    hub::SequenceNumber sequence = 0;
    hub::LockToken token;
    TimePoint lost_at{};
    std::uint16_t packet_id = 0;
    State state = State::published;

    bool lost(TimePoint now) const { return lost_at <= now; }
    bool blocks(TimePoint now) const { return state == State::published && !lost(now); }
  };
  std::uint16_t free_packet_id(hub::SequenceNumber sequence) const;

  std::vector<Entry> entries_;  // a queue holds 50 messages: a walk is cheap
};

}  // namespace mqtt
