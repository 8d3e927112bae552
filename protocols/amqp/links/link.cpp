#include "protocols/amqp/links/link.hpp"

#include "protocols/amqp/engine.hpp"

namespace amqp {

void SilentReceiver::on_message(pn_delivery_t* delivery, std::string_view) { accept(delivery); }

}  // namespace amqp
