// AMQP clients made of Proton's engine, as in tests/unit/amqp/support, but in no hurry: bytes go
// and come when the simulation lets them.
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "emulator/core/access/auth.hpp"
#include "tests/simulation/peer.hpp"
#include "tests/support/test_hub.hpp"
#include "tests/unit/amqp/support/client.hpp"

namespace simulation {

namespace {

class AmqpPeer : public Peer {
 public:
  AmqpPeer(Surroundings& world, Line& line, const char* mechanism, const std::string& user = {},
           const std::string& password = {})
      : Peer(world, line) {
    pn_connection_driver_init(&driver_, nullptr, nullptr);
    pn_sasl_t* sasl = pn_sasl(driver_.transport);
    pn_sasl_allowed_mechs(sasl, mechanism);
    pn_sasl_set_allow_insecure_mechs(sasl, true);
    if (!user.empty()) {
      pn_connection_set_user(driver_.connection, user.c_str());
      pn_connection_set_password(driver_.connection, password.c_str());
    }
    pn_connection_set_container(driver_.connection, line.name.c_str());
    pn_connection_set_hostname(driver_.connection, "localhost");
    pn_connection_driver_bind(&driver_);
    pn_connection_open(driver_.connection);
    session_ = pn_session(driver_.connection);
    pn_session_open(session_);
  }
  ~AmqpPeer() override { pn_connection_driver_destroy(&driver_); }
  AmqpPeer(const AmqpPeer&) = delete;
  AmqpPeer& operator=(const AmqpPeer&) = delete;

  void take(std::string_view bytes) final {
    while (!bytes.empty()) {
      const pn_rwbytes_t room = pn_connection_driver_read_buffer(&driver_);
      if (room.size == 0) return;
      const std::size_t size = std::min(room.size, bytes.size());
      std::memcpy(room.start, bytes.data(), size);
      pn_connection_driver_read_done(&driver_, size);
      bytes.remove_prefix(size);
      settle_down();
    }
  }
  bool wants_close() const final { return closed_; }

 protected:
  // A link by which messages come.
  struct Incoming {
    pn_link_t* link = nullptr;
    std::string queue;
    bool two_phase = false;
    struct Held {
      pn_delivery_t* delivery;
      hub::LockToken token;
      OpPtr op;  // two-phase: asked, not answered
    };
    std::vector<Held> held;
  };

  void open_receiver(const std::string& queue, const std::string& source) {
    incoming_ = Incoming{};
    incoming_.queue = queue;
    incoming_.two_phase = world_.random.chance(3);
    // Not for feedback: a service's own send may make a batch that is gone in the same step,
    // unseen.
    const bool presettled = !queue.empty() && world_.random.chance(8);
    const std::string name = "receiver-" + std::to_string(++links_opened_);
    incoming_.link = pn_receiver(session_, name.c_str());
    pn_terminus_set_address(pn_link_source(incoming_.link), source.c_str());
    pn_link_set_rcv_settle_mode(incoming_.link, incoming_.two_phase ? PN_RCV_SECOND : PN_RCV_FIRST);
    pn_link_set_snd_settle_mode(incoming_.link, presettled ? PN_SND_SETTLED : PN_SND_UNSETTLED);
    pn_link_open(incoming_.link);
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::attach;
    op->queue = queue;
    op->presettled = presettled;
    attaches_[name] = op;
    settle_down();
    pn_link_flow(incoming_.link, static_cast<int>(1 + world_.random.below(5)));
    settle_down();
  }

  bool attached() const {
    return incoming_.link != nullptr &&
           pn_link_state(incoming_.link) == (PN_LOCAL_ACTIVE | PN_REMOTE_ACTIVE);
  }

  // One thing to do with what has come; false: nothing.
  bool settle_something() {
    Random& random = world_.random;
    auto& held = incoming_.held;
    if (!attached() || held.empty()) return false;
    const std::size_t at = random.below(held.size());
    if (held[at].op != nullptr) return false;
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::settle;
    op->queue = incoming_.queue;
    op->token = held[at].token;
    op->verb = world_.some_verb();
    pn_delivery_t* delivery = held[at].delivery;
    switch (op->verb) {
      case Verb::complete:
        pn_delivery_update(delivery, PN_ACCEPTED);
        break;
      case Verb::reject:
        if (random.chance(3)) {
          pn_disposition_set_undeliverable(pn_delivery_local(delivery), true);
          pn_delivery_update(delivery, PN_MODIFIED);
        } else {
          pn_delivery_update(delivery, PN_REJECTED);
        }
        break;
      case Verb::abandon:
        pn_delivery_update(delivery, random.chance(3) ? PN_MODIFIED : PN_RELEASED);
        break;
      case Verb::release:
        break;
    }
    dispositions_.push_back(op);
    if (incoming_.two_phase && op->verb != Verb::release) {
      held[at].op = op;
    } else {
      pn_delivery_settle(delivery);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    }
    settle_down();
    return true;
  }

