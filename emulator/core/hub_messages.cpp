// Sending, receiving and settling: spec/c2d.md 2.3..2.6.
#include "emulator/core/encoding.hpp"
#include "emulator/core/hub_impl.hpp"

namespace hub {

namespace {

constexpr std::string_view strict_punctuation = "!#$%&'*+-.^_`|~";

bool is_strict_property_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strict_punctuation.find(c) != std::string_view::npos;
  });
}

// At `debug` each message is said, its text as far as a line bears it.
void tell(Log& log, std::string_view event, const DeviceId& device, const MessageContent& content,
          std::string_view number) {
  constexpr std::size_t shown_max = 256;
  std::string properties;
  for (const auto& [name, value] : content.properties) {
    if (properties.size() > shown_max) break;
    properties.append(properties.empty() ? "" : "&").append(name);
    if (value) properties.append("=").append(*value);
  }
  log.debug(event, {{"device", device.name()},
                    {"id", content.message_id.text},
                    {"sequence number", number},
                    {"bytes", std::to_string(content.body.size())},
                    {"properties", properties},
                    {"body", std::string_view(content.body).substr(0, shown_max)}});
}

void tell_delivery(Log& log, const DeviceId& device, const Delivery& delivery) {
  if (!log.enabled(LogLevel::debug)) return;
  tell(log, "message delivered", device, delivery.message->content,
       std::to_string(delivery.message->sequence_number));
}

// Small ones hold many times their own bytes.
Result<void> check_property_count(const MessageContent& content, const Limits& limits) {
  const std::size_t count = content.properties.size();
  if (count <= limits.property_count_max) return {};
  return fail(HubErrc::argument_invalid,
              "the message has " + std::to_string(count) + " application properties; " +
                  std::to_string(limits.property_count_max) + " are allowed");
}

HubError no_such_queue(const QueueId& queue) {
  if (queue.device.is_module()) {
    return fail(HubErrc::module_not_found, "modules have no queue; address the device");  // MOD-08
  }
  return fail(HubErrc::device_not_found, described(queue.device) + " is not registered");
}

}  // namespace

Result<SequenceNumber> Hub::send(SendRequest&& request, TimePoint now) {
  const MessageContent& content = request.content;
  const Limits& limits = config_.limits;
  // C2D-01: the order of checks is part of the contract with tests.
  if (content.message_id.text.size() > limits.message_id_chars_max) {
    return fail(HubErrc::argument_invalid, "a message id has at most 128 characters");
  }
  if (auto few = check_property_count(content, limits); !few) return few.error();
  if (config_.settings.strict_property_chars) {
    for (const auto& [name, value] : content.properties) {
      if (!is_strict_property_text(name) || (value && !is_strict_property_text(*value))) {
        return fail(HubErrc::argument_invalid,
                    "application property " + name +
                        " has characters other than ASCII letters, digits and " +
                        std::string(strict_punctuation));
      }
    }
  }
  if (const std::size_t size = content.size(); size > limits.c2d_message_bytes_max) {
    return fail(HubErrc::message_too_large,
                "the message has " + std::to_string(size) + " bytes; 65536 are allowed");
  }
  if (request.device.is_module()) return no_such_queue(QueueId{request.device});
  Guard guard(*this, now);
  const auto usable = guard->usable_state(request.device);
  if (!usable) return usable.error();
  if (content.absolute_expiry && *content.absolute_expiry > now + limits.message_ttl_max) {
    return fail(HubErrc::invalid_message_expiry_time, "the expiry lies more than 48 hours ahead");
  }
  if (auto admitted = guard->admit(Operation::c2d_send, 1, now); !admitted) return admitted.error();
  const std::uint64_t cost = DailyQuota::cost(content.size(), config_.settings.sku);
  if (auto allowed = guard->check_quota(cost, now); !allowed) return allowed.error();
  auto& state = **usable;
  guard->catch_up(state, now);
  auto message = std::make_shared<Message>();
  message->sequence_number = state.last_sequence + 1;
  message->enqueued_time = now;
  message->expires_at = content.absolute_expiry.value_or(now + config_.settings.default_ttl);
  message->ack = request.ack;
  message->ack_given = request.ack_given;
  message->content = std::move(request.content);

  if (auto queued = state.queue.enqueue(message); !queued) return queued.error();
  ++state.last_sequence;
  guard->charge_quota(cost);
  ++metrics_.c2d_ingress_success;
  if (guard->durable) guard->stage(change::MessageEnqueued{{state.id}, message});
  if (message->expires_at <= now) {
    log_.warn(
        "message accepted and expired at once: its expiry has passed; where a number says it, it "
        "is "
        "in milliseconds, not seconds, since 1970, and in UTC",
        {{"device", state.id.text},
         {"id", message->content.message_id.text},
         {"expiry", to_iso8601(message->expires_at)}});
  }
  state.queue.on_time(now);  // an expiry that has passed already: accepted and expired (C2D-23)
  if (log_.enabled(LogLevel::debug)) {
    tell(log_, "message queued", state.id, message->content,
         std::to_string(message->sequence_number));
  }
  guard->settle(state, now);
  return message->sequence_number;
}

