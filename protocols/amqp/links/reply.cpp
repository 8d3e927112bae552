#include "protocols/amqp/links/reply.hpp"

#include <proton/delivery.h>
#include <proton/link.h>

#include <array>

#include "protocols/amqp/engine.hpp"

namespace amqp {

namespace {

constexpr std::size_t pending_max = 1000;
// To a client that settles no reply the next ones are sent settled.
constexpr int unsettled_max = 100;
constexpr std::size_t pending_bytes_max = 1024 * 1024;  // a request's id, which comes back, is long

}  // namespace

bool ReplyNode::send(pn_session_t* session, std::string message) {
  if (pending_.size() >= pending_max || pending_bytes_ > pending_bytes_max) return false;
  pending_bytes_ += message.size();
  pending_.push_back({session, std::move(message)});
  pump();
  return true;
}

std::size_t ReplyNode::held_bytes() const {
  constexpr std::size_t delivery_bytes = 600;  // Proton's, measured
  std::size_t deliveries = pending_.size();
  for (const ReplyLink* link : links_) {
    deliveries += static_cast<std::size_t>(pn_link_unsettled(link->pn()));
  }
  return pending_bytes_ + deliveries * delivery_bytes;
}

ReplyLink* ReplyNode::link_for(pn_session_t* session) const {
  if (links_.empty()) return nullptr;
  for (ReplyLink* link : links_) {
    if (pn_link_session(link->pn()) == session) return link;
  }
  return links_.back();
}

// In order; a reply whose link has no credit holds up those behind it, clients wait for each
// anyway.
void ReplyNode::pump() {
  while (!pending_.empty()) {
    ReplyLink* link = link_for(pending_.front().session);
    if (link == nullptr || pn_link_credit(link->pn()) <= 0) return;
    std::array<char, 4> tag{};
    for (std::size_t i = 0; i < tag.size(); ++i) tag[i] = static_cast<char>(next_tag_ >> (8 * i));
    ++next_tag_;
    const bool settled = pn_link_remote_snd_settle_mode(link->pn()) == PN_SND_SETTLED ||
                         pn_link_unsettled(link->pn()) >= unsettled_max;
    amqp::send(link->pn(), {tag.data(), tag.size()}, pending_.front().message, settled);
    pending_bytes_ -= pending_.front().message.size();
    pending_.pop_front();
  }
}

ReplyLink::ReplyLink(Connection& connection, pn_link_t* pn, WakeId id, ReplyNodePtr node)
    : Link(connection, pn, id), node_(std::move(node)) {
  node_->links_.push_back(this);
}

ReplyLink::~ReplyLink() { std::erase(node_->links_, this); }

void ReplyLink::on_outcome(pn_delivery_t* delivery) {
  if (pn_delivery_settled(delivery)) {
    pn_delivery_settle(delivery);
  } else {
    accept(delivery);  // two-phase clients wait for it
  }
}

}  // namespace amqp
