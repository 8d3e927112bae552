#include "protocols/amqp/links/telemetry.hpp"

#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/message_map.hpp"

namespace amqp {

namespace {

std::string text_or_empty(std::optional<std::string_view> text) {
  return std::string(text.value_or(std::string_view{}));
}

}  // namespace

void TelemetryLink::on_message(pn_delivery_t* delivery, std::string_view payload) {
  const auto taken = connection_.message_format() == FrameGuard::batch_format
                         ? take_batch(payload)
                         : take_one(payload);
  if (taken) {
    accept(delivery);
    return;
  }
  connection_.hub().log().warn("telemetry refused", {{"peer", connection_.peer().address},
                                                     {"device", device},
                                                     {"error", hub::name_of(taken.error().code)},
                                                     {"reason", hub::shown(taken.error().detail)},
                                                     {"remedy", remedy_of(taken.error().code)}});
  reject(delivery, to_wire(taken.error()));
}

hub::Result<std::shared_ptr<hub::TelemetryMessage>> TelemetryLink::read(
    const Sections& sections) const {
  auto message = std::make_shared<hub::TelemetryMessage>();
  const auto read = read_message(sections, Direction::device_to_cloud, message->content);
  if (!read) return read.error();
  message->origin = origin_;
  const auto& annotations = sections.message_annotations;
  message->interface_id = text_or_empty(find_text(annotations, "iothub-interface-id"));
  message->subject = text_or_empty(find_text(annotations, "dt-subject"));
  return message;
}

hub::Result<void> TelemetryLink::take_one(std::string_view payload) {
  const auto sections = scan_sections(payload);
  if (!sections) return sections.error();
  auto message = read(*sections);
  if (!message) return message.error();
  return connection_.hub().events().send(*message, connection_.now());
}

// Accepted or rejected as a whole, so everything is read before anything is sent.
hub::Result<void> TelemetryLink::take_batch(std::string_view payload) {
  const auto container = scan_sections(payload);
  if (!container) return container.error();
  std::vector<std::shared_ptr<hub::TelemetryMessage>> messages;
  messages.reserve(container->data.size());
  std::size_t total = 0;
  for (const std::string_view data : container->data) {
    const auto sections = scan_sections(data);
    if (!sections) return sections.error();
    auto message = read(*sections);
    if (!message) return message.error();
    total += (*message)->content.size();
    if (total > connection_.hub().limits().d2c_message_bytes_max) {
      return hub::fail(hub::HubErrc::message_too_large, "a batch has more than 262144 bytes");
    }
    messages.push_back(std::move(*message));
  }
  if (messages.empty()) {
    return hub::fail(hub::HubErrc::iot_hub_format_error, "a batch without messages");
  }
  return connection_.hub().events().send(messages, connection_.now());
}

}  // namespace amqp
