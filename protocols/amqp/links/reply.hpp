#pragma once
// Request and response over a pair of links: $cbs and twin. Replies wait until the client has
// attached its receiving link and given it credit (spec/amqp.md 2.3, 3.8).
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "protocols/amqp/links/link.hpp"

namespace amqp {

class ReplyLink;

inline constexpr std::string_view reply_remedy =
    "attach the link that receives the answers, and give it credit, before more requests";

class ReplyNode {
 public:
  // Sends on a link of `session` if there is one, else on any. False: too many wait already.
  bool send(pn_session_t* session, std::string message);
  std::size_t held_bytes() const;  // by what waits and by what the client has not settled

 private:
  friend class ReplyLink;
  struct Pending {
    pn_session_t* session;  // compared only
    std::string message;
  };
  void pump();
  ReplyLink* link_for(pn_session_t* session) const;

  std::deque<Pending> pending_;
  std::size_t pending_bytes_ = 0;
  std::vector<ReplyLink*> links_;
  std::uint32_t next_tag_ = 0;
};
using ReplyNodePtr = std::shared_ptr<ReplyNode>;

class ReplyLink : public Link {
 public:
  ReplyLink(Connection& connection, pn_link_t* pn, WakeId id, ReplyNodePtr node);
  ~ReplyLink() override;

  void on_outcome(pn_delivery_t* delivery) override;
  void on_credit() override { node_->pump(); }

 private:
  ReplyNodePtr node_;
};

}  // namespace amqp