  void give_credit() {
    if (!attached()) return;
    const int have = pn_link_credit(incoming_.link);
    if (have < 10) pn_link_flow(incoming_.link, static_cast<int>(1 + world_.random.below(3)));
    settle_down();
  }

  void detach() {
    if (!attached()) return;
    pn_link_close(incoming_.link);
    incoming_.link = nullptr;
    incoming_.held.clear();
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::detach;
    op->queue = incoming_.queue;
    detaches_.push_back(op);
    settle_down();
  }

  void close_politely() {
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::close;
    closes_.push_back(op);
    pn_connection_close(driver_.connection);
    settle_down();
  }

  void settle_down() {
    do drain_events();
    while (drain_output());
  }

  virtual void on_delivery(pn_delivery_t*) {}
  virtual void on_reply(int) {}  // to a put-token: its status

  void open_cbs() {
    cbs_sender_ = pn_sender(session_, "cbs-sender");
    pn_terminus_set_address(pn_link_target(cbs_sender_), "$cbs");
    cbs_receiver_ = pn_receiver(session_, "cbs-receiver");
    pn_terminus_set_address(pn_link_source(cbs_receiver_), "$cbs");
    pn_link_set_snd_settle_mode(cbs_receiver_, PN_SND_SETTLED);
    pn_link_open(cbs_sender_);
    pn_link_open(cbs_receiver_);
    pn_link_flow(cbs_receiver_, 1000);
    settle_down();
  }
  // Settled at once, as the C# SDK does it.
  void put_token(const OpPtr& op, const std::string& token) {
    amqp_test::Message message;
    message.id(op->queue).property("operation", "put-token").property("name", "localhost");
    message.property("type", "servicebus.windows.net:sastoken").value_body(token);
    const std::string bytes = message.encode();
    pn_delivery_t* delivery = pn_delivery(cbs_sender_, pn_dtag("t", 1));
    (void)pn_link_send(cbs_sender_, bytes.data(), bytes.size());
    pn_delivery_settle(delivery);
    transfers_.push_back(op);
    settle_down();
  }

  pn_connection_driver_t driver_{};
  pn_session_t* session_ = nullptr;
  pn_link_t *cbs_sender_ = nullptr, *cbs_receiver_ = nullptr;
  Incoming incoming_;
  std::deque<OpPtr> transfers_;

 private:
  void drain_events() {
    while (pn_event_t* event = pn_connection_driver_next_event(&driver_)) {
      switch (pn_event_type(event)) {
        case PN_DELIVERY:
          delivery(pn_event_delivery(event));
          break;
        case PN_LINK_REMOTE_CLOSE:
        case PN_LINK_REMOTE_DETACH: {
          pn_link_t* link = pn_event_link(event);
          if (link == incoming_.link) {
            incoming_.link = nullptr;
            incoming_.held.clear();
          }
          if ((pn_link_state(link) & PN_LOCAL_CLOSED) == 0) {
            detaches_.push_back(std::make_shared<Op>());
            pn_link_close(link);
          }
          break;
        }
        case PN_CONNECTION_REMOTE_CLOSE:
        case PN_TRANSPORT_ERROR:
          closed_ = true;
          break;
        default:
          break;
      }
    }
  }

  void delivery(pn_delivery_t* delivery) {
    pn_link_t* link = pn_delivery_link(delivery);
    if (pn_link_is_sender(link)) return on_delivery(delivery);
    if (link == cbs_receiver_) {
      std::string bytes(pn_delivery_pending(delivery), '\0');
      (void)pn_link_recv(link, bytes.data(), bytes.size());
      pn_delivery_settle(delivery);
      const auto status = amqp_test::Message::decode(bytes).property_number("status-code");
      return on_reply(status ? static_cast<int>(status->second) : 0);
    }
    if (link != incoming_.link) return;
    if (pn_delivery_readable(delivery) && !pn_delivery_partial(delivery)) {
      std::string bytes(pn_delivery_pending(delivery), '\0');
      (void)pn_link_recv(link, bytes.data(), bytes.size());
      pn_link_advance(link);
      const auto token = read(delivery, bytes);
      if (pn_delivery_settled(delivery)) return pn_delivery_settle(delivery);
      incoming_.held.push_back({delivery, token, nullptr});
      return;
    }
    if (!pn_delivery_settled(delivery)) return;
    for (auto held = incoming_.held.begin(); held != incoming_.held.end(); ++held) {
      if (held->delivery != delivery) continue;
      const OpPtr op = held->op;
      incoming_.held.erase(held);
      const bool accepted = pn_delivery_remote_state(delivery) == PN_ACCEPTED;
      pn_delivery_settle(delivery);
      if (op != nullptr) world_.auditor.answered(*op, accepted);
      return;
    }
  }

