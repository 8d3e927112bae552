// After a step: what the hub shows against what the model says.
#include "tests/simulation/auditor.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace simulation {

using model_test::ModelMessage;

namespace {

const hub::MessageQueue::View* find(const View::Messages& messages, hub::SequenceNumber sequence) {
  for (const auto& seen : messages) {
    if (seen.message->sequence_number == sequence) return &seen;
  }
  return nullptr;
}

std::string place(const std::string& queue, hub::SequenceNumber sequence) {
  return "message " + std::to_string(sequence) + " of " +
         (queue.empty() ? std::string("the feedback") : "'" + queue + "'");
}

}  // namespace

void Auditor::compare(View view, Line* line) {
  view_ = std::move(view);
  line_ = line;
  // Devices first: what completes by itself may be in a batch already.
  if (line != nullptr) absorb_all(*line, false);
  observe_feedback(view_.feedback);
  if (line != nullptr) absorb_all(*line, true);
  compare_queue("", view_.feedback);
  for (const auto& device : view_.devices) compare_device(device);
  require(view_.devices.size() == model_.queues.size() - 1, 27, "another number of devices");
  compare_counts(view_);
}

void Auditor::absorb_all(Line& line, bool feedback) {
  static const View::Messages none;
  for (auto& receiver : line.receivers) {
    if (!receiver.alive || receiver.queue.empty() != feedback) continue;
    touched_.insert(receiver.queue);
    const auto* device = view_.find(receiver.queue);
    absorb(line, receiver, feedback ? view_.feedback : device != nullptr ? device->messages : none);
  }
}

// ---- what a step of `line` may do by itself: lock, and complete what needs no answer
// -------------

hub::LockToken Auditor::lock(Line& line, const std::string& queue, ModelMessage& message,
                             Receiving* receiver, hub::Duration duration) {
  require(now_ < message.expires, 14, place(queue, message.sequence) + " locked after its expiry");
  hub::LockToken token;
  const auto number = next_token_++;
  for (int i = 0; i < 8; ++i) token.bytes[static_cast<std::size_t>(i)] = (number >> (8 * i)) & 0xff;
  message.lock =
      model_test::ModelLock{token, receiver == nullptr ? 0 : receiver->holder, now_ + duration};
  if (line.protocol == Protocol::mqtt) message.published = true;
  if (!queue.empty()) ++model_.counts.delivered;
  line.sent[queue].push_back({message.sequence, token, message.delivery_count});
  return token;
}

void Auditor::absorb(Line& line, Receiving& receiver, const View::Messages& messages) {
  const auto& queue_name = receiver.queue;
  const auto found = model_.queues.find(queue_name);
  if (found == model_.queues.end()) return;
  auto& entries = receiver.in_flight;
  // In the order of their publishing; held ones wait for those before them (M-39).
  const auto complete_acked = [&] {
    bool blocked = false;
    for (auto entry = entries.begin(); entry != entries.end();) {
      blocked = blocked || (!entry->acked && now_ < entry->lost_at);
      const bool in_turn =
          !blocked || settings_.mqtt_out_of_order_ack == hub::MqttOutOfOrderAck::complete;
      const bool ends = entry->acked && in_turn && now_ < entry->lost_at &&
                        !find(messages, entry->sequence) &&
                        model_.is_current(queue_name, entry->token, receiver.holder);
      if (ends) settle(queue_name, entry->token, receiver.holder, Verb::complete);
      entry = ends ? entries.erase(entry) : entry + 1;
    }
  };
  if (puback_) complete_acked();  // at once; else only after what is locked anew

  std::vector<hub::SequenceNumber> waiting;
  for (const auto& message : found->second.messages) {
    if (!message.lock) waiting.push_back(message.sequence);
  }
  for (const auto sequence : waiting) {
    const auto* seen = find(messages, sequence);
    const auto entry =
        std::ranges::find_if(entries, [&](const auto& e) { return e.sequence == sequence; });
    const bool acked = entry != entries.end() && entry->acked;
    if (seen != nullptr ? !seen->locked : receiver.settles && !acked) continue;
    const auto what = place(queue_name, sequence);
    require(queue_name.empty() || usable(queue_name), 33, what + " locked for a disabled device");
    require(receiver.receiving, 5, what + " locked for a receiver that asked for nothing");
    ModelMessage* next = model_.next_for(queue_name, receiver.holder, receiver.first);
    require(next != nullptr && next->sequence == sequence, 6,
            what + " locked, and is not the lowest that " + line.name + " may have");
    if (line.protocol == Protocol::amqp) {
      require(receiver.credit > 0, 5, what + " locked without credit");
      --receiver.credit;
      ++receiver.locks;
    }
    const auto duration =
        queue_name.empty() ? settings_.feedback_lock_duration : limits_.lock_duration;
    const auto token = lock(line, queue_name, *next, &receiver, duration);
    if (!receiver.settles) {
      settle(queue_name, token, receiver.holder, Verb::complete);
    } else if (line.protocol == Protocol::mqtt) {
      const bool cut_short = settings_.expire_while_locked == hub::ExpireWhileLocked::immediate;
      const auto lost_at = cut_short ? std::min(now_ + duration, next->expires) : now_ + duration;
      if (entry != entries.end()) {
        entry->token = token;
        entry->lost_at = lost_at;
        if (entry->acked) line.sent[queue_name].pop_back();  // the client has it already
      } else {
        // A PUBACK of an earlier copy is as good: the packet id is the same.
        entries.push_back({sequence, token, lost_at, line.packet_ids[sequence], false});
      }
    }
  }
  if (line.protocol == Protocol::mqtt) complete_acked();
  // An MQTT session without a subscription keeps its receiver while something is in flight.
  if (!receiver.receiving && entries.empty()) end_receiver(receiver, true);
}