Result<std::size_t> Hub::purge(const DeviceId& device, TimePoint now) {
  Guard guard(*this, now);
  auto* state = device.text.empty() ? nullptr : guard->find_queue(QueueId{device});
  if (state == nullptr) return no_such_queue(QueueId{device});
  guard->catch_up(*state, now);
  const std::size_t count = state->queue.purge(now);
  guard->settle(*state, now);
  return count;
}

// ---- HTTPS: no holder ---------------------------------------------------------------------------

Result<std::optional<Delivery>> Hub::receive_once(const QueueId& queue, Duration lock,
                                                  TimePoint now) {
  Guard guard(*this, now);
  auto* state = guard->find_queue(queue);
  if (state == nullptr) return no_such_queue(queue);
  if (!queue.is_feedback()) {
    if (auto admitted = guard->admit(Operation::c2d_receive, 1, now); !admitted) {
      return admitted.error();
    }
  }
  guard->catch_up(*state, now);
  auto delivery = state->queue.receive(ids_.next_lock_token(), {0, lock, 0, false}, now);
  if (delivery && !queue.is_feedback()) ++metrics_.c2d_deliveries;
  if (delivery) tell_delivery(log_, queue.device, *delivery);
  guard->settle(*state, now);
  return delivery;
}

template <class Settle>
Result<void> Hub::settle_once(const QueueId& queue, TimePoint now, Settle&& settle) {
  Guard guard(*this, now);
  auto* state = guard->find_queue(queue);
  if (state == nullptr) return no_such_queue(queue);
  guard->catch_up(*state, now);
  Result<void> done = settle(state->queue);
  if (done) guard->settle(*state, now);
  return done;
}

Result<void> Hub::complete(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) { return q.complete(token, 0, now); });
}

Result<void> Hub::reject(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) { return q.reject(token, 0, now); });
}

Result<void> Hub::abandon(const QueueId& queue, const LockToken& token, TimePoint now) {
  return settle_once(queue, now, [&](auto& q) {
    auto done = q.abandon(token, 0, now);
    if (done && !queue.is_feedback()) ++metrics_.c2d_egress_abandon_success;
    return done;
  });
}

// ---- a receiver on a connection -----------------------------------------------------------------

template <class Then>
std::optional<Delivery> Receiver::receive_then(TimePoint now, Then&& then) {
  if (hub_ == nullptr) return std::nullopt;
  Hub::Guard guard(*hub_, now);
  auto& receiver = guard->receivers.find(id_)->second;
  if (receiver.queue == nullptr) return std::nullopt;
  Hub::Impl::QueueState& state = *receiver.queue;
  guard->catch_up(state, now);
  MessageQueue::ReceiveOptions options;
  options.holder = id_;
  options.lock_duration =
      state.is_feedback() ? hub_->settings().feedback_lock_duration : hub_->limits().lock_duration;
  options.first_sequence = receiver.first_sequence;
  options.marks_published = receiver.transport == Transport::mqtt;
  auto delivery = state.queue.receive(hub_->ids_.next_lock_token(), options, now);
  receiver.armed = !delivery.has_value();
  if (!delivery) return std::nullopt;
  if (!state.is_feedback()) ++hub_->metrics_.c2d_deliveries;
  tell_delivery(hub_->log_, state.id, *delivery);
  if (state.receivers.size() > 1) {
    // It has been served: the others have waited longer now.
    std::erase(state.receivers, id_);
    state.receivers.push_back(id_);
  }
  then(guard, state, *delivery, now);
  return delivery;
}

std::optional<Delivery> Receiver::receive(TimePoint now) {
  return receive_then(now, [](Hub::Guard& guard, auto& state, const Delivery&, TimePoint) {
    guard->reschedule(state);
  });
}

