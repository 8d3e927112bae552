// Topic names, filters, property bags and user names.
#include "protocols/mqtt/property_bag.hpp"
#include "protocols/mqtt/topic.hpp"
#include "protocols/mqtt/topic_filter.hpp"
#include "protocols/mqtt/username.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/target.hpp"

#include "emulator/core/base/encoding.hpp"

#include <array>

namespace {

using namespace fuzz;

const hub::DeviceId device{"dev1"};
constexpr std::size_t property_count_max = 20;

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_topic(std::string_view topic) {
  const auto kind = mqtt::classify_publish(topic, device);
  HUB_ASSERT(inside(kind.bag, topic) && inside(kind.request_id, topic));
  // Whatever is telemetry names this device and nobody else.
  if (kind.kind == mqtt::PublishKind::telemetry) {
    HUB_ASSERT(topic.starts_with("devices/dev1/messages/events"));
    HUB_ASSERT(mqtt::classify_publish(topic, {"dev2"}).kind != mqtt::PublishKind::telemetry);
  }
}

void check_filter(std::string_view filter) {
  (void)mqtt::has_wildcard(filter);
  // The codec lets nothing else through ([MQTT-1.5.3-1], [MQTT-1.5.3-2]).
  if (!hub::is_valid_utf8(filter) || filter.find('\0') != filter.npos) return;
  if (!mqtt::is_valid_filter(filter)) return;
  const auto kind = mqtt::classify_filter(filter, device);
  if (kind == mqtt::FilterKind::devicebound) {
    HUB_ASSERT(mqtt::matches(filter, "devices/dev1/messages/devicebound/%24.to=x"));
  }
  if (!mqtt::has_wildcard(filter)) HUB_ASSERT(mqtt::matches(filter, filter));
}

// A bag that was read leaves as a bag that reads as the same.
void check_bag(std::string_view bag) {
  if (!hub::is_valid_utf8(bag)) return;  // the codec lets none through ([MQTT-1.5.3-1])
  hub::TelemetryMessage message;
  if (!mqtt::decode_property_bag(bag, property_count_max, message)) return;
  HUB_ASSERT(message.content.properties.size() <= property_count_max);
  hub::Message devicebound;
  devicebound.content = message.content;
  const std::string topic = mqtt::devicebound_topic(devicebound, device);
  constexpr std::string_view prefix = "devices/dev1/messages/devicebound/";
  HUB_ASSERT(topic.starts_with(prefix));
  HUB_ASSERT(hub::is_valid_utf8(topic));
  HUB_ASSERT(topic.find('#') == topic.npos && topic.find('+') == topic.npos);
  hub::TelemetryMessage again;
  HUB_ASSERT(mqtt::decode_property_bag(std::string_view(topic).substr(prefix.size()),
                                       property_count_max + 1, again));
  HUB_ASSERT(again.content.message_id == message.content.message_id);
  HUB_ASSERT(again.content.user_id == message.content.user_id);
}

void check_username(std::string_view text, std::string_view client_id) {
  const auto user = mqtt::parse_username(text, client_id);
  if (!user) return;
  HUB_ASSERT(!user->host.empty() && !user->device_id.empty());
  HUB_ASSERT(inside(user->host, text) && inside(user->device_id, text) &&
             inside(user->module_id, text));
  HUB_ASSERT(user->device_id.find('/') == text.npos);
}

}  // namespace

FUZZ_TARGET(mqtt_topics) {
  Input in(input);
  const auto kind = in.byte() % 4;
  const auto text = in.rest();
  switch (kind) {
    case 0:
      return check_topic(text);
    case 1:
      return check_filter(text);
    case 2:
      return check_bag(text);
    default:
      for (const std::string_view client_id : {"d", "d/m"}) check_username(text, client_id);
  }
}
