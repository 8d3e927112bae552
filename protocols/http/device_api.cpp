#include "protocols/http/device_api.hpp"

#include "emulator/core/base/encoding.hpp"
#include "protocols/http/limits.hpp"
#include "protocols/http/message_headers.hpp"
#include "protocols/http/settle.hpp"
#include "protocols/http/telemetry_batch.hpp"

#include <charconv>

namespace http {

namespace {

using hub::HubErrc;

constexpr std::string_view batch_content_type = "application/vnd.microsoft.iothub.json";

hub::QueueId queue_of(const Exchange& exchange) { return {exchange.device->id}; }

bool is_batch(const RequestHead& head) {
  const std::string_view type = head.find("content-type").value_or(std::string_view{});
  return hub::iequals(type.substr(0, type.find(';')), batch_content_type);
}

// What asks a receiver of cloud-to-device messages for something is passed on in telemetry, as it
// is over MQTT and AMQP (H-81).
void keep_for_reader(SentHeaders& sent) {
  if (!sent.ack.empty()) sent.content.properties.emplace_back("iothub-ack", std::move(sent.ack));
  if (sent.expiry.empty()) return;
  sent.content.absolute_expiry = hub::parse_iso8601(sent.expiry);
  if (!sent.content.absolute_expiry) {
    sent.content.properties.emplace_back("iothub-expiry", std::move(sent.expiry));
  }
}

hub::Result<void> check_size(std::size_t size, const hub::Limits& limits) {
  if (size <= limits.d2c_message_bytes_max) return {};
  return hub::fail(HubErrc::message_too_large, "the request has " + std::to_string(size) +
                                                   " bytes of messages, " +
                                                   std::to_string(limits.d2c_message_bytes_max) +
                                                   " are allowed: send fewer or smaller ones");
}

// Seconds by header or query, 1..300 (U8, contract.md section 6; H-38).
hub::Result<hub::Duration> lock_timeout(const Exchange& exchange) {
  constexpr std::string_view name = "iothub-messagelocktimeout";
  auto text = exchange.head.find(name);
  if (!text) text = exchange.target.find(name);
  const hub::Limits& limits = exchange.hub.limits();
  if (!text || text->empty()) return limits.lock_duration;
  int seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  const std::chrono::seconds lock{seconds};
  if (error != std::errc{} || end != text->data() + text->size() ||
      lock < limits.http_lock_timeout_min || lock > limits.http_lock_timeout_max) {
    return hub::fail(HubErrc::argument_invalid, "IotHub-MessageLockTimeout is '" +
                                                    std::string(*text) +
                                                    "': it must be 1 to 300 whole seconds");
  }
  return hub::Duration{lock};
}

}  // namespace

hub::Result<void> send_telemetry(Exchange& exchange) {
  std::vector<SentHeaders> messages;
  if (is_batch(exchange.head)) {
    auto batch = parse_telemetry_batch(exchange.body);
    if (!batch) return batch.error();
    messages = std::move(*batch);
  } else {
    messages.push_back(read_headers(exchange.head));
    messages.back().content.body = exchange.body;
  }
  for (SentHeaders& message : messages) keep_for_reader(message);
  std::size_t size = 0;
  for (const SentHeaders& message : messages) {
    if (auto checked = check_headers(message, exchange.hub.limits()); !checked) return checked;
    size += message.content.size();
  }
  if (auto checked = check_size(size, exchange.hub.limits()); !checked) return checked;

  const auto origin = exchange.hub.events().origin_of(
      exchange.device->id, std::string(hub::auth_method_of(exchange.principal)), {}, exchange.now);
  if (!origin) return origin.error();
  std::vector<std::shared_ptr<hub::TelemetryMessage>> batch;
  batch.reserve(messages.size());
  for (SentHeaders& sent : messages) {
    auto& telemetry = *batch.emplace_back(std::make_shared<hub::TelemetryMessage>());
    telemetry.content = std::move(sent.content);
    telemetry.origin = *origin;
    telemetry.interface_id = std::move(sent.interface_id);
    telemetry.subject = std::move(sent.subject);
  }
  auto sent = exchange.hub.events().send(batch, exchange.now);
  if (sent) exchange.response.status = 204;
  return sent;
}

hub::Result<void> receive_device_bound(Exchange& exchange) {
  const auto lock = lock_timeout(exchange);
  if (!lock) return lock.error();
  return receive_from(exchange, queue_of(exchange), *lock, content_type_bytes);
}

hub::Result<void> settle_device_bound(Exchange& exchange) {
  return complete_or_reject(exchange, queue_of(exchange), exchange.ids.at(1));
}

hub::Result<void> abandon_device_bound(Exchange& exchange) {
  return abandon(exchange, queue_of(exchange), exchange.ids.at(1));
}

}  // namespace http
