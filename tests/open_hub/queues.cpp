#include "tests/open_hub/queues.hpp"

#include <proton/link.h>

#include "protocols/amqp/codec.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/links/queue.hpp"
#include "tests/open_hub/devices.hpp"

namespace open_hub {

namespace {

// From properties on: what is not changed on the way. nullopt: no sections.
std::optional<std::string_view> bare_of(std::string_view payload) {
  for (amqp::Reader reader(payload); !reader.empty();) {
    const std::string_view rest = reader.rest();
    std::uint64_t code = 0;
    if (!reader.read_descriptor(code) || !reader.skip()) return std::nullopt;
    if (code >= static_cast<std::uint64_t>(amqp::Descriptor::properties)) return rest;
  }
  return std::nullopt;
}

class QueueSendLink : public amqp::Link {
 public:
  QueueSendLink(amqp::Connection& connection, pn_link_t* pn, amqp::WakeId id, hub::DeviceId queue)
      : Link(connection, pn, id), queue_(std::move(queue)) {}

  int credit() const override { return 100; }
  void on_message(pn_delivery_t* delivery, std::string_view payload) override {
    const auto sent = take(payload);
    sent ? amqp::accept(delivery) : amqp::reject(delivery, amqp::to_wire(sent.error()));
  }

 private:
  hub::Result<void> take(std::string_view payload) {
    const auto bare = bare_of(payload);
    if (!bare) return hub::fail(hub::HubErrc::iot_hub_format_error, "no message");
    hub::SendRequest request;
    request.device = queue_;
    request.content.amqp_bare = *bare;
    const auto sent = connection_.hub().c2d().send(std::move(request), connection_.now());
    if (!sent) return sent.error();
    return {};
  }

  hub::DeviceId queue_;
};

}  // namespace

hub::Result<std::unique_ptr<amqp::Link>> Queues::attach(amqp::Connection& connection, pn_link_t* pn,
                                                        amqp::WakeId id, hub::Waker waker,
                                                        std::string_view address) {
  if (address.empty()) return hub::fail(hub::HubErrc::device_not_found, "no address");
  const hub::DeviceId queue = device_for(hub_, address, connection.now());
  if (!pn_link_is_sender(pn)) {
    return std::make_unique<QueueSendLink>(connection, pn, id, queue);
  }
  auto receiver = hub_.c2d().open_devicebound(queue, hub::Transport::amqp, std::move(waker), 0,
                                              connection.now());
  if (!receiver) return receiver.error();
  return std::make_unique<amqp::QueueLink>(connection, pn, id, std::move(*receiver));
}

}  // namespace open_hub
