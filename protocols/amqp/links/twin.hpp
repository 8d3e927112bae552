#pragma once
// devices/{d}/twin, requests. Twins are not kept yet: a device reads an empty one and may subscribe
// to changes that never come; a change to reported properties is refused, not lost.
#include "protocols/amqp/links/reply.hpp"

namespace amqp {

class TwinLink : public Link {
 public:
  TwinLink(Connection& connection, pn_link_t* pn, WakeId id, ReplyNodePtr node)
      : Link(connection, pn, id), node_(std::move(node)) {}

  int credit() const override { return 100; }
  void on_message(pn_delivery_t* delivery, std::string_view payload) override;

 private:
  ReplyNodePtr node_;
};

}  // namespace amqp
