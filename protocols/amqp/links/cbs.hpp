#pragma once
// $cbs, requests: put-token (A-29, spec/amqp.md section 2).
#include "protocols/amqp/links/reply.hpp"
#include "protocols/amqp/sections.hpp"

namespace amqp {

class CbsLink : public Link {
 public:
  CbsLink(Connection& connection, pn_link_t* pn, WakeId id, ReplyNodePtr node)
      : Link(connection, pn, id), node_(std::move(node)) {}

  int credit() const override { return 100; }
  void on_message(pn_delivery_t* delivery, std::string_view payload) override;

 private:
  struct Answer {
    int code;
    std::string description;
  };
  Answer put_token(const Sections& request);

  ReplyNodePtr node_;
};

}  // namespace amqp