// ---- comparing ----------------------------------------------------------------------------------

void Auditor::compare_queue(const std::string& name, const View::Messages& messages) {
  const auto found = model_.queues.find(name);
  require(found != model_.queues.end(), 27, "a queue that should not be there: " + name);
  const auto& queue = found->second;
  hub::SequenceNumber last = 0;
  for (const auto& seen : messages) {
    const auto sequence = seen.message->sequence_number;
    require(sequence > last && sequence <= std::max(queue.last, last + 1), 7,
            place(name, sequence) + " is not above the one before it");
    last = sequence;
    const auto known = std::ranges::find_if(
        queue.messages, [&](const ModelMessage& m) { return m.sequence == sequence; });
    if (known == queue.messages.end()) unexpected(name, seen);
    compare_message(name, seen, *known);
  }
  for (const auto& message : queue.messages) {
    if (find(messages, message.sequence) == nullptr) missing(name, message);
  }
}

// The hub has a message that should not be.
void Auditor::unexpected(const std::string& name, const hub::MessageQueue::View& seen) {
  const auto what = place(name, seen.message->sequence_number);
  if (name.empty()) violation(26, what + " is there, and had ended");
  const auto found = infos_.find(seen.message->content.body);
  if (found == infos_.end()) violation(2, what + " was never accepted");
  const Info& info = found->second;
  if (info.generation != model_.queues.at(name).generation || info.device != name) {
    violation(29, what + " belongs to another generation");
  }
  if (!info.ended_by.empty()) {
    violation(info.ended_by == "a purge" ? 28 : 3, what + " is live after " + info.ended_by);
  }
  if (info.expires <= now_) violation(14, what + " is live after its expiry");
  if (settings_.delivery_count_mode == hub::DeliveryCountMode::every_return) {
    violation(10, what + " is live with its delivery count used up");
  }
  violation(abandoned_ == found->first ? 12 : 3, what + " is live and should have ended");
}

// The hub has lost a message.
void Auditor::missing(const std::string& name, const ModelMessage& message) {
  const auto what = place(name, message.sequence) + " is gone";
  if (restarted_) violation(31, what + " after a restart");
  if (https_ended_) violation(18, what + " after an HTTPS connection ended");
  if (view_.counts.exceeded > model_.counts.exceeded &&
      settings_.delivery_count_mode == hub::DeliveryCountMode::abandon_only) {
    violation(message.delivery_count == 0 ? 13 : 12, what + ": DeliveryCountExceeded too early");
  }
  if (!touched_.contains(name) && !touched_.empty())
    violation(27, what + " by a step on another device");
  if (name.empty()) violation(26, what);
  if (refused_settlement_) violation(8, what + " by a settlement that was refused");
  if (line_ != nullptr && line_->protocol == Protocol::mqtt) {
    violation(34, what + " and no PUBACK of it has its turn");
  }
  violation(30, what + " without an outcome");
}

