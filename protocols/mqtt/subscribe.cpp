// SUBSCRIBE and UNSUBSCRIBE (M-30, M-31, M-61), and what they mean for cloud-to-device delivery.
#include <algorithm>

#include "emulator/core/base/printable.hpp"
#include "protocols/mqtt/session.hpp"
#include "protocols/mqtt/topic.hpp"
#include "protocols/mqtt/topic_filter.hpp"

namespace mqtt {

namespace {

constexpr std::size_t subscriptions_max = 100;  // ours; the hub documents five per device

auto find_filter(hub::MqttSessionState& session, std::string_view filter) {
  return std::find_if(session.subscriptions.begin(), session.subscriptions.end(),
                      [filter](const hub::MqttSubscription& s) { return s.filter == filter; });
}

}  // namespace

void Session::on_subscribe(const Subscribe& packet, TimePoint now) {
  for (const auto& request : packet.requests) {
    if (classify_filter(request.filter, device_) == FilterKind::other_identity) {
      return violation("SUBSCRIBE to a topic of another identity; who connects gets its own", now,
                       request.filter);
    }
  }
  Suback suback{packet.packet_id, {}};
  suback.codes.reserve(packet.requests.size());
  bool new_devicebound = false;
  for (const auto& request : packet.requests) {
    const auto granted = std::min<std::uint8_t>(request.qos, 1);
    new_devicebound |= subscribe(request.filter, granted);
    if (subscriptions_.subscriptions.size() > subscriptions_max) {
      return violation("more than 100 subscriptions; unsubscribe, or use a wildcard", now,
                       request.filter);
    }
    suback.codes.push_back(granted);
    tell_at_debug("subscribed", request.filter, granted);
  }
  if (!store_subscriptions(now)) return;
  encode(output_, suback);  // before the first message it enables
  update_receiver(now);
  if (new_devicebound) tell_what_is_held_back(now);
}

// True for a new subscription to cloud-to-device messages.
bool Session::subscribe(std::string_view filter, std::uint8_t qos) {
  const auto known = find_filter(subscriptions_, filter);
  if (known != subscriptions_.subscriptions.end()) {
    known->qos = qos;  // and keeps the time of its creation
    return false;
  }
  const FilterKind kind = classify_filter(filter, device_);
  hub::MqttSubscription subscription{std::string(filter), qos, 0};
  // C2D-29: what was sent before is not for this subscription.
  if (kind == FilterKind::devicebound &&
      hub_.settings().mqtt_backlog != hub::MqttBacklog::deliver) {
    subscription.first_sequence = hub_.c2d().next_sequence(device_);
  }
  subscriptions_.subscriptions.push_back(std::move(subscription));
  if (kind == FilterKind::inert) {
    hub_.log().warn(
        device_.is_module()
            ? "subscription granted, but nothing the hub sends can match it; a module gets answers "
              "below $iothub/ and no messages, which go to devices"
            : "subscription granted, but nothing the hub sends can match it; messages come by the "
              "filter devices/{id}/messages/devicebound/#",
        {{"device", device_.name()}, {"filter", hub::shown(filter)}});
  }
  return kind == FilterKind::devicebound;
}

void Session::on_unsubscribe(const Unsubscribe& packet, TimePoint now) {
  for (const std::string_view filter : packet.filters) {
    const auto known = find_filter(subscriptions_, filter);
    if (known == subscriptions_.subscriptions.end()) continue;
    tell_at_debug("unsubscribed", filter, known->qos);
    subscriptions_.subscriptions.erase(known);
  }
  if (!store_subscriptions(now)) return;
  encode(output_, Unsuback{packet.packet_id});
  update_receiver(now);
}

bool Session::is_subscribed_to(std::string_view topic) const {
  return std::any_of(subscriptions_.subscriptions.begin(), subscriptions_.subscriptions.end(),
                     [topic](const hub::MqttSubscription& s) { return matches(s.filter, topic); });
}

// M-16. False: the connection was taken over just now, and what the newcomer has stored stays.
bool Session::store_subscriptions(TimePoint now) {
  return clean_session_ ||
         hub_.connections().store_mqtt_session(device_, subscriptions_, now, &presence_);
}

// M-30: delivery is on while some filter matches, at the highest QoS of those that do. What is in
// flight stays so when the last one goes; its lock ends with PUBACK or the connection.
void Session::update_receiver(TimePoint now) {
  std::optional<hub::SequenceNumber> first;
  devicebound_qos_ = 0;
  for (const hub::MqttSubscription& s : subscriptions_.subscriptions) {
    if (classify_filter(s.filter, device_) != FilterKind::devicebound) continue;
    first = std::min(first.value_or(s.first_sequence), s.first_sequence);
    devicebound_qos_ = std::max(devicebound_qos_, s.qos);
  }
  receiving_ = first.has_value();
  if (!receiving_) {
    if (in_flight_.empty()) receiver_.close(now);
    return;
  }
  if (receiver_) {
    receiver_.set_first_sequence(*first);
  } else {
    auto opened =
        hub_.c2d().open_devicebound(device_, hub::Transport::mqtt, waker_, *first, now, &presence_);
    if (!opened) return violation(opened.error().detail, now);
    receiver_ = std::move(*opened);
  }
  delivery_due_ = true;
}

// What is rejected the hub tells itself.
void Session::tell_what_is_held_back(TimePoint now) {
  if (hub_.settings().mqtt_backlog != hub::MqttBacklog::keep) return;
  const auto view = hub_.registry().get(device_, now);
  if (!view || view->held_back_from_mqtt == 0) return;
  std::vector<hub::MessagePtr> kept;
  for (const auto& entry : hub_.c2d().peek(hub::QueueId{device_})) {
    if (kept.size() < view->held_back_from_mqtt) kept.push_back(entry.message);
  }
  hub_.log().warn(
      "messages kept but not pushed: they were sent before the device subscribed over MQTT; AMQP "
      "and HTTPS receive them, and mqttBacklogOnFirstSubscribe=deliver pushes such messages",
      {{"device", device_.text},
       {"messages", std::to_string(kept.size())},
       {"ids", hub::ids_of(kept)}});
}

}  // namespace mqtt
