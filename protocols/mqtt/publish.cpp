// PUBLISH from the device: telemetry, twin requests, method responses (spec/mqtt.md 3 and 5).
#include <utility>

#include "emulator/core/base/printable.hpp"
#include "protocols/mqtt/property_bag.hpp"
#include "protocols/mqtt/session.hpp"
#include "protocols/mqtt/topic.hpp"

namespace mqtt {

void Session::on_publish(const Publish& packet, TimePoint now) {
  if (packet.qos == 2) {
    return violation("PUBLISH at QoS 2, which the hub does not have; use QoS 1", now, packet.topic);
  }
  const PublishTopic topic = classify_publish(packet.topic, device_);
  switch (topic.kind) {
    case PublishKind::telemetry: {
      const auto message = std::make_shared<hub::TelemetryMessage>();
      if (!told_odd_bag_ && is_odd_bag(topic.bag)) tell_of_odd_bag(packet.topic);
      if (packet.dup) set_property(message->content, "mqtt-dup", "true");
      const auto sent = send_telemetry(message, topic.bag, packet.payload, packet.retain, now);
      if (!sent) return violation(sent.error().detail, now, packet.topic);
      break;
    }
    case PublishKind::twin_get:
    case PublishKind::twin_patch:
    case PublishKind::method_response:
      break;  // answered below, behind the PUBACK
    case PublishKind::bad_twin_request:
      return violation(
          "a twin request without $rid, or no operation on twins; those are "
          "$iothub/twin/GET/?$rid={id} and $iothub/twin/PATCH/properties/reported/?$rid={id}",
          now, packet.topic);
    case PublishKind::other_identity:
      return violation("PUBLISH to the topic of another identity; who connects publishes as itself",
                       now, packet.topic);
    case PublishKind::unsupported:
      return violation(
          "PUBLISH to a topic the hub does not know; telemetry goes to "
          "devices/{id}/[modules/{id}/]messages/events/",
          now, packet.topic);
  }

  if (topic.kind != PublishKind::telemetry) tell_at_debug("PUBLISH", packet.topic, packet.qos);

  // M-22: one by one, in the order of arrival; net holds the bytes back until all is committed.
  if (packet.qos == 1) encode(output_, Puback{packet.packet_id});
  if (topic.kind == PublishKind::twin_get) on_twin_get(topic.request_id, now);
  if (topic.kind == PublishKind::twin_patch) on_twin_patch(topic.request_id, packet.payload, now);
}

// `message` comes with what the packet, not its bag, says.
hub::Result<void> Session::send_telemetry(const std::shared_ptr<hub::TelemetryMessage>& message,
                                          std::string_view bag, std::string_view payload,
                                          bool retain, TimePoint now) {
  auto decoded = decode_property_bag(bag, hub_.limits().property_count_max, *message);
  if (!decoded) return decoded;
  if (retain) set_property(message->content, "mqtt-retain", "true");
  message->content.body = payload;
  if (!origin_) {
    auto origin = hub_.events().origin_of(device_, std::string(auth_method_),
                                          extras_ ? extras_->model_id : std::string{}, now);
    if (!origin) return origin.error();
    origin_ = std::move(*origin);
  }
  message->origin = origin_;
  return hub_.events().send(message, now);
}

void Session::tell_of_odd_bag(std::string_view topic) {
  told_odd_bag_ = true;
  hub_.log().warn(
      "telemetry taken, with what stands behind messages/events/ as the name of a property: there "
      "are no topics below it, and properties are name=value&name=value without a ? before them",
      {{"device", device_.name()}, {"topic", hub::shown(topic)}});
}

void Session::publish_will(TimePoint now) {
  if (!extras_ || !extras_->will) return;
  const auto will = std::exchange(extras_->will, std::nullopt);
  const auto message = std::make_shared<hub::TelemetryMessage>();
  set_property(message->content, "iothub-MessageType", "Will");
  const auto sent = send_telemetry(message, will->bag, will->payload, will->retain, now);
  if (!sent) {
    hub_.log().warn("will lost", {{"device", device_.name()}, {"reason", sent.error().detail}});
  }
}

}  // namespace mqtt
