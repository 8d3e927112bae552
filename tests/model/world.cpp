#include "tests/model/world.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace model_test {

using hub::HubErrc;
using hub::TimePoint;
using hub::Transport;

namespace {

std::string short_token(const hub::LockToken& token) { return token.to_text().substr(0, 8); }

bool loses(Transport older, std::optional<Transport> newcomer) {
  return !newcomer || *newcomer == Transport::mqtt || older == Transport::mqtt;
}

std::string ms(hub::Duration duration) { return std::to_string(duration.count()) + "ms"; }

}  // namespace

World::World(const hub::Settings& settings, const hub::Limits& limits)
    : settings_(settings), limits_(limits), model_(settings, limits) {
  const auto with = [this](const char* name, std::uint64_t value) {
    history_.append(" ").append(name).append("=").append(std::to_string(value));
  };
  with("max_delivery_count", settings.max_delivery_count);
  with("feedback_max_delivery_count", settings.feedback_max_delivery_count);
  with("every_return", settings.delivery_count_mode == hub::DeliveryCountMode::every_return);
  with("at_unlock", settings.expire_while_locked == hub::ExpireWhileLocked::at_unlock);
  with("release_locks", settings.release_locks_on_disconnect);
  with("redeliver", settings.redeliver_on_live_connection);
  with("window_ms", static_cast<std::uint64_t>(settings.feedback_window.count()));
  with("batch", settings.feedback_batch_records);
  with("depth", limits.queue_depth_max);
  start_hub();
}

void World::start_hub() {
  hub_ = std::make_unique<hub::Hub>(hub::HubConfig{"localhost", {}, settings_, limits_}, ids_, log_,
                                    now_, true);
  started_ = now_;
}

