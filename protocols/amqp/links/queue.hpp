#pragma once
// The sending end over a queue of the hub, with locks: devicebound, and feedback.
//   transfer (locked) --accepted--> complete   --rejected--> reject   --released--> abandon
// Two-phase clients (rcv-settle-mode second) get a settled answer to each outcome; one-phase
// clients have settled with it and get none. Delivery tag = lock token.
#include "protocols/amqp/links/link.hpp"

namespace amqp {

class QueueLink : public Link {
 public:
  // `receiver` was opened with the waker of `id`.
  QueueLink(Connection& connection, pn_link_t* pn, WakeId id, hub::Receiver receiver);

  void on_outcome(pn_delivery_t* delivery) override;
  void on_credit() override;
  void on_wake() override;
  void close(hub::TimePoint now) override { receiver_.close(now); }

 private:
  void pump();
  // nullopt: the state decides nothing.
  std::optional<hub::Result<void>> settle(pn_delivery_t* delivery, const hub::LockToken& token);

  hub::Receiver receiver_;
  const bool presettled_;  // the client asked for settled transfers: completed by sending
  bool has_more_ = true;   // false: the hub said there is nothing, and will wake us
};

}  // namespace amqp
