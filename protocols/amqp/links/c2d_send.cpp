#include "protocols/amqp/links/c2d_send.hpp"

#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/address.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/message_map.hpp"

namespace amqp {

using hub::HubErrc;

void C2dSendLink::on_message(pn_delivery_t* delivery, std::string_view payload) {
  hub::SendRequest request;
  const auto taken = take(payload, request);
  if (taken) {
    accept(delivery);  // net holds it until what the hub staged is committed
    return;
  }
  connection_.hub().log().warn("cloud-to-device message refused",
                               {{"peer", connection_.peer().address},
                                {"to", hub::shown(request.content.to)},
                                {"error", hub::name_of(taken.error().code)},
                                {"reason", hub::shown(taken.error().detail)},
                                {"remedy", remedy_of(taken.error().code)}});
  reject(delivery, to_wire(taken.error()));
}

hub::Result<void> C2dSendLink::take(std::string_view payload, hub::SendRequest& request) {
  const auto sections = scan_sections(payload);
  if (!sections) return sections.error();
  const auto ack = read_message(*sections, Direction::cloud_to_device, request.content);
  if (!ack) return ack.error();
  const auto target = parse_c2d_to(request.content.to);
  if (!target) {
    return hub::fail(HubErrc::invalid_operation,
                     "`to` of a message is /devices/{id}/messages/devicebound");
  }
  if (target->id.is_module()) {
    return hub::fail(HubErrc::module_not_found, "modules have no queue; address the device");
  }
  request.device = target->id;
  request.ack = ack->value_or(hub::Ack::none);
  request.ack_given = ack->has_value();
  auto sent = connection_.hub().c2d().send(std::move(request), connection_.now());
  // SDKs disagree on whether an id in `to` is percent-encoded: decoded first, then as written:
  // for a device that is not there the hub has left the request as it was.
  if (!sent && sent.error().code == HubErrc::device_not_found && target->id != target->raw) {
    request.device = target->raw;
    auto second = connection_.hub().c2d().send(std::move(request), connection_.now());
    if (second || second.error().code != HubErrc::device_not_found) sent = std::move(second);
  }
  if (!sent) return sent.error();
  return {};
}

}  // namespace amqp