std::optional<Delivery> Receiver::receive_and_complete(TimePoint now) {
  return receive_then(
      now, [this](Hub::Guard& guard, auto& state, const Delivery& delivery, TimePoint time) {
        HUB_ASSERT(state.queue.complete(delivery.lock_token, id_, time));
        guard->settle(state, time);
      });
}

template <class Settle>
Result<void> Receiver::settle(TimePoint now, Settle&& settle) {
  const auto gone = [] {
    return fail(HubErrc::device_message_lock_lost,
                "the receiver is closed; its locks are released");
  };
  if (hub_ == nullptr) return gone();
  Hub::Guard guard(*hub_, now);
  auto* state = guard->receivers.find(id_)->second.queue;
  if (state == nullptr) return gone();
  guard->catch_up(*state, now);
  Result<void> done = settle(*state);
  if (done) guard->settle(*state, now);
  return done;
}

Result<void> Receiver::complete(const LockToken& token, TimePoint now) {
  return settle(now, [&](auto& state) { return state.queue.complete(token, id_, now); });
}

Result<void> Receiver::reject(const LockToken& token, TimePoint now) {
  return settle(now, [&](auto& state) { return state.queue.reject(token, id_, now); });
}

Result<void> Receiver::abandon(const LockToken& token, TimePoint now) {
  return settle(now, [&](auto& state) {
    auto done = state.queue.abandon(token, id_, now);
    if (done && !state.is_feedback()) ++hub_->metrics_.c2d_egress_abandon_success;
    return done;
  });
}

Result<void> Receiver::release(const LockToken& token, TimePoint now) {
  return settle(now, [&](auto& state) { return state.queue.release(token, id_, now); });
}

// ---- telemetry ----------------------------------------------------------------------------------

Result<TelemetryOriginPtr> Hub::telemetry_origin(const DeviceId& device, std::string auth_method,
                                                 std::string data_schema, TimePoint now) {
  Guard guard(*this, now);
  const auto usable = guard->usable_state(device);
  if (!usable) return usable.error();
  return std::make_shared<const TelemetryOrigin>(TelemetryOrigin{
      device, (*usable)->identity.generation_id, std::move(auth_method), std::move(data_schema)});
}

Result<void> Hub::send_telemetry(std::span<const std::shared_ptr<TelemetryMessage>> batch,
                                 TimePoint now) {
  if (batch.empty()) return {};
  std::size_t bytes = 0;
  std::uint64_t cost = 0;
  for (const auto& message : batch) {
    if (auto few = check_property_count(message->content, config_.limits); !few) return few;
    const std::size_t size = message->content.size();
    bytes += size;
    cost += DailyQuota::cost(size, config_.settings.sku);
  }
  if (bytes > config_.limits.d2c_message_bytes_max) {
    return fail(HubErrc::message_too_large,
                std::string(batch.size() == 1 ? "the message" : "the batch") + " has " +
                    std::to_string(bytes) + " bytes; 262144 are allowed");
  }
  const TelemetryOrigin& origin = *batch.front()->origin;
  Guard guard(*this, now);
  const auto usable = guard->usable_state(origin.device);
  if (!usable) return usable.error();
  Impl::DeviceState& sender = **usable;
  if (sender.identity.generation_id != origin.auth_generation_id) {
    return fail(HubErrc::device_not_found, described(origin.device) + " was created anew since");
  }
  if (auto admitted = guard->admit(Operation::d2c_send, batch.size(), now); !admitted) {
    return admitted;
  }
  if (auto allowed = guard->check_quota(cost, now); !allowed) return allowed;
  guard->charge_quota(cost);
  if (sender.presences != nullptr) sender.last_activity_time = now;
  for (const auto& message : batch) {
    const auto appended = guard->events.append(message, now);
    guard->stage<change::EventAppended>(appended.partition, message);
    if (appended.trimmed_to) {
      guard->stage<change::EventsTrimmed>(appended.partition, *appended.trimmed_to);
    }
  }
  if (log_.enabled(LogLevel::debug)) {
    for (const auto& message : batch) {
      tell(log_, "telemetry", origin.device, message->content,
           std::to_string(message->sequence_number));
    }
  }
  metrics_.d2c_telemetry_ingress_success += batch.size();
  metrics_.d2c_telemetry_ingress_bytes += bytes;
  return {};
}

std::vector<TelemetryPtr> Hub::read_events(std::uint32_t partition, std::uint64_t from,
                                           std::size_t count) {
  Guard guard(*this);
  return guard->events.read(partition, from, count);
}

}  // namespace hub
