#include "emulator/core/c2d/feedback_batcher.hpp"

#include <boost/json.hpp>

#include <algorithm>

#include "emulator/core/base/encoding.hpp"

namespace hub {

std::string_view feedback_status_code(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed:
      return "Success";
    case Outcome::Kind::expired:
      return "Expired";
    case Outcome::Kind::delivery_count_exceeded:
      return "DeliveryCountExceeded";
    case Outcome::Kind::rejected:
      return "Rejected";
    case Outcome::Kind::purged:
      return "Purged";
    case Outcome::Kind::returned:
      break;
  }
  assertion_failed("a returned message has no feedback", __FILE__, __LINE__);
}

namespace {

// feedbackDescriptions=legacy (U9): of these only Success and Rejected were seen on the wire.
std::string_view legacy_description(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed:
      return "Success";
    case Outcome::Kind::expired:
      return "Message expired";
    case Outcome::Kind::delivery_count_exceeded:
      return "Message delivery count exceeded";
    case Outcome::Kind::rejected:
      return "Message rejected";
    case Outcome::Kind::purged:
      return "Message purged";
    case Outcome::Kind::returned:
      break;
  }
  assertion_failed("a returned message has no feedback", __FILE__, __LINE__);
}

}  // namespace

bool wants_feedback(Ack ack, Outcome::Kind kind) {
  if (kind == Outcome::Kind::returned) return false;
  if (kind == Outcome::Kind::completed) return ack == Ack::positive || ack == Ack::full;
  return ack == Ack::negative || ack == Ack::full;
}

FeedbackBatcher::FeedbackBatcher(const Settings* settings, TimePoint start)
    : settings_(settings), last_tick_(start) {}

const FeedbackRecord& FeedbackBatcher::add(FeedbackRecord record) {
  record.record_id = next_record_id_++;
  // Empty ticks are counted up here, so that the window free-runs while nothing is pending (U18).
  const Duration window = settings_->feedback_window;
  if (pending_.empty() && window > Duration::zero() &&
      record.enqueued_time >= last_tick_ + window) {
    last_tick_ += (record.enqueued_time - last_tick_) / window * window;
  }
  return pending_.emplace_back(std::move(record));
}

void FeedbackBatcher::restore(FeedbackRecord record) {
  next_record_id_ = std::max(next_record_id_, record.record_id + 1);
  pending_.push_back(std::move(record));
}

std::vector<FeedbackBatcher::Batch> FeedbackBatcher::on_time(TimePoint now) {
  // What became due while the hub was down is queued at its start, not in the past, where the batch
  // could have expired already (C2D-17).
  now = std::max(now, last_tick_);
  std::vector<Batch> out;
  const auto flush = [&](std::size_t count, TimePoint time) {
    Batch batch;
    batch.time = time;
    for (std::size_t i = 0; i < count; ++i) {
      batch.records.push_back(std::move(pending_.front()));
      pending_.pop_front();
    }
    out.push_back(std::move(batch));
  };
  const Duration window = settings_->feedback_window;
  const std::size_t full = settings_->feedback_batch_records;
  while (pending_.size() >= full) {
    flush(full, now);
    last_tick_ = now;
  }
  if (window == Duration::zero()) {
    if (!pending_.empty()) flush(pending_.size(), now);
    last_tick_ = now;
  } else if (!pending_.empty() && now >= last_tick_ + window) {
    flush(pending_.size(), now);
    last_tick_ = now;
  }
  return out;
}

std::optional<TimePoint> FeedbackBatcher::next_deadline() const {
  if (pending_.empty()) return std::nullopt;
  return last_tick_ + settings_->feedback_window;
}

std::vector<std::uint64_t> FeedbackBatcher::discard(const DeviceId& device) {
  std::vector<std::uint64_t> ids;
  std::erase_if(pending_, [&](const FeedbackRecord& record) {
    if (record.device_id != device) return false;
    ids.push_back(record.record_id);
    return true;
  });
  return ids;
}

std::string FeedbackBatcher::to_json(const std::vector<FeedbackRecord>& records) const {
  boost::json::array array;
  for (const FeedbackRecord& record : records) {
    boost::json::object object;
    // Without a message id there is nothing to correlate, and the field is left out (4.2).
    if (!record.original_message_id.empty()) {
      const std::string& text = record.original_message_id.text;
      object["originalMessageId"] = is_valid_utf8(text) ? text : base64_encode(text);
    }
    const std::string_view status = feedback_status_code(record.status);
    object["description"] =
        settings_->feedback_legacy_descriptions ? legacy_description(record.status) : status;
    object["deviceGenerationId"] = record.device_generation_id;
    object["deviceId"] = record.device_id.text;
    object["enqueuedTimeUtc"] = to_iso8601(record.enqueued_time);
    object["statusCode"] = status;
    array.push_back(std::move(object));
  }
  return boost::json::serialize(array);
}

}  // namespace hub