void World::begin(std::string operation) {
  history_.append("\n  ").append(ms(now_ - hub::from_unix_seconds(1'800'000'000)));
  history_.append(" ").append(operation);
  model_.run_timers(now_);
}

void World::expect(bool same, const std::string& what) const {
  if (!same) throw Difference(what + "\nhistory:" + history_);
}

void World::expect_code(const std::optional<HubErrc>& expected, std::uint32_t number) {
  const auto wanted = expected ? hub::number_of(*expected) : 0;
  expect(wanted == number,
         "the model says " + std::to_string(wanted) + ", the hub " + std::to_string(number));
}

template <class T>
void World::expect_result(const std::optional<HubErrc>& expected, const hub::Result<T>& result) {
  expect_code(expected, result ? 0 : hub::number_of(result.error().code));
}

bool World::can_receive(const std::string& queue) const {
  const auto found = model_.queues.find(queue);
  return found != model_.queues.end() && found->second.enabled;
}

// ---- service side -------------------------------------------------------------------------------

void World::create(const std::string& device) {
  begin("create " + device);
  hub::DeviceSpec spec;
  spec.id.text = device;
  spec.primary_key = spec.secondary_key = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";
  const auto view = hub().registry().create(spec, now_);
  const bool there = exists(device);
  expect_result(there ? std::optional{HubErrc::device_already_exists} : std::nullopt, view);
  if (view) model_.queues[device].generation = view->identity.generation_id;
  end();
}

void World::remove(const std::string& device) {
  advance({});  // so that the batches of this instant are seen before the records vanish
  begin("remove " + device);
  const bool there = exists(device);
  const auto result = hub().registry().remove({device}, std::nullopt, now_);
  expect_result(there ? std::nullopt : std::optional{HubErrc::device_not_found}, result);
  if (there) {
    model_.remove_device(device);  // first: its messages are dropped, not returned
    close_links(device);
    close_presences(device);
  }
  end();
}

void World::set_enabled(const std::string& device, bool enabled) {
  begin((enabled ? "enable " : "disable ") + device);
  hub::DeviceSpec spec;
  spec.id.text = device;
  spec.status = enabled ? hub::DeviceStatus::enabled : hub::DeviceStatus::disabled;
  const auto view = hub().registry().update(spec, std::nullopt, now_);
  const bool there = exists(device);
  expect_result(there ? std::nullopt : std::optional{HubErrc::device_not_found}, view);
  if (there) {
    model_.queues[device].enabled = enabled;
    if (!enabled) {
      close_links(device);
      close_presences(device);
    }
  }
  end();
}

void World::send(const std::string& device, hub::Ack ack, std::optional<hub::Duration> ttl) {
  ModelMessage message;
  message.body = std::to_string(next_body_++);
  message.message_id = "id" + std::to_string(next_body_ % 3);  // not unique: no deduplication
  message.ack = ack;
  message.expires = now_ + ttl.value_or(settings_.default_ttl);
  begin("send " + message.body + " to " + device + " ack " + std::string{to_text(ack)} + " ttl " +
        (ttl ? ms(*ttl) : "default"));
  hub::SendRequest request;
  request.device.text = device;
  request.ack = ack;
  request.content.message_id = hub::MessageId::of(message.message_id);
  request.content.body = message.body;
  request.content.properties = {{"body", message.body}};
  if (ttl) request.content.absolute_expiry = now_ + *ttl;
  const auto sequence = hub().c2d().send(std::move(request), now_);
  expect_result(model_.send(device, message, now_), sequence);
  if (sequence) expect(*sequence == model_.queues[device].last, "another sequence number");
  end();
}

void World::purge(const std::string& device) {
  begin("purge " + device);
  const auto count = hub().c2d().purge({device}, now_);
  const bool there = exists(device);
  expect_result(there ? std::nullopt : std::optional{HubErrc::device_not_found}, count);
  if (there) expect(*count == model_.purge(device, now_), "another number purged");
  end();
}

// ---- HTTPS --------------------------------------------------------------------------------------

void World::get(const std::string& queue, hub::Duration lock) {
  begin("get '" + queue + "' lock " + ms(lock));
  observe_feedback();
  const auto delivery = hub().c2d().receive_once({{queue}}, lock, now_);
  const bool there = exists(queue);
  expect_result(there ? std::nullopt : std::optional{HubErrc::device_not_found}, delivery);
  if (there) expect_delivery(queue, model_.next_for(queue, 0, 0), *delivery, 0, lock, false);
  end();
}

void World::settle_once(const std::string& queue, const hub::LockToken& token, Verb verb) {
  begin(name_of(verb) + " '" + queue + "' " + short_token(token));
  const hub::QueueId id{{queue}};
  const auto result = verb == Verb::complete ? hub().c2d().complete(id, token, now_)
                      : verb == Verb::reject ? hub().c2d().reject(id, token, now_)
                                             : hub().c2d().abandon(id, token, now_);
  std::optional<HubErrc> expected;
  if (!exists(queue)) {
    expected = HubErrc::device_not_found;
  } else if (!model_.settle(queue, token, 0, verb, now_)) {
    expected = HubErrc::device_message_lock_lost;
  }
  expect_result(expected, result);
  end();
}

// ---- links --------------------------------------------------------------------------------------

void World::open(const std::string& queue, Transport transport, hub::SequenceNumber first) {
  begin("open '" + queue + "' from " + std::to_string(first) + " as link " +
        std::to_string(links_.size()));
  const auto wakes = std::make_shared<int>(0);
  const auto waker = [wakes] { ++*wakes; };
  hub::Receiver receiver;
  if (queue.empty()) {
    receiver = hub().c2d().open_feedback(waker, now_);
  } else {
    auto opened = hub().c2d().open_devicebound({queue}, transport, waker, first, now_);
    expect_result(can_receive(queue) ? std::nullopt : std::optional{HubErrc::device_not_found},
                  opened);
    if (opened) {
      receiver = std::move(*opened);
      close_links(queue);
      if (transport == Transport::mqtt) model_.begin_subscription(queue, first, now_);
    }
  }
  if (receiver) {
    links_.push_back(
        {std::move(receiver), next_holder_++, queue, transport, first, true, false, wakes});
  }
  end();
}

void World::receive(std::size_t index, bool and_complete) {
  begin("link " + std::to_string(index) + " receives" + (and_complete ? " and completes" : ""));
  observe_feedback();
  auto& link = links_[index];
  const auto delivery =
      and_complete ? link.receiver.receive_and_complete(now_) : link.receiver.receive(now_);
  auto* expected = link.live ? model_.next_for(link.queue, link.holder, link.first) : nullptr;
  const auto lock = link.queue.empty() ? settings_.feedback_lock_duration : limits_.lock_duration;
  link.hungry = link.live && !delivery;
  if (link.hungry) *link.wakes = 0;
  expect_delivery(link.queue, expected, delivery, link.holder, lock,
                  link.transport == Transport::mqtt);
  if (delivery && and_complete) {
    model_.settle(link.queue, delivery->lock_token, link.holder, Verb::complete, now_);
  }
  end();
}

void World::settle(std::size_t index, const hub::LockToken& token, Verb verb) {
  begin("link " + std::to_string(index) + " " + name_of(verb) + "s " + short_token(token));
  auto& link = links_[index];
  const auto result = verb == Verb::complete  ? link.receiver.complete(token, now_)
                      : verb == Verb::reject  ? link.receiver.reject(token, now_)
                      : verb == Verb::abandon ? link.receiver.abandon(token, now_)
                                              : link.receiver.release(token, now_);
  const bool done = link.live && model_.settle(link.queue, token, link.holder, verb, now_);
  expect_result(done ? std::nullopt : std::optional{HubErrc::device_message_lock_lost}, result);
  end();
}

void World::close(std::size_t index) {
  begin("link " + std::to_string(index) + " closes");
  auto& link = links_[index];
  link.receiver.close(now_);
  if (link.live) release(link);
  links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(index));
  end();
}

// C2D-36: the newest connection wins, but AMQP tolerates AMQP.
void World::connect(const std::string& device, Transport transport) {
  begin("connect " + device + (transport == Transport::mqtt ? " over MQTT" : " over AMQP"));
  auto presence = hub().connections().connect(
      {device}, transport, [] {}, now_);
  expect_result(can_receive(device) ? std::nullopt : std::optional{HubErrc::device_not_found},
                presence);
  if (presence) {
    close_links(device, transport);
    close_presences(device, transport);
    presences_.push_back({std::move(*presence), device, transport, true});
  }
  end();
}

void World::disconnect(std::size_t index) {
  begin("disconnect presence " + std::to_string(index));
  presences_[index].presence.close(now_);
  presences_.erase(presences_.begin() + static_cast<std::ptrdiff_t>(index));
  end();
}

void World::close_presences(const std::string& device, std::optional<Transport> newcomer) {
  for (auto& connected : presences_) {
    if (connected.device == device && loses(connected.transport, newcomer)) connected.live = false;
  }
}

void World::close_links(const std::string& queue, std::optional<Transport> newcomer) {
  for (auto& link : links_) {
    if (link.queue != queue || !link.live || !loses(link.transport, newcomer)) continue;
    link.live = link.hungry = false;
    release(link);
  }
}

void World::release(const Link& link) {
  model_.begin_subscription(link.queue, 0, now_);
  if (settings_.release_locks_on_disconnect) model_.release_all(link.queue, link.holder, now_);
}

// ---- sessions, time, restart --------------------------------------------------------------------

void World::put_session(const std::string& device) {
  begin("store the MQTT session of " + device);
  const hub::MqttSessionState state{{{"filter", 1, hub().c2d().next_sequence({device})}}};
  hub().connections().store_mqtt_session({device}, state, now_);
  if (exists(device)) {
    expect(state.subscriptions[0].first_sequence == model_.queues[device].last + 1,
           "another next sequence number");
    model_.queues[device].session = state;
  }
  end();
}

void World::remove_session(const std::string& device) {
  begin("remove the MQTT session of " + device);
  hub().connections().remove_mqtt_session({device}, now_);
  if (exists(device)) {
    model_.queues[device].session.reset();
    for (auto& message : model_.queues[device].messages) message.published = false;
  }
  end();
}

void World::advance(hub::Duration by, bool tell_hub) {
  now_ += by;
  begin("advanced by " + ms(by) + (tell_hub ? "" : ", untold"));
  if (!tell_hub) return;
  hub().monitor().on_time(now_);
  end();
}

void World::restart(hub::Duration down) {
  begin("kill -9, down for " + ms(down));
  hub().monitor().on_time(now_);
  observe_feedback();
  store_.apply(hub().monitor().take_changes().first);
  links_.clear();
  presences_.clear();
  model_.restart();
  now_ += down;
  start_hub();
  hub().restore(store_.load(), now_);
  model_.run_timers(now_);
  end();
}

// ---- comparing ----------------------------------------------------------------------------------

void World::expect_delivery(const std::string& queue, ModelMessage* expected,
                            const std::optional<hub::Delivery>& delivery, hub::HolderId holder,
                            hub::Duration lock, bool mqtt) {
  expect(
      delivery.has_value() == (expected != nullptr),
      delivery ? "the hub delivers, the model does not" : "the model delivers, the hub does not");
  if (!delivery) return;
  const auto& message = *delivery->message;
  expect(message.sequence_number == expected->sequence, "not the lowest that it may have (inv. 6)");
  expect(delivery->delivery_count == expected->delivery_count, "another delivery count (inv. 11)");
  expect(now_ < message.expires_at ||
             settings_.expire_while_locked == hub::ExpireWhileLocked::at_unlock,
         "delivered at or after its expiry (inv. 14)");
  expect(delivery->locked_until == now_ + lock, "another lock duration (inv. 16)");
  expect(known_tokens_.insert(delivery->lock_token).second, "a token used again (inv. 4)");
  expect(delivery->published_before == expected->published, "another DUP");
  if (!queue.empty()) {
    ++model_.counts.delivered;
    expect(message.content.body == expected->body &&
               message.content.message_id.text == expected->message_id &&
               message.content.properties == std::vector<hub::Property>{{"body", expected->body}} &&
               message.enqueued_time == expected->enqueued &&
               message.expires_at == expected->expires,
           "not the message that was sent (inv. 15, 20)");
  }
  tokens_.push_back(delivery->lock_token);
  expected->published = expected->published || mqtt;
  expected->lock = ModelLock{delivery->lock_token, holder, now_ + lock};
}

// New feedback messages: each takes the next records, in order, soon enough (inv. 21..25).
void World::observe_feedback() {
  hub().monitor().on_time(now_);
  auto& feedback = model_.queues[""];
  for (const auto& view : hub().c2d().peek({})) {
    const auto& message = *view.message;
    if (message.sequence_number <= feedback.last) continue;
    expect(message.sequence_number == feedback.last + 1, "a feedback message unseen");
    const auto batch = boost::json::parse(message.content.body).as_array();
    expect(!batch.empty() && batch.size() <= settings_.feedback_batch_records, "batch size (23)");
    expect(batch.size() <= model_.pending.size(), "a record too many (inv. 21)");
    for (const auto& item : batch) {
      const auto record = model_.pending.front();
      model_.pending.pop_front();
      const auto is = [&](const char* field, std::string_view value) {
        return item.at(field).as_string() == value;
      };
      expect(is("originalMessageId", record.message_id) && is("deviceId", record.device) &&
                 is("deviceGenerationId", record.generation) &&
                 is("statusCode", hub::feedback_status_code(record.kind)) &&
                 is("enqueuedTimeUtc", hub::to_iso8601(record.time)),
             "not the next record (inv. 22, 25): " + boost::json::serialize(item));
      expect(message.enqueued_time >= record.time, "flushed before its outcome (inv. 22)");
      expect(message.enqueued_time <= std::max(record.time, started_) + settings_.feedback_window,
             "flushed too late (inv. 24)");
    }
    expect(message.enqueued_time >= started_ && message.enqueued_time <= now_,
           "a batch queued when the hub was down, or in the future");
    expect(message.expires_at == message.enqueued_time + settings_.feedback_ttl, "feedback TTL");
    feedback.last = message.sequence_number;
    ModelMessage queued;
    queued.sequence = message.sequence_number;
    queued.enqueued = message.enqueued_time;
    queued.expires = message.expires_at;
    feedback.messages.push_back(std::move(queued));
  }
  expect(model_.pending.size() < settings_.feedback_batch_records, "a full batch waits (inv. 23)");
  for (const auto& record : model_.pending) {
    expect(now_ < std::max(record.time, started_) + settings_.feedback_window,
           "a record waits longer than the window (inv. 24)");
  }
}

void World::end() {
  observe_feedback();
  for (const auto& [name, queue] : model_.queues) {
    compare_queue(name, queue);
    if (!name.empty()) compare_device(name, queue);
  }
  expect(hub().registry().list("", 1000, now_).size() == model_.queues.size() - 1, "other devices");
  compare_links();
  compare_metrics();
  compare_deadline();
}

void World::compare_queue(const std::string& name, const ModelQueue& queue) {
  const auto views = hub().c2d().peek({{name}});
  expect(views.size() == queue.messages.size(), "queue '" + name + "' has another depth: hub " +
                                                    std::to_string(views.size()) + ", model " +
                                                    std::to_string(queue.messages.size()));
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto& message = queue.messages[i];
    expect(views[i].message->sequence_number == message.sequence &&
               views[i].delivery_count == message.delivery_count &&
               views[i].locked == message.lock.has_value(),
           "queue '" + name + "' differs at sequence number " + std::to_string(message.sequence));
  }
}

void World::compare_device(const std::string& name, const ModelQueue& queue) {
  const auto view = hub().registry().get({name}, now_);
  expect(view.has_value(), "device " + name + " is gone");
  expect(view->identity.generation_id == queue.generation, "another generation of " + name);
  expect((view->identity.status == hub::DeviceStatus::enabled) == queue.enabled, "another status");
  expect(view->c2d_message_count == queue.messages.size(), "another count of messages (inv. 1)");
  expect(view->c2d_message_count <= limits_.queue_depth_max, "deeper than allowed (inv. 1)");
  const auto locked = std::ranges::count_if(
      queue.messages, [](const ModelMessage& message) { return message.lock.has_value(); });
  expect(view->c2d_locked_count == static_cast<std::size_t>(locked), "another count of locks");
  expect(hub().connections().mqtt_session({name}) == queue.session,
         "another MQTT session of " + name);
  const bool connected = std::ranges::any_of(
      presences_, [&](const Connected& other) { return other.device == name && other.live; });
  expect(view->connected == connected, "another connection state of " + name);
  expect(hub().c2d().next_sequence({name}) == queue.last + 1,
         "another sequence counter of " + name);
}

void World::compare_links() {
  std::set<std::string> connected;
  for (const auto& presence : presences_) {
    expect(presence.presence.closed().has_value() == !presence.live, "presence open, or should be");
    if (presence.live) connected.insert(presence.device);
  }
  expect(hub().connections().connected_device_count(now_) == connected.size(), "connected devices");
  for (std::size_t i = 0; i < links_.size(); ++i) {
    auto& link = links_[i];
    const auto name = "link " + std::to_string(i);
    expect(link.receiver.closed().has_value() == !link.live, name + " is open, or should be");
    if (*link.wakes > 0) link.hungry = false;
    expect(!link.hungry || model_.next_for(link.queue, link.holder, link.first) == nullptr,
           name + " was not woken (inv. 19)");
  }
}

void World::compare_metrics() {
  const auto& metrics = hub().metrics();
  const auto& counts = model_.counts;
  const auto same = [&](const hub::Metrics::Counter& counter, std::uint64_t expected,
                        const std::string& name) {
    expect(counter == expected, "metric " + name + ": hub " + std::to_string(counter.load()) +
                                    ", model " + std::to_string(expected));
  };
  same(metrics.c2d_ingress_success, counts.sent, "ingress");
  same(metrics.c2d_egress_complete_success, counts.completed, "complete");
  same(metrics.c2d_egress_abandon_success, counts.abandoned, "abandon");
  same(metrics.c2d_egress_reject_success, counts.rejected, "reject");
  same(metrics.c2d_messages_expired, counts.expired, "expired");
  same(metrics.c2d_messages_purged, counts.purged, "purged");
  same(metrics.c2d_delivery_count_exceeded, counts.exceeded, "exceeded");
  same(metrics.c2d_deliveries, counts.delivered, "deliveries");
  same(metrics.feedback_records, counts.records, "records");
  expect(counts.restored + counts.sent == model_.live() + counts.completed + counts.expired +
                                              counts.exceeded + counts.rejected + counts.purged +
                                              counts.dropped,
         "messages are made or lost (inv. 30)");
}

// The hub must ask to be called when the next timer is due, at the latest.
void World::compare_deadline() {
  const auto announced = hub().monitor().next_deadline();
  auto due = model_.next_timer();
  if (!model_.pending.empty()) {
    const auto flush = std::max(model_.pending.front().time, started_) + settings_.feedback_window;
    if (!due || flush < *due) due = flush;
  }
  expect(!due || (announced && *announced <= *due), "the hub sleeps through a timer");
  expect(!announced || *announced > now_, "the hub asks for the past");
}

}  // namespace model_test
