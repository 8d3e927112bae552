#pragma once
// A client in memory, made of Proton's own engine, so that it shares nothing with the hub's codec.
// It drives an amqp::Session as net would: bytes in, output out, wakes when the hub fires them.
#include <proton/connection_driver.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/session.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/amqp/session.hpp"
#include "tests/support/conversation.hpp"
#include "tests/support/driven_session.hpp"
#include "tests/support/test_hub.hpp"
#include "tests/unit/amqp/support/frames.hpp"

namespace amqp_test {

using namespace std::chrono_literals;

// A session and what it writes; no client yet.
class Server {
 public:
  explicit Server(test::TestHub& hub, protocols::PeerInfo peer = {"test", true, false, "", {}});

  void bytes(std::string_view input);  // as one read
  void bytes_one_by_one(std::string_view input);
  // What it has written since the last call. Wakes and immediate deadlines are served first.
  std::string take_output();
  bool wants_close() const { return driven.closed(); }

  test::TestHub& hub;
  amqp::Session* session = nullptr;  // the driven one
  test::DrivenSession driven;
  test::Conversation heard{"amqp"};
};

// A message as a test writes or reads it, over Proton's pn_message_t.
class Message {
 public:
  Message();
  static Message decode(std::string_view bytes);

  Message& id(std::string_view text);
  Message& id_ulong(std::uint64_t id);
  Message& id_uuid(std::string_view sixteen_bytes);
  Message& id_binary(std::string_view bytes);
  Message& to(const std::string& address);
  Message& correlation_id(std::string_view text);
  Message& user_id(std::string_view bytes);
  Message& content_type(const std::string& text);
  Message& expiry(hub::TimePoint at);
  Message& property(std::string_view name, std::string_view value);
  Message& property_int(std::string_view name, std::int32_t value);
  Message& annotation(std::string_view name, std::string_view value);
  Message& body(std::string_view bytes);       // one data section
  Message& value_body(std::string_view text);  // amqp-value string
  std::string encode() const;

  pn_message_t* operator*() const { return message_.get(); }
  std::string id_text() const;
  pn_type_t id_type() const;
  pn_atom_t correlation() const;
  std::string correlation_text() const;
  std::string body_bytes() const;
  // nullopt: not there. The type is checked by whoever reads it.
  std::optional<std::string> property_text(std::string_view name) const;
  std::optional<std::pair<pn_type_t, std::int64_t>> property_number(std::string_view name) const;
  std::optional<std::pair<pn_type_t, std::int64_t>> annotation_number(std::string_view name) const;
  std::optional<std::string> annotation_text(std::string_view name) const;

 private:
  std::shared_ptr<pn_message_t> message_;  // copies are the same message
};

struct Received {
  std::string tag;
  std::string bytes;
  pn_delivery_t* delivery = nullptr;
  Message message() const { return Message::decode(bytes); }
};

struct SendResult {
  std::uint64_t state = 0;  // PN_ACCEPTED …; 0: no answer
  bool settled = false;
  std::string condition, description;
};

class Client {
 public:
  struct Options {
    std::string mechanism;  // empty: a bare AMQP header
    std::string user, password;
    std::optional<hub::ClientCertificate> certificate;
    bool one_by_one = false;      // every byte its own read
    std::uint32_t max_frame = 0;  // 0: Proton's default
    std::uint32_t idle_ms = 0;
  };
  explicit Client(test::TestHub& hub) : Client(hub, Options{}) {}
  Client(test::TestHub& hub, Options options);
  ~Client();
  Client(const Client&) = delete;

  void run();  // both sides, until nothing moves
  bool is_open() const;
  std::string transport_condition() const;
  std::string connection_condition() const;

  pn_session_t* begin();
  // Attached or refused when they return.
  pn_link_t* sender(const std::string& name, const std::string& target, pn_session_t* in = nullptr);
  struct ReceiverOptions {
    int credit = 100;
    pn_rcv_settle_mode_t rcv = PN_RCV_FIRST;
    pn_snd_settle_mode_t snd = PN_SND_UNSETTLED;
    pn_session_t* in = nullptr;
  };
  pn_link_t* receiver(const std::string& name, const std::string& source) {
    return receiver(name, source, ReceiverOptions{});
  }
  pn_link_t* receiver(const std::string& name, const std::string& source, ReceiverOptions options);
  void credit(pn_link_t* link, int n);
  void close(pn_link_t* link);
  static bool is_attached(pn_link_t* link);
  static std::string condition_of(pn_link_t* link);  // of the hub's detach
  static std::string description_of(pn_link_t* link);

  SendResult send(pn_link_t* link, const Message& message, bool settled = false) {
    return send_bytes(link, message.encode(), settled);
  }
  SendResult send_bytes(pn_link_t* link, std::string_view bytes, bool settled = false);
  std::vector<Received> receive(pn_link_t* link);  // whole messages that have come; not settled
  // One-phase: state and settled. Two-phase: state only, then what the hub answered.
  void settle(const Received& received, std::uint64_t state);
  SendResult settle_two_phase(const Received& received, std::uint64_t state);

  // put-token on a pair of links made at first use; the status, and the whole reply.
  int put_token(const std::string& token) { return put_token(token, Message().id("cbs-1")); }
  int put_token(const std::string& token, Message request);
  std::optional<Received> cbs_reply;

  Server server;
  std::string from_hub;  // every byte the hub has written

 private:
  void drain_events();

  pn_connection_driver_t driver_;
  pn_session_t* session_ = nullptr;
  pn_link_t* cbs_sender_ = nullptr;
  pn_link_t* cbs_receiver_ = nullptr;
  bool one_by_one_;
  int next_tag_ = 0;
};

// Tokens, as SDKs write their resources.
std::string device_token(const test::TestHub& hub, const std::string& device,
                         hub::Duration ttl = 1h);
std::string service_token(const test::TestHub& hub, const std::string& policy = "service",
                          hub::Duration ttl = 1h);

}  // namespace amqp_test
