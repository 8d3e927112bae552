#pragma once
// Outcomes with a requested ack become feedback records; records become feedback batches, which are
// queued messages themselves (C2D-30..35). Pure. Source: spec/c2d.md section 4.
#include "emulator/core/base/outcome.hpp"
#include "emulator/core/settings/limits.hpp"

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

// Success, Expired, DeliveryCountExceeded, Rejected, Purged
std::string_view feedback_status_code(Outcome::Kind kind);
// True if a message with this ack wants a record of this outcome (table 4.1).
bool wants_feedback(Ack ack, Outcome::Kind kind);

class FeedbackBatcher {
 public:
  FeedbackBatcher(const Settings* settings, TimePoint start);  // not owned, outlives

  // Returns the record with its id.
  const FeedbackRecord& add(FeedbackRecord record);
  // A full batch at once; else, at a tick of the free-running window, whatever is pending (C2D-32).
  struct Batch {
    std::vector<FeedbackRecord> records;
    TimePoint time{};
  };
  std::vector<Batch> on_time(TimePoint now);
  std::optional<TimePoint> next_deadline() const;  // nullopt while nothing is pending

  // Pending records of a deleted device vanish (C2D-35). Returns their ids.
  std::vector<std::uint64_t> discard(const DeviceId& device);
  void restore(FeedbackRecord record);
  std::size_t pending() const { return pending_.size(); }

  std::string to_json(const std::vector<FeedbackRecord>& records) const;

 private:
  const Settings* settings_;
  std::deque<FeedbackRecord> pending_;
  std::uint64_t next_record_id_ = 1;
  TimePoint last_tick_;
};

}  // namespace hub
