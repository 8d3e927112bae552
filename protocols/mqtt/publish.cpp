// PUBLISH from the device: telemetry, twin requests, method responses (spec/mqtt.md 3 and 5).
#include <utility>

#include "protocols/mqtt/property_bag.hpp"
#include "protocols/mqtt/session.hpp"
#include "protocols/mqtt/topic.hpp"

namespace mqtt {

void Session::on_publish(const Publish& packet, TimePoint now) {
  if (packet.qos == 2) return violation("PUBLISH at QoS 2", now, packet.topic);
  const PublishTopic topic = classify_publish(packet.topic, device_);
  switch (topic.kind) {
    case PublishKind::telemetry: {
      hub::TelemetryMessage message;
      if (packet.dup) set_property(message.content, "mqtt-dup", "true");
      const auto sent =
          send_telemetry(std::move(message), topic.bag, packet.payload, packet.retain, now);
      if (!sent) return violation(sent.error().detail, now, packet.topic);
      break;
    }
    case PublishKind::twin_get:
    case PublishKind::twin_patch:
    case PublishKind::method_response: break;  // answered below, behind the PUBACK
    case PublishKind::bad_twin_request:
      return violation("a twin request without $rid, or no operation on twins", now, packet.topic);
    case PublishKind::other_identity:
      return violation("PUBLISH to the topic of another identity", now, packet.topic);
    case PublishKind::unsupported:
      return violation("PUBLISH to a topic the hub does not know", now, packet.topic);
  }

  // M-22: one by one, in the order of arrival; net holds the bytes back until all is committed.
  if (packet.qos == 1) encode(output_, Puback{packet.packet_id});
  if (topic.kind == PublishKind::twin_get) on_twin_get(topic.request_id, now);
  if (topic.kind == PublishKind::twin_patch) on_twin_patch(topic.request_id, packet.payload, now);
}

// `message` comes with what the packet, not its bag, says.
hub::Result<void> Session::send_telemetry(hub::TelemetryMessage message, std::string_view bag,
                                          std::string_view payload, bool retain, TimePoint now) {
  auto decoded = decode_property_bag(bag, hub_.limits().property_count_max, message);
  if (!decoded) return decoded;
  if (retain) set_property(message.content, "mqtt-retain", "true");
  message.content.body = payload;
  message.connection_device_id = device_.text;
  message.connection_module_id = device_.module;
  message.auth_method = auth_method_;
  message.data_schema = model_id_;
  return hub_.send_telemetry(std::move(message), now);
}

void Session::publish_will(TimePoint now) {
  if (!will_) return;
  const auto will = std::exchange(will_, nullptr);
  hub::TelemetryMessage message;
  set_property(message.content, "iothub-MessageType", "Will");
  const auto sent = send_telemetry(std::move(message), will->bag, will->payload, will->retain, now);
  if (!sent) {
    hub_.log().warn("will lost", {{"device", device_.name()}, {"reason", sent.error().detail}});
  }
}

}  // namespace mqtt
