// Purge, feedback and our own c2d send (spec/https.md 3.1 and 3.10).
#include "emulator/core/base/encoding.hpp"
#include "protocols/http/message_headers.hpp"
#include "protocols/http/service_api.hpp"
#include "protocols/http/settle.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace http {

using hub::HubErrc;

namespace {

const hub::QueueId feedback_queue{};

// `/devices/{id}/messages/devicebound`, fixed words in any case.
std::optional<hub::DeviceId> device_of_address(std::string_view to) {
  const auto address = to.starts_with('/') ? parse_target(to) : std::nullopt;
  if (!address || address->segments.size() != 4) return std::nullopt;
  const auto& segments = address->segments;
  if (!hub::iequals(segments[0], "devices") || !hub::iequals(segments[2], "messages") ||
      !hub::iequals(segments[3], "devicebound")) {
    return std::nullopt;
  }
  return hub::DeviceId{segments[1]};
}

// As over AMQP, the application property of that name is the request for feedback (H-81).
void take_ack_property(SentHeaders& sent) {
  for (auto& [name, value] : sent.content.properties) {
    if (hub::iequals(name, "iothub-ack") && sent.ack.empty()) sent.ack = value.value_or("");
  }
  std::erase_if(sent.content.properties,
                [](const hub::Property& each) { return hub::iequals(each.first, "iothub-ack"); });
}

}  // namespace

hub::Result<void> purge_device_bound(Exchange& exchange) {
  const hub::DeviceId id{std::string(exchange.ids.at(0))};
  const auto count = exchange.hub.c2d().purge(id, exchange.now);
  if (!count) return count.error();
  boost::json::object body;
  body["totalMessagesPurged"] = *count;
  body["deviceId"] = id.text;
  body["moduleId"] = nullptr;
  exchange.response.json(boost::json::serialize(body));
  return {};
}

hub::Result<void> receive_feedback(Exchange& exchange) {
  return receive_from(exchange, feedback_queue, exchange.hub.settings().feedback_lock_duration,
                      content_type_json);
}

hub::Result<void> settle_feedback(Exchange& exchange) {
  return complete_or_reject(exchange, feedback_queue, exchange.ids.at(0));
}

hub::Result<void> abandon_feedback(Exchange& exchange) {
  return abandon(exchange, feedback_queue, exchange.ids.at(0));
}

hub::Result<void> send_device_bound(Exchange& exchange) {
  SentHeaders sent = read_headers(exchange.head);
  take_ack_property(sent);
  hub::SendRequest request;
  const auto ack = hub::parse_ack(sent.ack);
  if (!ack) {
    return hub::fail(
        HubErrc::argument_invalid,
        "iothub-ack is '" + sent.ack + "': it must be none, positive, negative or full");
  }
  if (!sent.expiry.empty()) {
    sent.content.absolute_expiry = hub::parse_iso8601(sent.expiry);
    if (!sent.content.absolute_expiry) {
      return hub::fail(HubErrc::argument_invalid,
                       "iothub-expiry is '" + sent.expiry +
                           "': it must be an ISO 8601 time such as 2030-01-31T12:00:00Z");
    }
  }
  const auto device = device_of_address(sent.content.to);
  if (!device) {
    return hub::fail(HubErrc::invalid_operation,
                     "the header iothub-to is '" + sent.content.to +
                         "': it names the device as /devices/{id}/messages/devicebound");
  }
  request.device = *device;
  request.ack = *ack;
  request.ack_given = !sent.ack.empty();
  request.content = std::move(sent.content);
  request.content.body = exchange.body;
  const auto sequence_number = exchange.hub.c2d().send(std::move(request), exchange.now);
  if (!sequence_number) return sequence_number.error();
  exchange.response.status = 204;
  return {};
}

}  // namespace http
