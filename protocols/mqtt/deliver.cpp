// Cloud-to-device messages out, PUBACK in (spec/mqtt.md 4, spec/c2d.md 3).
#include <algorithm>
#include <utility>

#include "protocols/mqtt/property_bag.hpp"
#include "protocols/mqtt/session.hpp"

namespace mqtt {

namespace {
constexpr std::size_t topic_bytes_max = 0xFFFF;
}

void Session::on_puback(const Puback& packet, TimePoint now) {
  const auto ignored = [&](std::string_view why) {
    hub_.log().debug(why,
                     {{"device", device_.text}, {"packet id", std::to_string(packet.packet_id)}});
  };
  switch (in_flight_.acknowledge(packet.packet_id, hub_.settings().mqtt_out_of_order_ack, now)) {
    case InFlight::AckResult::settled:
      settle(now);
      return;
    case InFlight::AckResult::held:
      return ignored("PUBACK out of order: held until its turn");
    case InFlight::AckResult::unknown:
      return ignored("PUBACK ignored: nothing has this packet id");
    case InFlight::AckResult::lost:
      ignored("PUBACK ignored: the message's lock timed out");
      settle(now);  // what was held behind it has its turn
      return;
    case InFlight::AckResult::ignored:
      return ignored("PUBACK ignored: it is out of order");
    case InFlight::AckResult::forbidden:
      return violation(
          "PUBACK out of order, which mqttOutOfOrderAck=close forbids; acknowledge in "
          "the order of delivery, or set it to hold",
          now);
  }
}

// Completes what is acknowledged and has its turn. True if there was any: room for more.
bool Session::settle(TimePoint now) {
  bool any = false;
  while (const auto token = in_flight_.take_settled(now)) {
    any = true;
    // Expired or purged while it was out: the hub has said so in its feedback.
    if (const auto done = receiver_.complete(*token, now); !done) {
      hub_.log().debug("PUBACK without effect",
                       {{"device", device_.text}, {"reason", done.error().detail}});
    }
  }
  delivery_due_ = delivery_due_ || any;
  if (!receiving_ && in_flight_.empty()) receiver_.close(now);
  return any;
}

void Session::deliver(TimePoint now) {
  // A message that is locked anew may have its PUBACK already, and make room by that.
  do pump(now);
  while (settle(now));
  delivery_due_ = false;
}

void Session::pump(TimePoint now) {
  output_held_up_ = false;
  while (receiving_) {
    if (!wants_input()) {
      output_held_up_ = true;
      return;
    }
    const bool acknowledged = devicebound_qos_ > 0;
    if (acknowledged && window_is_full(now)) return;
    const auto delivery =
        acknowledged ? receiver_.receive(now) : receiver_.receive_and_complete(now);
    if (!delivery) return;
    send_to_device(*delivery, now);
  }
}

// A window as large as the queue never fills: the queue cannot lock more. It is not counted then,
// since messages that were purged while they were out would still count.
bool Session::window_is_full(TimePoint now) const {
  const std::size_t window = hub_.settings().mqtt_in_flight_max;
  return window < hub_.limits().queue_depth_max && in_flight_.locked_count(now) >= window;
}

void Session::send_to_device(const hub::Delivery& delivery, TimePoint now) {
  const hub::Message& message = *delivery.message;
  const std::string topic = devicebound_topic(message, device_);
  if (topic.size() > topic_bytes_max) {
    hub_.log().warn(
        "message rejected: its properties do not fit into an MQTT topic of 65535 bytes; "
        "put what is long into the body, or receive over AMQP or HTTPS",
        {{"device", device_.text}, {"sequence number", std::to_string(message.sequence_number)}});
    if (devicebound_qos_ > 0) (void)receiver_.reject(delivery.lock_token, now);
    return;
  }
  Publish packet;
  packet.topic = topic;
  packet.payload = message.content.body;
  packet.qos = devicebound_qos_;
  if (packet.qos > 0) {
    const bool expires_locked =
        hub_.settings().expire_while_locked == hub::ExpireWhileLocked::immediate;
    const TimePoint lost_at = expires_locked ? std::min(delivery.locked_until, message.expires_at)
                                             : delivery.locked_until;
    const InFlight::Added added = in_flight_.add(delivery, lost_at, now);
    if (added.acknowledged) return;  // the device has it; its PUBACK waits for its turn
    packet.packet_id = added.packet_id;
    packet.dup = added.published_here || delivery.published_before;
  }
  encode(output_, packet);
}

}  // namespace mqtt
