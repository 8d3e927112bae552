#include "protocols/amqp/links/queue.hpp"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>

#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/message_map.hpp"

namespace amqp {

namespace {

// A client that takes messages and never settles them gets each anew once a minute; at some point
// it gets no more. rhea stops at 2048 itself.
constexpr int unsettled_max = 5000;
// Handed to Proton at a time; it gives the turn to encoding, which comes back with on_credit().
constexpr std::size_t queued_bytes_max = 256 * 1024;

// Marks a delivery that is settled here already: Node sends two dispositions for one message, and
// the second may come before Proton has forgotten the first.
int settled_mark;
bool is_settled_here(pn_delivery_t* delivery) {
  return pn_delivery_get_context(delivery) == &settled_mark;
}
void settle_here(pn_delivery_t* delivery) {
  pn_delivery_set_context(delivery, &settled_mark);
  pn_delivery_settle(delivery);
}

}  // namespace

QueueLink::QueueLink(Connection& connection, pn_link_t* pn, WakeId id, hub::Receiver receiver)
    : Link(connection, pn, id),
      receiver_(std::move(receiver)),
      presettled_(pn_link_remote_snd_settle_mode(pn) == PN_SND_SETTLED) {}

void QueueLink::on_wake() {
  if (const auto reason = receiver_.closed()) {
    connection_.detach_closed(*this, *reason);  // ends this object
    return;
  }
  has_more_ = true;
  pump();
}

void QueueLink::on_credit() {
  if (has_more_) pump();
}

// A message is locked only when the client has credit for it, so that its lock is honest.
void QueueLink::pump() {
  pn_session_t* session = pn_link_session(pn());
  std::string encoded;
  while (pn_link_credit(pn()) > 0 && pn_link_unsettled(pn()) < unsettled_max) {
    if (pn_session_outgoing_bytes(session) >= queued_bytes_max) return;
    if (connection_.output_full()) {
      connection_.resume_later(id());
      return;
    }
    const hub::TimePoint now = connection_.now();
    const auto delivery =
        presettled_ ? receiver_.receive_and_complete(now) : receiver_.receive(now);
    if (!delivery) {
      has_more_ = false;
      return;
    }
    encoded.clear();
    append_delivery(encoded, *delivery);
    const auto tag = delivery->lock_token.to_net_guid();
    send(pn(), {reinterpret_cast<const char*>(tag.data()), tag.size()}, encoded, presettled_);
  }
}

std::optional<hub::Result<void>> QueueLink::settle(pn_delivery_t* delivery,
                                                   const hub::LockToken& token) {
  const hub::TimePoint now = connection_.now();
  switch (pn_delivery_remote_state(delivery)) {
    case PN_ACCEPTED:
      return receiver_.complete(token, now);
    case PN_REJECTED:
      return receiver_.reject(token, now);
    case PN_RELEASED:
      return receiver_.abandon(token, now);
    case PN_MODIFIED:
      return pn_disposition_is_undeliverable(pn_delivery_remote(delivery))
                 ? receiver_.reject(token, now)
                 : receiver_.abandon(token, now);
    default:  // settled without an outcome: nobody has it any more, and it was no abandon
      if (pn_delivery_settled(delivery)) return receiver_.release(token, now);
      return std::nullopt;
  }
}

void QueueLink::on_outcome(pn_delivery_t* delivery) {
  if (is_settled_here(delivery)) return;
  const pn_delivery_tag_t tag = pn_delivery_tag(delivery);
  const auto token = hub::LockToken::from_net_guid({tag.start, tag.size});
  HUB_ASSERT(token.has_value());  // it is ours
  const auto settled = settle(delivery, *token);
  if (pn_delivery_settled(delivery)) {
    if (!*settled) {
      connection_.hub().log().debug("a settlement came too late", {{"device", device}});
    }
    settle_here(delivery);
  } else if (settled) {
    pn_delivery_set_context(delivery, &settled_mark);
    if (*settled) {
      accept(delivery);
    } else {
      connection_.hub().log().warn("settlement refused",
                                   {{"peer", connection_.peer().address},
                                    {"device", device},
                                    {"error", hub::name_of(settled->error().code)},
                                    {"reason", settled->error().detail},
                                    {"remedy", remedy_of(settled->error().code)}});
      reject(delivery, to_wire(settled->error()));
    }
  }
  if (has_more_) pump();  // there may be room again
}

}  // namespace amqp
