#pragma once
// Plain AMQP queues: any address is one. Sending to it is a cloud-to-device message for the device
// of that name, receiving from it the devicebound link; messages go through as they came.
#include "protocols/amqp/nodes.hpp"

namespace open_hub {

class Queues : public amqp::Nodes {
 public:
  explicit Queues(hub::Hub& hub) : hub_(hub) {}
  hub::Result<std::unique_ptr<amqp::Link>> attach(amqp::Connection& connection, pn_link_t* pn,
                                                  amqp::WakeId id, hub::Waker waker,
                                                  std::string_view address) override;

 private:
  hub::Hub& hub_;
};

}  // namespace open_hub