  hub::LockToken read(pn_delivery_t* delivery, const std::string& bytes) {
    const auto message = amqp_test::Message::decode(bytes);
    Seen seen;
    seen.body = message.body_bytes();
    seen.property = message.property_text("body").value_or("");
    seen.message_id = message.id_text();
    if (const auto n = message.annotation_number("x-opt-sequence-number")) {
      seen.sequence = static_cast<hub::SequenceNumber>(n->second);
    }
    if (const auto n = message.annotation_number("iothub-deliverycount")) {
      seen.delivery_count = static_cast<std::uint32_t>(n->second);
    }
    if (const auto n = message.annotation_number("iothub-enqueuedtime")) {
      seen.enqueued = hub::from_unix_ms(n->second);
    }
    if (const auto expiry = pn_message_get_expiry_time(*message);
        expiry != 0 && !incoming_.queue.empty()) {
      seen.expiry = hub::from_unix_ms(expiry);
    }
    const pn_delivery_tag_t tag = pn_delivery_tag(delivery);
    seen.token = std::string(tag.start, tag.size);
    return world_.auditor.delivered(line_, incoming_.queue, seen);
  }

  // What Proton wrote, frame by frame, each with the operation in it.
  bool drain_output() {
    bool any = false;
    for (;;) {
      const pn_bytes_t bytes = pn_connection_driver_write_buffer(&driver_);
      if (bytes.size == 0) break;
      unframed_.append(bytes.start, bytes.size);
      pn_connection_driver_write_done(&driver_, bytes.size);
      any = true;
    }
    while (unframed_.size() >= 8) {
      if (unframed_.starts_with("AMQP")) {
        write(unframed_.substr(0, 8));
        unframed_.erase(0, 8);
        continue;
      }
      std::size_t size = 0;
      for (std::size_t i = 0; i < 4; ++i)
        size = size * 256 + static_cast<unsigned char>(unframed_[i]);
      if (unframed_.size() < size) break;
      const std::string frame = unframed_.substr(0, size);
      unframed_.erase(0, size);
      if (OpPtr op = op_of(frame)) {
        write(frame, std::move(op));
      } else {
        write(frame);
      }
    }
    return any;
  }

  OpPtr op_of(const std::string& bytes) {
    const auto frames = amqp_test::frames_of(bytes);
    const auto& frame = frames.at(0);
    if (frame.type != 0 || frame.body.empty()) return nullptr;
    const auto next = [](std::deque<OpPtr>& waiting) -> OpPtr {
      if (waiting.empty()) return nullptr;
      OpPtr op = waiting.front();
      waiting.pop_front();
      return op;
    };
    switch (frame.code) {
      case amqp::Descriptor::attach: {
        const auto name = std::string(frame.fields.at(0).text().value_or(""));
        const auto known = attaches_.find(name);
        if (known == attaches_.end()) return nullptr;
        queues_by_handle_[frame.fields.at(1).bits] = known->second->queue;
        return known->second;
      }
      case amqp::Descriptor::flow: {
        if (frame.fields.size() < 7 || frame.fields[4].is_null()) return nullptr;
        const auto queue = queues_by_handle_.find(frame.fields[4].bits);
        if (queue == queues_by_handle_.end()) return nullptr;
        const auto op = std::make_shared<Op>();
        op->kind = Op::Kind::flow;
        op->queue = queue->second;
        op->delivery_count = frame.fields[5].bits;
        op->credit = frame.fields[6].bits;
        return op;
      }
      case amqp::Descriptor::transfer:
        return next(transfers_);
      case amqp::Descriptor::disposition:
        return next(dispositions_);
      case amqp::Descriptor::detach:
        queues_by_handle_.erase(frame.fields.at(0).bits);
        return next(detaches_);
      case amqp::Descriptor::close:
        return next(closes_);
      default:
        return nullptr;
    }
  }

