#pragma once
// messages/devicebound: the service sends cloud-to-device messages (A-31, A-32,
// spec/amqp.md 4.3, 5.2).
#include "protocols/amqp/links/link.hpp"

namespace amqp {

class C2dSendLink : public Link {
 public:
  using Link::Link;
  int credit() const override { return 1000; }
  void on_message(pn_delivery_t* delivery, std::string_view payload) override;

 private:
  // `request` is what was read of it, refused or not, unless the hub has taken it.
  hub::Result<void> take(std::string_view payload, hub::SendRequest& request);
};

}  // namespace amqp
