#include "tests/model/model.hpp"

#include <algorithm>
#include <tuple>

namespace model_test {

using hub::Outcome;
using hub::TimePoint;

// (time, device, TTL before lock, sequence number): 2.7.
struct Model::Timer {
  TimePoint time;
  std::string queue;
  bool is_lock = false;
  hub::SequenceNumber sequence = 0;
  std::size_t index = 0;
  auto key() const { return std::tie(time, queue, is_lock, sequence); }
};

std::optional<Model::Timer> Model::first_timer() const {
  std::optional<Timer> first;
  const auto consider = [&](Timer timer) {
    if (!first || timer.key() < first->key()) first = std::move(timer);
  };
  for (const auto& [name, queue] : queues) {
    for (std::size_t i = 0; i < queue.messages.size(); ++i) {
      const auto& message = queue.messages[i];
      const bool waits =
          message.lock && settings_.expire_while_locked == hub::ExpireWhileLocked::at_unlock;
      if (!waits) consider({message.expires, name, false, message.sequence, i});
      if (message.lock) consider({message.lock->deadline, name, true, message.sequence, i});
    }
  }
  return first;
}

std::optional<TimePoint> Model::next_timer() const {
  const auto first = first_timer();
  return first ? std::optional{first->time} : std::nullopt;
}

void Model::run_timers(TimePoint now) {
  while (const auto timer = first_timer()) {
    if (timer->time > now) return;
    auto& message = queues[timer->queue].messages[timer->index];
    if (timer->is_lock) {
      if (!settings_.redeliver_on_live_connection) message.not_for = message.lock->holder;
      give_back(timer->queue, timer->index, counts_returns(), timer->time);
    } else {
      finish(timer->queue, timer->index, Outcome::Kind::expired,
             std::max(timer->time, message.enqueued));
    }
  }
}

std::optional<hub::HubErrc> Model::send(const std::string& device, ModelMessage message,
                                        TimePoint now) {
  const auto found = queues.find(device);
  if (found == queues.end() || !found->second.enabled) return hub::HubErrc::device_not_found;
  auto& queue = found->second;
  if (message.expires > now + limits_.message_ttl_max) {
    return hub::HubErrc::invalid_message_expiry_time;
  }
  if (queue.messages.size() >= limits_.queue_depth_max) {
    return hub::HubErrc::device_maximum_queue_depth_exceeded;
  }
  message.sequence = ++queue.last;
  message.enqueued = now;
  queue.messages.push_back(std::move(message));
  ++counts.sent;
  run_timers(now);
  return std::nullopt;
}

ModelMessage* Model::next_for(const std::string& name, hub::HolderId holder,
                              hub::SequenceNumber first) {
  for (auto& message : queues.at(name).messages) {
    const bool refused = holder != 0 && message.not_for == holder;
    if (!message.lock && message.sequence >= first && !refused) return &message;
  }
  return nullptr;
}

bool Model::is_current(const std::string& name, const hub::LockToken& token, hub::HolderId holder) {
  const auto found = queues.find(name);
  if (found == queues.end()) return false;
  return std::ranges::any_of(found->second.messages, [&](const ModelMessage& message) {
    return message.lock && message.lock->token == token && message.lock->holder == holder;
  });
}

bool Model::settle(const std::string& name, const hub::LockToken& token, hub::HolderId holder,
                   Verb verb, TimePoint now) {
  if (!is_current(name, token, holder)) return false;
  const auto& messages = queues[name].messages;
  std::size_t index = 0;
  while (!messages[index].lock || messages[index].lock->token != token) ++index;
  switch (verb) {
    case Verb::complete:
      finish(name, index, Outcome::Kind::completed, now);
      break;
    case Verb::reject:
      finish(name, index, Outcome::Kind::rejected, now);
      break;
    case Verb::abandon:
      if (!name.empty()) ++counts.abandoned;
      give_back(name, index, true, now);
      break;
    case Verb::release:
      give_back(name, index, counts_returns(), now);
      break;
  }
  return true;
}

void Model::release_all(const std::string& name, hub::HolderId holder, TimePoint now) {
  if (!queues.contains(name)) return;
  auto& messages = queues[name].messages;
  for (std::size_t i = 0; i < messages.size();) {
    const auto size = messages.size();
    const auto& lock = messages[i].lock;
    if (lock && lock->holder == holder) give_back(name, i, counts_returns(), now);
    if (messages.size() == size) ++i;
  }
}

void Model::begin_subscription(const std::string& name, hub::SequenceNumber first, TimePoint now) {
  if (!queues.contains(name) || settings_.mqtt_backlog != hub::MqttBacklog::reject) return;
  queues[name].rejected_below = first;
  while (next_for(name, 0, 0) != nullptr && next_for(name, 0, 0)->sequence < first) {
    const auto index = next_for(name, 0, 0) - queues[name].messages.data();
    finish(name, static_cast<std::size_t>(index), Outcome::Kind::rejected, now);
  }
}

std::size_t Model::purge(const std::string& device, TimePoint now) {
  const auto count = queues[device].messages.size();
  while (!queues[device].messages.empty()) finish(device, 0, Outcome::Kind::purged, now);
  return count;
}

void Model::remove_device(const std::string& device) {
  counts.dropped += queues[device].messages.size();
  queues.erase(device);
  std::erase_if(pending, [&](const ModelRecord& record) { return record.device == device; });
}

void Model::restart() {
  for (auto& [name, queue] : queues) {
    for (auto& message : queue.messages) {
      message.lock.reset();
      message.published = false;
      message.not_for = 0;
    }
    queue.rejected_below = 0;
  }
  counts = {};
  counts.restored = live();
}

std::uint64_t Model::live() const {
  std::uint64_t live = 0;
  for (const auto& [name, queue] : queues) {
    if (!name.empty()) live += queue.messages.size();
  }
  return live;
}

void Model::give_back(const std::string& name, std::size_t index, bool counted, TimePoint time) {
  auto& message = queues[name].messages[index];
  message.lock.reset();
  if (counted) ++message.delivery_count;
  const auto max =
      name.empty() ? settings_.feedback_max_delivery_count : settings_.max_delivery_count;
  if (counted && message.delivery_count >= max) {
    finish(name, index, Outcome::Kind::delivery_count_exceeded, time);
  } else if (message.expires <= time) {
    finish(name, index, Outcome::Kind::expired, time);
  } else if (message.sequence < queues[name].rejected_below) {
    finish(name, index, Outcome::Kind::rejected, time);
  }
}

void Model::finish(const std::string& name, std::size_t index, Outcome::Kind kind, TimePoint time) {
  auto& queue = queues[name];
  const auto message = queue.messages[index];
  queue.messages.erase(queue.messages.begin() + static_cast<std::ptrdiff_t>(index));
  if (name.empty()) return;  // feedback produces no feedback, and is not counted
  const bool success = kind == Outcome::Kind::completed;
  switch (kind) {
    case Outcome::Kind::completed:
      ++counts.completed;
      break;
    case Outcome::Kind::expired:
      ++counts.expired;
      break;
    case Outcome::Kind::delivery_count_exceeded:
      ++counts.exceeded;
      break;
    case Outcome::Kind::rejected:
      ++counts.rejected;
      break;
    case Outcome::Kind::purged:
      ++counts.purged;
      break;
    case Outcome::Kind::returned:
      break;
  }
  if (message.ack == hub::Ack::full ||
      message.ack == (success ? hub::Ack::positive : hub::Ack::negative)) {
    ++counts.records;
    pending.push_back({message.message_id, time, kind, name, queue.generation});
  }
}

}  // namespace model_test