  std::string unframed_;
  bool closed_ = false;
  int links_opened_ = 0;
  std::map<std::string, OpPtr> attaches_;  // by link name
  std::map<std::uint64_t, std::string> queues_by_handle_;
  std::deque<OpPtr> dispositions_, detaches_, closes_;
};

// By its certificate, by PLAIN, or by put-token, with tokens that end and are renewed in time, late
// or never.
class AmqpDevice final : public AmqpPeer {
 public:
  AmqpDevice(Surroundings& world, Line& line, std::string device)
      : AmqpPeer(world, line, mechanism_of(world, line, device), device + "@sas.localhost",
                 device_token(device, world.now + token_lifetime)),
        device_(std::move(device)) {
    if (line.by_put_token) {
      open_cbs();
      renew();
    } else {
      open();
    }
  }
  void act() override {
    if (line_.by_put_token && asked_ == nullptr && world_.random.chance(40)) return renew();
    switch (world_.random.below(12)) {
      case 0:
      case 1:
        if (incoming_.link == nullptr) return open();
        return give_credit();
      case 2:
        if (world_.random.chance(12)) detach();
        return;
      case 3:
        if (world_.random.chance(25)) close_politely();
        return;
      default:
        (void)settle_something();
        return;
    }
  }

 private:
  static const char* mechanism_of(Surroundings& world, Line& line, const std::string& device) {
    if (has_certificate(device)) return "EXTERNAL";
    line.by_put_token = !world.random.chance(3);
    return line.by_put_token ? "ANONYMOUS" : "PLAIN";
  }
  void open() { open_receiver(device_, "/devices/" + device_ + "/messages/devicebound"); }
  void renew() {
    asked_ = std::make_shared<Op>();
    asked_->kind = Op::Kind::put_token;
    asked_->queue = device_;
    asked_->token_end = world_.some_token_end();
    put_token(asked_, device_token(device_, *asked_->token_end));
  }
  void on_reply(int status) override {
    const OpPtr op = std::exchange(asked_, nullptr);
    if (op == nullptr) throw Violation(36, "an answer that nobody asked for");
    world_.auditor.answered(*op, status == 200);
    if (status == 200 && incoming_.link == nullptr) open();
  }
  std::string device_;
  OpPtr asked_;  // a put-token without its answer
};

// Sends, and receives feedback.
class AmqpService final : public AmqpPeer {
 public:
  AmqpService(Surroundings& world, Line& line)
      : AmqpPeer(world, line, "PLAIN", "service@sas.root.localhost",
                 hub::make_sas_token("localhost", test::well_known_key, world.now + token_lifetime,
                                     "service")) {
    sender_ = pn_sender(session_, "sender");
    pn_terminus_set_address(pn_link_target(sender_), "/messages/devicebound");
    pn_link_open(sender_);
    settle_down();
  }
  void act() override {
    switch (world_.random.below(10)) {
      case 0:
        if (incoming_.link == nullptr) return open_receiver("", "/messages/serviceBound/feedback");
        return give_credit();
      case 1:
        if (world_.random.chance(10)) detach();
        return;
      case 2:
      case 3:
      case 4:
        (void)settle_something();
        return;
      default:
        return send();
    }
  }

 private:
  void send() {
    if (pn_link_credit(sender_) <= 0) return;
    const OpPtr op = world_.some_message();
    amqp_test::Message message;
    message.id(op->message_id)
        .to("/devices/" + op->queue + "/messages/devicebound")
        .property("iothub-ack", to_text(op->ack))
        .property("body", op->body)
        .body(op->body);
    if (op->expiry) message.expiry(*op->expiry);
    const std::string bytes = message.encode();
    pn_delivery_t* delivery = pn_delivery(sender_, pn_dtag(op->body.data(), op->body.size()));
    asked_[op->body] = op;
    (void)pn_link_send(sender_, bytes.data(), bytes.size());
    pn_link_advance(sender_);
    transfers_.push_back(op);
    (void)delivery;
    settle_down();
  }
  void on_delivery(pn_delivery_t* delivery) override {
    if (!pn_delivery_updated(delivery) || pn_delivery_remote_state(delivery) == 0) return;
    const pn_delivery_tag_t tag = pn_delivery_tag(delivery);
    const auto found = asked_.find(std::string(tag.start, tag.size));
    if (found == asked_.end()) return;
    const OpPtr op = found->second;
    asked_.erase(found);
    const bool accepted = pn_delivery_remote_state(delivery) == PN_ACCEPTED;
    pn_delivery_settle(delivery);
    world_.auditor.answered(*op, accepted);
  }

  pn_link_t* sender_ = nullptr;
  std::map<std::string, OpPtr> asked_;
};

}  // namespace

std::unique_ptr<Peer> make_amqp_device(Surroundings& world, Line& line, const std::string& device) {
  return std::make_unique<AmqpDevice>(world, line, device);
}
std::unique_ptr<Peer> make_amqp_service(Surroundings& world, Line& line) {
  return std::make_unique<AmqpService>(world, line);
}

}  // namespace simulation
