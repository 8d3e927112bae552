#pragma once
// What an address leads to, for a container other than the hub: tests/open_hub serves plain queues
// with the hub's engine, connection and links (docs/decisions/0009).
#include <memory>
#include <string_view>

#include "emulator/core/hub/hub.hpp"
#include "protocols/amqp/links/link.hpp"

namespace amqp {

class Nodes {
 public:
  virtual ~Nodes() = default;
  // One attach, to be answered by the link or refused with the error. The client is the receiver
  // if `pn` is a sender. `waker` calls the link's on_wake().
  virtual hub::Result<std::unique_ptr<Link>> attach(Connection& connection, pn_link_t* pn,
                                                    WakeId id, hub::Waker waker,
                                                    std::string_view address) = 0;
};

}  // namespace amqp