void Auditor::compare_message(const std::string& name, const hub::MessageQueue::View& seen,
                              const ModelMessage& message) {
  const auto what = place(name, message.sequence);
  const hub::Message& content = *seen.message;
  require(content.expires_at == message.expires, 15, what + " has another expiry");
  require(content.expires_at - content.enqueued_time <= limits_.message_ttl_max, 15,
          what + " lives longer than 48 h");
  require(content.enqueued_time == message.enqueued, 20, what + " has another enqueued time");
  require(now_ < message.expires || message.lock, 14, what + " is live at its expiry");
  if (!name.empty()) {
    require(content.content.body == message.body &&
                content.content.message_id.text == message.message_id,
            20, what + " is not what was sent");
    auto& highest = counts_seen_[message.body];
    require(seen.delivery_count >= highest, 10, what + ": the delivery count has gone down");
    highest = seen.delivery_count;
    require(seen.delivery_count < settings_.max_delivery_count, 10,
            what + " is live with delivery count " + std::to_string(seen.delivery_count));
  }
  require(seen.delivery_count == message.delivery_count,
          restarted_     ? 31
          : name.empty() ? 26
                         : 11,
          what + " has delivery count " + std::to_string(seen.delivery_count) + ", should have " +
              std::to_string(message.delivery_count));
  if (seen.locked == message.lock.has_value()) return;
  const auto locked = what + (seen.locked ? " is locked" : " is not locked");
  if (restarted_) violation(31, locked + " after a restart");
  if (https_ended_) violation(18, locked + " after an HTTPS connection ended");
  if (!touched_.contains(name)) {
    violation(seen.locked ? (line_ == nullptr ? 16 : 27) : 27, locked + ", and nothing touched it");
  }
  if (!usable(name) && !name.empty() && seen.locked) violation(33, locked + ": device disabled");
  if (seen.locked && connection_ended_) violation(17, locked + " by a connection that has ended");
  if (!seen.locked && refused_settlement_) violation(8, locked + " after a refused settlement");
  violation(seen.locked ? 5 : 4, locked);
}

void Auditor::compare_device(const View::Device& device) {
  const auto found = model_.queues.find(device.id);
  require(found != model_.queues.end(), 29, "a device that was deleted: " + device.id);
  const auto& queue = found->second;
  require(device.generation == queue.generation, 29, "another generation of " + device.id);
  require(device.enabled == queue.enabled, restarted_ ? 31 : 33, "another status of " + device.id);
  require(device.count == device.messages.size() && device.count <= limits_.queue_depth_max, 1,
          "cloudToDeviceMessageCount of " + device.id + " is " + std::to_string(device.count) +
              ", the queue has " + std::to_string(device.messages.size()));
  const auto locked =
      std::ranges::count_if(device.messages, [](const auto& m) { return m.locked; });
  require(device.locked == static_cast<std::size_t>(locked), 4,
          "there are not as many locks as locked messages of " + device.id);
  compare_queue(device.id, device.messages);
  require(device.next == queue.last + 1, restarted_ ? 31 : 7,
          "the next sequence number of " + device.id + " is " + std::to_string(device.next));
  require(device.session == queue.session, restarted_ ? 31 : 27,
          "another stored MQTT session of " + device.id);
}

void Auditor::compare_counts(const View& view) {
  const auto& hub = view.counts;
  const auto& model = model_.counts;
  const auto same = [&](std::uint64_t counted, std::uint64_t expected, const char* name) {
    require(counted == expected, 30,
            std::string("metric ") + name + " is " + std::to_string(counted) + ", should be " +
                std::to_string(expected));
  };
  same(hub.sent, model.sent, "ingress");
  same(hub.delivered, model.delivered, "deliveries");
  same(hub.abandoned, model.abandoned, "abandon");
  same(hub.completed, model.completed, "complete");
  same(hub.expired, model.expired, "expired");
  same(hub.exceeded, model.exceeded, "delivery count exceeded");
  same(hub.rejected, model.rejected, "reject");
  same(hub.purged, model.purged, "purged");
  compare_allowance(view);
  require(hub.records == model.records, 21, "as many feedback records as outcomes that want one");
  std::uint64_t live = 0;
  for (const auto& device : view.devices) live += device.messages.size();
  require(model.restored + hub.sent == live + hub.completed + hub.expired + hub.exceeded +
                                           hub.rejected + hub.purged + model.dropped,
          30, "messages are made or lost");
}

// ---- feedback -----------------------------------------------------------------------------------

