#pragma once
// One AMQP connection: frames through the guard into Proton, Proton's events to the links, the
// links' words to the hub. Private to this layer; protocols know it as Session.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "emulator/core/hub/hub.hpp"
#include "protocols/amqp/address.hpp"
#include "protocols/amqp/credentials.hpp"
#include "protocols/amqp/engine.hpp"
#include "protocols/amqp/frame_guard.hpp"
#include "protocols/amqp/links/reply.hpp"
#include "protocols/amqp/nodes.hpp"
#include "protocols/amqp/sasl.hpp"
#include "protocols/amqp/wake_list.hpp"
#include "protocols/session.hpp"

namespace amqp {

using hub::TimePoint;

class Connection {
 public:
  Connection(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, TimePoint now,
             Nodes* nodes);
  ~Connection();

  // ---- as protocols::Session has them
  void on_bytes(std::string_view bytes, TimePoint now);
  void on_time(TimePoint now);
  void on_peer_closed(TimePoint now);
  void on_shutdown(TimePoint now);
  void end_turn(TimePoint now);
  std::string_view output() const { return engine_.output(); }
  void consume_output(std::size_t size) { engine_.consume_output(size); }
  std::optional<TimePoint> next_deadline() const;
  bool wants_close() const { return closing_ || engine_.finished(); }
  bool wants_input() const { return !output_full(); }

  // ---- for the links
  hub::Hub& hub() { return hub_; }
  const protocols::PeerInfo& peer() const { return peer_; }
  TimePoint now() const { return now_; }
  Credentials& credentials() { return credentials_; }
  std::uint32_t message_format() const { return guard_.message_format(); }
  void encode() { engine_.encode(); }
  // The client does not read: what can wait should.
  bool output_full() const { return engine_.output_size() >= output_bytes_max; }
  void resume_later(WakeId link) { resume_.insert(link); }  // on_wake() once there is room
  // Ends the link with an error; `link` is destroyed. `remedy` is for the log.
  void detach(Link& link, const WireError& error, std::string_view remedy);
  void detach_closed(Link& link, hub::CloseReason reason);

 private:
  static constexpr std::size_t output_bytes_max = 1024 * 1024;
  // Links that the hub has refused and the peer not detached: devices that come at once.
  static constexpr std::size_t refused_links_max = 1024;
  static constexpr std::size_t device_links_max = 64;  // and of $cbs; clients have six

  // A device or module with links on this connection, be they one or five.
  struct DevicePeer {
    hub::Presence presence;
    WakeId wake_id = 0;
    std::set<WakeId> links;  // in the order in which they came
  };

  // ---- the turn: connection.cpp
  bool dispatch_events();  // false: there were none
  void dispatch(pn_event_t* event);
  void on_remote_open();
  void on_begin(pn_session_t* session);
  bool holds_too_much();
  void on_delivery(pn_delivery_t* delivery);
  void on_credit(pn_link_t* link);
  void on_link_closed(pn_link_t* link, bool closed);
  void on_session_closed(pn_session_t* session);
  void on_transport_error();
  void run_wakes();
  void expire_credentials();
  void close_connection(const WireError& error);
  void refuse_peer(std::string_view event, const WireError& error, std::string_view remedy);
  void drop(Link& link);
  void drop_all();

  // ---- attach: attach.cpp
  using LinkResult = hub::Result<std::unique_ptr<Link>>;
  void on_attach(pn_link_t* link);
  LinkResult make_link(pn_link_t* link, std::string_view address);
  LinkResult make_device_link(pn_link_t* link, const Address& address);
  LinkResult make_service_link(pn_link_t* link, const Address& address);
  hub::Result<Credentials::DeviceGrant> grant_for(const Target& target);
  hub::Result<void> join_device(const hub::DeviceIdentity& granted);
  void leave_device(const std::string& device);
  void leave_if_unused(const std::string& device);
  void refuse(pn_link_t* link, const WireError& error);
  ReplyNodePtr reply_node(const std::string& key);
  WakeId next_id() { return next_id_++; }

  hub::Hub& hub_;
  Nodes* const nodes_;  // nullptr: the hub's own
  const protocols::PeerInfo peer_;
  TimePoint now_;
  std::shared_ptr<WakeList> wakes_;
  Credentials credentials_;
  Sasl sasl_;
  Engine engine_;
  FrameGuard guard_;

  std::unordered_map<WakeId, std::unique_ptr<Link>> links_;
  std::unordered_map<pn_session_t*, std::set<WakeId>> session_links_;
  std::unordered_map<std::string, DevicePeer> devices_;   // and modules, by DeviceId::name
  std::unordered_map<WakeId, std::string> device_wakes_;  // wake id -> its name
  std::unordered_map<std::string, std::weak_ptr<ReplyNode>> reply_nodes_;
  std::unordered_set<WakeId> resume_;
  WakeId next_id_ = 1;
  std::string payload_;  // of the message at hand

  std::optional<TimePoint> idle_deadline_;  // Proton's
  std::optional<TimePoint> open_deadline_;  // until the client's open has come
  bool closing_ = false;
};

}  // namespace amqp
