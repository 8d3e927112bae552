#include "emulator/core/c2d/message_queue.hpp"

#include <algorithm>

namespace hub {

const MessageQueue::Content MessageQueue::nothing{};

Result<void> MessageQueue::enqueue(MessagePtr message) {
  if (depth() >= limits_->depth_max) {
    return fail(HubErrc::device_maximum_queue_depth_exceeded,
                "the queue holds its limit of " + std::to_string(limits_->depth_max) +
                    " messages; settle or purge some, or give them a shorter time to live");
  }
  const std::uint64_t body_bytes = content().body_bytes + message->content.body.size();
  if (body_bytes > limits_->body_bytes_max) {
    return fail(HubErrc::device_maximum_queue_depth_exceeded,
                "the queue's messages would have " + std::to_string(body_bytes) + " bytes, of " +
                    std::to_string(limits_->body_bytes_max) + " at most");
  }
  restore(std::move(message), 0);
  return {};
}

void MessageQueue::restore(MessagePtr message, std::uint32_t delivery_count) {
  if (!content_) content_ = std::make_unique<Content>();
  const SequenceNumber sequence = message->sequence_number;
  HUB_ASSERT(content_->entries.empty() || content_->entries.rbegin()->first < sequence);
  content_->timers.emplace(message->expires_at, TimerKind::ttl, sequence);
  content_->enqueued.insert(content_->enqueued.end(), sequence);
  content_->body_bytes += message->content.body.size();
  content_->entries.emplace_hint(content_->entries.end(), sequence,
                                 Entry{std::move(message), delivery_count, false, 0, std::nullopt});
}

std::set<SequenceNumber>::const_iterator MessageQueue::next_for(HolderId holder,
                                                                SequenceNumber first) const {
  const auto& enqueued = content().enqueued;
  auto next = enqueued.lower_bound(first);
  while (next != enqueued.end() && holder != 0 &&
         content().entries.find(*next)->second.not_for == holder) {
    ++next;
  }
  return next;
}

bool MessageQueue::has_message_for(HolderId holder, SequenceNumber first_sequence) const {
  return next_for(holder, first_sequence) != content().enqueued.end();
}

std::optional<Delivery> MessageQueue::receive(const LockToken& token, const ReceiveOptions& options,
                                              TimePoint now) {
  const auto next = next_for(options.holder, options.first_sequence);
  if (next == content().enqueued.end()) return std::nullopt;
  const SequenceNumber sequence = *next;
  Entry& entry = content_->entries.find(sequence)->second;
  HUB_ASSERT(!entry.lock);

  const TimePoint deadline = now + options.lock_duration;
  const bool fresh = content_->tokens.emplace(token, sequence).second;
  HUB_ASSERT(fresh);  // tokens are never reused
  entry.lock = Lock{token, options.holder, deadline};
  content_->timers.emplace(deadline, TimerKind::lock, sequence);
  content_->enqueued.erase(next);

  Delivery delivery{entry.message, token, deadline, entry.delivery_count, entry.published};
  if (options.marks_published) entry.published = true;
  return delivery;
}

Result<MessageQueue::Entries::iterator> MessageQueue::current(const LockToken& token,
                                                              HolderId holder) {
  const auto found = content().tokens.find(token);
  if (found != content().tokens.end()) {
    const auto it = content_->entries.find(found->second);
    if (it->second.lock->holder == holder) return it;
  }
  return fail(HubErrc::device_message_lock_lost,
              "the lock token is not current: its lock timed out, its message is settled, expired "
              "or purged, or it was never given to this receiver: receive again");
}

void MessageQueue::unlock(Entry& entry) {
  content_->timers.erase({entry.lock->deadline, TimerKind::lock, entry.message->sequence_number});
  content_->tokens.erase(entry.lock->token);
  entry.lock.reset();
}

void MessageQueue::finish(Entries::iterator it, Outcome::Kind kind, TimePoint time) {
  Entry& entry = it->second;
  if (entry.lock) {
    unlock(entry);
  } else {
    content_->enqueued.erase(it->first);
  }
  content_->timers.erase({entry.message->expires_at, TimerKind::ttl, it->first});
  content_->body_bytes -= entry.message->content.body.size();
  content_->outcomes.push_back({kind, std::move(entry.message), time, entry.delivery_count});
  content_->entries.erase(it);
}

void MessageQueue::give_back(Entries::iterator it, bool counts, TimePoint time) {
  Entry& entry = it->second;
  unlock(entry);
  content_->enqueued.insert(it->first);
  if (counts) {
    ++entry.delivery_count;
    if (entry.delivery_count >= limits_->max_delivery_count) {  // read now: C2D-18
      finish(it, Outcome::Kind::delivery_count_exceeded, time);
      return;
    }
  }
  if (entry.message->expires_at <= time) {  // only with expireWhileLocked=atUnlock (C2D-22)
    finish(it, Outcome::Kind::expired, std::max(time, entry.message->enqueued_time));
    return;
  }
  if (it->first < content_->rejected_below) return reject_as_too_early(it, time);
  if (counts) {
    content_->outcomes.push_back(
        {Outcome::Kind::returned, entry.message, time, entry.delivery_count});
  }
}

Result<void> MessageQueue::complete(const LockToken& token, HolderId holder, TimePoint now) {
  auto it = current(token, holder);
  if (!it) return it.error();
  finish(*it, Outcome::Kind::completed, now);
  return {};
}

Result<void> MessageQueue::reject(const LockToken& token, HolderId holder, TimePoint now) {
  auto it = current(token, holder);
  if (!it) return it.error();
  finish(*it, Outcome::Kind::rejected, now);
  return {};
}

Result<void> MessageQueue::abandon(const LockToken& token, HolderId holder, TimePoint now) {
  auto it = current(token, holder);
  if (!it) return it.error();
  give_back(*it, true, now);
  return {};
}

Result<void> MessageQueue::release(const LockToken& token, HolderId holder, TimePoint now) {
  auto it = current(token, holder);
  if (!it) return it.error();
  give_back(*it, counts_returns(), now);
  return {};
}

std::size_t MessageQueue::release(HolderId holder, TimePoint now) {
  std::vector<SequenceNumber> held;
  for (const auto& [token, sequence] : content().tokens) {
    if (content_->entries.find(sequence)->second.lock->holder == holder) held.push_back(sequence);
  }
  std::sort(held.begin(), held.end());  // outcomes in the order of the queue: a run can be replayed
  for (const SequenceNumber sequence : held) {
    give_back(content_->entries.find(sequence), counts_returns(), now);
  }
  return held.size();
}

std::size_t MessageQueue::purge(TimePoint now) {
  const std::size_t count = depth();
  while (depth() > 0) finish(content_->entries.begin(), Outcome::Kind::purged, now);
  return count;
}

void MessageQueue::reject_as_too_early(Entries::iterator it, TimePoint time) {
  finish(it, Outcome::Kind::rejected, time);
  content_->outcomes.back().too_early = true;
}

// Without content there is nothing older, and what comes is not.
void MessageQueue::reject_older(SequenceNumber first, TimePoint now) {
  if (!content_) return;
  content_->rejected_below = first;
  auto& enqueued = content_->enqueued;
  while (!enqueued.empty() && *enqueued.begin() < first) {
    reject_as_too_early(content_->entries.find(*enqueued.begin()), now);
  }
}

std::size_t MessageQueue::on_time(TimePoint now, std::size_t most) {
  std::size_t applied = 0;
  for (; applied < most; ++applied) {
    const auto next = next_deadline();
    if (!next || *next > now) break;
    const auto [time, kind, sequence] = *content_->timers.begin();
    const auto it = content_->entries.find(sequence);
    Entry& entry = it->second;
    if (kind == TimerKind::lock) {
      if (!limits_->redeliver_on_live_connection) entry.not_for = entry.lock->holder;
      give_back(it, counts_returns(), time);
    } else if (entry.lock && limits_->expire_while_locked == ExpireWhileLocked::at_unlock) {
      content_->timers.erase(content_->timers.begin());  // judged when the lock ends
    } else {
      finish(it, Outcome::Kind::expired, std::max(time, entry.message->enqueued_time));
    }
  }
  return applied;
}

std::optional<TimePoint> MessageQueue::next_deadline() const {
  const auto& timers = content().timers;
  if (timers.empty()) return std::nullopt;
  return std::get<TimePoint>(*timers.begin());
}

std::vector<Outcome> MessageQueue::take_outcomes() {
  return content_ ? std::exchange(content_->outcomes, {}) : std::vector<Outcome>{};
}

void MessageQueue::forget_published() {
  if (!content_) return;
  for (auto& [sequence, entry] : content_->entries) entry.published = false;
}

std::vector<MessageQueue::View> MessageQueue::peek() const {
  std::vector<View> out;
  out.reserve(depth());
  for (const auto& [sequence, entry] : content().entries) {
    out.push_back({entry.message, entry.delivery_count, entry.lock.has_value()});
  }
  return out;
}

}  // namespace hub