// New feedback messages: each takes the next records, in order, soon enough.
void Auditor::observe_feedback(const View::Messages& messages) {
  auto& feedback = model_.queues[""];
  for (const auto& seen : messages) {
    const auto& message = *seen.message;
    if (message.sequence_number <= feedback.last) continue;
    require(message.sequence_number == feedback.last + 1, 23,
            "feedback message " + std::to_string(message.sequence_number) + " comes after " +
                std::to_string(feedback.last));
    boost::system::error_code error;
    const auto parsed = boost::json::parse(message.content.body, error);
    require(!error && parsed.is_array(), 23, "a feedback message is no array of records");
    const auto& batch = parsed.as_array();
    require(!batch.empty() && batch.size() <= settings_.feedback_batch_records, 23,
            "a batch of " + std::to_string(batch.size()));
    for (const auto& item : batch) {
      require(!model_.pending.empty(), 21, "a record too many: " + boost::json::serialize(item));
      const auto record = model_.pending.front();
      model_.pending.pop_front();
      const auto is = [&](const char* field, std::string_view value) {
        const auto* found = item.as_object().if_contains(field);
        return found != nullptr && found->is_string() && found->as_string() == value;
      };
      const auto text = boost::json::serialize(item);
      require(is("originalMessageId", record.message_id) && is("deviceId", record.device) &&
                  is("deviceGenerationId", record.generation),
              25, "not the next record: " + text + ", should be of " + record.message_id);
      require(is("statusCode", hub::feedback_status_code(record.kind)), 22,
              "another status than its outcome: " + text);
      require(is("enqueuedTimeUtc", hub::to_iso8601(record.time)) &&
                  message.enqueued_time >= record.time,
              22, "not the time of its outcome: " + text);
      require(message.enqueued_time <= std::max(record.time, started_) + settings_.feedback_window,
              24, "flushed later than the window allows: " + text);
    }
    require(message.expires_at == message.enqueued_time + settings_.feedback_ttl, 26,
            "a feedback message has another time to live");
    feedback.last = message.sequence_number;
    ModelMessage queued;
    queued.sequence = message.sequence_number;
    queued.enqueued = message.enqueued_time;
    queued.expires = message.expires_at;
    feedback.messages.push_back(std::move(queued));
  }
  for (const auto& record : model_.pending) {
    require(now_ < std::max(record.time, started_) + settings_.feedback_window ||
                settings_.feedback_window == hub::Duration::zero(),
            24, "a record waits longer than the window: " + record.message_id);
  }
}

// ---- progress, the end --------------------------------------------------------------------------

void Auditor::check_progress(const Line& line) {
  for (const auto& receiver : line.receivers) {
    if (!receiver.alive || !receiver.receiving || line.ended) continue;
    if (!receiver.queue.empty() && !usable(receiver.queue)) continue;
    if (line.protocol == Protocol::amqp && receiver.credit == 0) continue;
    // A window below the depth counts what was purged while it was out until its lock would end.
    if (line.protocol == Protocol::mqtt && receiver.settles &&
        settings_.mqtt_in_flight_max < limits_.queue_depth_max) {
      continue;
    }
    const auto* next = model_.next_for(receiver.queue, receiver.holder, receiver.first);
    require(next == nullptr, 19,
            (next ? place(receiver.queue, next->sequence) : "") + " waits, " + line.name +
                " has room, and nothing happens");
    for (const auto& entry : receiver.in_flight) {
      const bool current = model_.is_current(receiver.queue, entry.token, receiver.holder);
      if (!entry.acked && now_ < entry.lost_at) break;
      require(
          !(entry.acked && now_ < entry.lost_at && current), 34,
          place(receiver.queue, entry.sequence) + " has its PUBACK in turn and is not completed");
    }
  }
}

void Auditor::finish() {
  for (const auto& [body, info] : infos_) {
    const auto queue = model_.queues.find(info.device);
    const bool live =
        queue != model_.queues.end() && queue->second.generation == info.generation &&
        std::ranges::any_of(queue->second.messages, [&](const auto& m) { return m.body == body; });
    require(!live || info.ended_by.empty(), 2, body + " has ended and is live");
  }
}

// ---- what clients saw ---------------------------------------------------------------------------

hub::LockToken Auditor::delivered(Line& line, const std::string& queue, const Seen& seen) {
  auto& fifo = line.sent[queue];
  require(!fifo.empty(), 5, line.name + " gets a message that is not locked for it");
  const SentLock sent = fifo.front();
  fifo.pop_front();
  if (seen.sequence) {
    require(*seen.sequence == sent.sequence, 6,
            line.name + " gets " + place(queue, *seen.sequence) + ", locked was " +
                std::to_string(sent.sequence));
  }
  if (seen.delivery_count) {
    require(*seen.delivery_count == sent.delivery_count, 11, "another delivery count on the wire");
  }
  if (seen.token) require(tokens_.insert(*seen.token).second, 4, "a lock token is used again");
  if (queue.empty()) return sent.token;
  const auto found = infos_.find(seen.body);
  require(found != infos_.end(), 20, "a body that nobody sent: " + seen.body);
  const Info& info = found->second;
  require(info.device == queue && info.sequence == sent.sequence && seen.property == seen.body &&
              seen.message_id == info.message_id &&
              (!seen.enqueued || *seen.enqueued == info.enqueued) &&
              (!seen.expiry || *seen.expiry == info.expires),
          20, seen.body + " is not as it was sent");
  require(info.committed, 2, seen.body + " is delivered before it is stored");
  return sent.token;
}

void Auditor::published(Line& line, const Seen& seen, std::uint16_t packet_id) {
  (void)delivered(line, line.device, seen);
  const auto sequence = infos_.at(seen.body).sequence;
  line.packet_ids[sequence] = packet_id;
  for (auto& receiver : line.receivers) {
    for (auto& entry : receiver.in_flight) {
      if (entry.sequence == sequence) entry.packet_id = packet_id;
    }
  }
}

}  // namespace simulation
