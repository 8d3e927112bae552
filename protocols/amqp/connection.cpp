#include "protocols/amqp/connection.hpp"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <algorithm>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/links/queue.hpp"

namespace amqp {

namespace {

constexpr hub::Duration open_timeout = std::chrono::seconds{60};
constexpr pn_millis_t idle_timeout_min_ms = 5000;

// The real hub's is random; one that stays the same for a hub name makes logs comparable.
std::string container_id(const hub::Hub& hub) {
  const std::string digest = hub::hmac_sha256(hub.host_name(), "AMQP container");
  return "DeviceGateway_" + hub::hex_encode(digest).substr(0, 32);
}

std::string_view text_or_empty(const char* text) { return text == nullptr ? "" : text; }

constexpr std::string_view library_remedy =
    "the client's AMQP library is at fault: try another version of it, or report it there";
constexpr std::string_view token_remedy =
    "put a new token on the connection ($cbs) before the se of the old one";

std::string_view remedy_of_fault(const FrameGuard::Fault& fault) {
  if (fault.bad_header) {
    return "AMQP 1.0 belongs on this port; MQTT and HTTPS have their own, which the hub prints "
           "when "
           "it starts";
  }
  if (std::string_view(fault.condition) == "amqp:resource-limit-exceeded") {
    return "end what is no longer needed, or use more connections";
  }
  return library_remedy;
}

std::string_view remedy_of_close(hub::CloseReason reason) {
  switch (reason) {
    case hub::CloseReason::taken_over:
      return remedy_of(hub::HubErrc::link_creation_conflict);
    case hub::CloseReason::device_disabled:
      return "enable the device in the registry";
    case hub::CloseReason::device_deleted:
      return "create the identity again";
    case hub::CloseReason::authentication_changed:
      return "log in as the identity is registered now";
  }
  hub::assertion_failed("unknown CloseReason", __FILE__, __LINE__);
}

Link* link_of(pn_link_t* pn) { return static_cast<Link*>(pn_link_get_context(pn)); }

}  // namespace

Connection::Connection(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, TimePoint now,
                       Nodes* nodes)
    : hub_(hub),
      nodes_(nodes),
      peer_(std::move(peer)),
      now_(now),
      wakes_(std::make_shared<WakeList>(std::move(waker))),
      credentials_(hub, peer_.certificate),
      sasl_(hub, peer_),
      engine_(container_id(hub), hub.host_name()),
      open_deadline_(now + open_timeout) {
  sasl_.install(engine_.transport());
}

Connection::~Connection() { drop_all(); }

// ---- entries -----------------------------------------------------------------------------------

void Connection::on_bytes(std::string_view bytes, TimePoint now) {
  now_ = now;
  sasl_.set_now(now);
  expire_credentials();  // what comes now has no token any more, be the timer late (SEC-19)
  run_wakes();           // what the hub has closed is gone before the client attaches anew
  while (!wants_close()) {
    const std::string_view unit = guard_.next(bytes);
    if (const auto& fault = guard_.fault(); fault.condition != nullptr) {
      if (fault.bad_header) {
        hub_.log().warn("AMQP peer refused", {{"peer", peer_.address},
                                              {"reason", fault.description},
                                              {"remedy", remedy_of_fault(fault)}});
        engine_.refuse_header();
      } else {
        refuse_peer("AMQP peer breaks the protocol", {fault.condition, fault.description},
                    remedy_of_fault(fault));
      }
      return;
    }
    if (unit.empty()) break;
    engine_.push(unit);
    // An outcome of SASL is told before anything behind it is read.
    if (guard_.in_sasl()) engine_.encode();
    dispatch_events();
    if (!wants_close() && holds_too_much()) {
      refuse_peer("AMQP peer refused",
                  {"amqp:resource-limit-exceeded",
                   "too many sessions, links or unfinished messages without a token on this "
                   "connection"},
                  "put a token on the connection ($cbs) or log in with SASL PLAIN before more");
    }
  }
}

// What is said in pieces below a frame counts with the next one that is whole.
bool Connection::holds_too_much() {
  if (!credentials_.empty()) return false;
  std::size_t held = guard_.held_bytes() + engine_.output_size();
  for (const auto& [key, node] : reply_nodes_) {
    if (const auto known = node.lock()) held += known->held_bytes();
  }
  return held > protocols::stranger_bytes_max;
}

void Connection::on_time(TimePoint now) {
  now_ = now;
  if (open_deadline_ && now >= *open_deadline_ && !closing_) {
    hub_.log().warn("AMQP peer given up",
                    {{"peer", peer_.address},
                     {"reason", "it has not opened its AMQP connection within 60 seconds"},
                     {"remedy",
                      "an AMQP client opens at once; to see whether the hub is up, ask "
                      "/health on the control port"}});
    closing_ = true;
    return;
  }
  expire_credentials();
  if (!output_full()) {
    for (const WakeId id : std::exchange(resume_, {})) {
      if (const auto link = links_.find(id); link != links_.end()) link->second->on_wake();
    }
  }
}

void Connection::on_peer_closed(TimePoint now) {
  now_ = now;
  drop_all();  // their locks return at once
  engine_.peer_gone();
  closing_ = true;
}

void Connection::on_shutdown(TimePoint now) {
  now_ = now;
  if (wants_close()) return;
  close_connection({"amqp:connection:forced", "the hub is shutting down"});
}

std::optional<TimePoint> Connection::next_deadline() const {
  if (wants_close()) return std::nullopt;
  std::optional<TimePoint> next = idle_deadline_;
  const auto consider = [&](std::optional<TimePoint> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  consider(open_deadline_);
  consider(credentials_.next_expiry());
  if (!resume_.empty() && !output_full()) consider(now_);
  return next;
}

// ---- the turn ----------------------------------------------------------------------------------

void Connection::end_turn(TimePoint now) {
  now_ = now;
  if (wants_close()) return;
  expire_credentials();
  run_wakes();
  // Encoding reports what was sent, which may make room for more.
  do engine_.encode();
  while (dispatch_events());
  idle_deadline_ = engine_.tick(now_);  // may queue an empty frame, or close an idle connection
  do engine_.encode();
  while (dispatch_events());
  // After a close or an error nothing is read any more, and what had to be said is in output().
  if (pn_transport_tail_closed(engine_.transport())) closing_ = true;
}

bool Connection::dispatch_events() {
  bool any = false;
  while (pn_event_t* event = engine_.next_event()) {
    any = true;
    dispatch(event);
  }
  return any;
}

void Connection::dispatch(pn_event_t* event) {
  switch (pn_event_type(event)) {
    case PN_CONNECTION_REMOTE_OPEN:
      return on_remote_open();
    case PN_CONNECTION_REMOTE_CLOSE:
      drop_all();
      return engine_.close_after_peer();
    case PN_SESSION_REMOTE_OPEN:
      return on_begin(pn_event_session(event));
    case PN_SESSION_REMOTE_CLOSE:
      return on_session_closed(pn_event_session(event));
    case PN_LINK_REMOTE_OPEN:
      return on_attach(pn_event_link(event));
    case PN_LINK_REMOTE_CLOSE:
      return on_link_closed(pn_event_link(event), true);
    case PN_LINK_REMOTE_DETACH:
      return on_link_closed(pn_event_link(event), false);
    case PN_LINK_FLOW:
      return on_credit(pn_event_link(event));
    case PN_DELIVERY:
      return on_delivery(pn_event_delivery(event));
    case PN_TRANSPORT_ERROR:
      return on_transport_error();
    default:
      return;
  }
}

void Connection::on_remote_open() {
  open_deadline_.reset();
  engine_.set_frame_bytes_max(guard_.peer_frame_bytes_max());
  const pn_millis_t idle = pn_transport_get_remote_idle_timeout(engine_.transport());
  if (idle != 0 && idle < idle_timeout_min_ms) {
    return refuse_peer("AMQP peer refused",
                       {"amqp:not-allowed", "an idle-time-out of " + std::to_string(idle) +
                                                " ms; at least 5000 are allowed"},
                       "raise the client's idle time-out or keep-alive");
  }
  if (auto principal = sasl_.take_principal()) credentials_.add(std::move(*principal));
  pn_connection_open(engine_.connection());
  engine_.encode();  // our open is out, whatever comes behind the client's
}

void Connection::on_begin(pn_session_t* session) { engine_.begin(session); }

void Connection::on_delivery(pn_delivery_t* delivery) {
  pn_link_t* pn = pn_delivery_link(delivery);
  Link* link = link_of(pn);
  if (pn_link_is_sender(pn)) {
    if (link != nullptr) link->on_outcome(delivery);
    return;
  }
  if (!pn_delivery_readable(delivery)) return;
  if (link == nullptr || pn_delivery_aborted(delivery)) return pn_delivery_settle(delivery);
  const std::size_t size = pn_delivery_pending(delivery);
  if (size > FrameGuard::message_bytes_max) {
    return detach(
        *link,
        to_wire(hub::fail(hub::HubErrc::message_too_large, "a message has at most 1048576 bytes")),
        remedy_of(hub::HubErrc::message_too_large));
  }
  if (pn_delivery_partial(delivery)) return;
  payload_.resize(size);
  (void)pn_link_recv(pn, payload_.data(), size);
  link->on_message(delivery, payload_);
  constexpr std::size_t kept_bytes_max = 16 * 1024;
  if (payload_.capacity() > kept_bytes_max) std::string().swap(payload_);
  link = link_of(pn);  // it may have been detached
  if (link == nullptr) return;
  const int credit = pn_link_credit(pn);
  if (credit <= link->credit() / 2) pn_link_flow(pn, link->credit() - credit);
}

void Connection::on_credit(pn_link_t* pn) {
  Link* link = link_of(pn);
  if (link == nullptr || !pn_link_is_sender(pn)) return;
  link->on_credit();
  if (pn_link_get_drain(pn)) pn_link_drained(pn);  // nothing more for now: use the credit up
}

void Connection::on_link_closed(pn_link_t* pn, bool closed) {
  if (Link* link = link_of(pn)) drop(*link);
  if (closed) {
    pn_link_close(pn);
  } else {
    pn_link_detach(pn);
  }
  pn_link_free(pn);
}

void Connection::on_session_closed(pn_session_t* session) {
  if (const auto found = session_links_.find(session); found != session_links_.end()) {
    for (const WakeId id : std::set(found->second)) drop(*links_.at(id));
  }
  pn_session_close(session);
  pn_session_free(session);
}

void Connection::on_transport_error() {
  drop_all();
  if (guard_.fault().condition != nullptr || sasl_.refused() || closing_) return;  // said already
  pn_condition_t* condition = pn_transport_condition(engine_.transport());
  const std::string_view reason = text_or_empty(pn_condition_get_description(condition));
  const bool is_silence = reason.find("timeout") != std::string_view::npos;
  hub_.log().warn(
      "AMQP connection failed",
      {{"peer", peer_.address},
       {"condition", text_or_empty(pn_condition_get_name(condition))},
       {"reason", hub::shown(reason)},
       {"remedy", is_silence ? "let the client send something, if only empty frames, at "
                               "half of the idle-time-out that the hub's open says"
                             : library_remedy}});
}

void Connection::run_wakes() {
  if (!wakes_->any()) return;
  for (const WakeId id : wakes_->take()) {
    if (const auto link = links_.find(id); link != links_.end()) {
      link->second->on_wake();
      continue;
    }
    const auto device = device_wakes_.find(id);
    if (device == device_wakes_.end()) continue;  // woken after its end
    const std::string name = device->second;
    const auto reason = devices_.find(name)->second.presence.closed();
    if (!reason) continue;
    for (const WakeId link : std::set(devices_.find(name)->second.links)) {
      detach_closed(*links_.at(link), *reason);
    }
  }
}

// a token that ran out and was not renewed takes its links with it, nobody else's.
void Connection::expire_credentials() {
  const auto expired = credentials_.take_expired(now_);
  if (expired.empty()) return;
  const std::unordered_set<CredentialPtr> gone(expired.begin(), expired.end());
  std::vector<Link*> ended;
  for (const auto& [id, link] : links_) {
    if (gone.contains(link->credential)) ended.push_back(link.get());
  }
  for (Link* link : ended) {
    detach(*link, {"amqp:unauthorized-access", "Token Invalid."}, token_remedy);
  }
  for (const CredentialPtr& credential : expired) {
    hub_.log().warn("AMQP token expired", {{"peer", peer_.address},
                                           {"identity", credential->principal.name},
                                           {"reason", "its se has passed, and no newer token came"},
                                           {"remedy", token_remedy}});
  }
}

// ---- endings -----------------------------------------------------------------------------------

void Connection::detach(Link& link, const WireError& error, std::string_view remedy) {
  pn_link_t* pn = link.pn();
  hub_.log().warn("AMQP link detached", {{"peer", peer_.address},
                                         {"link", hub::shown(text_or_empty(pn_link_name(pn)))},
                                         {"device", link.device},
                                         {"condition", error.condition},
                                         {"reason", error.description},
                                         {"remedy", remedy}});
  drop(link);
  amqp::detach(pn, error);
}

void Connection::detach_closed(Link& link, hub::CloseReason reason) {
  const std::string_view remedy = remedy_of_close(reason);
  if (reason != hub::CloseReason::taken_over) {
    return detach(link, {"amqp:link:detach-forced", std::string(hub::to_text(reason))},
                  remedy);
  }
  // The hub knows devices; whether it was this very connection shows here.
  std::string text(hub::to_text(reason));
  if (const auto peer = devices_.find(link.device);
      peer != devices_.end() && !peer->second.presence.closed()) {
    const bool here = std::ranges::any_of(peer->second.links, [&](WakeId other) {
      return other != link.id() && dynamic_cast<QueueLink*>(links_.at(other).get()) != nullptr;
    });
    text = here ? "a second link for its messages on this connection took over"
                : "a link for its messages on another connection took over";
  }
  detach(link,
         {condition_of(hub::HubErrc::link_creation_conflict),
          "LinkCreationConflict (409002): " + text},
         remedy);
}

void Connection::refuse_peer(std::string_view event, const WireError& error,
                             std::string_view remedy) {
  const char* container = pn_connection_remote_container(engine_.connection());
  hub_.log().warn(event, {{"peer", peer_.address},
                          {"container", hub::shown(text_or_empty(container))},
                          {"reason", error.description},
                          {"remedy", remedy}});
  close_connection(error);
}

void Connection::close_connection(const WireError& error) {
  closing_ = true;
  drop_all();
  engine_.close(error);
  do engine_.encode();
  while (dispatch_events());
}

void Connection::drop(Link& link) {
  link.close(now_);
  pn_link_set_context(link.pn(), nullptr);
  if (const auto peer = devices_.find(link.device); peer != devices_.end()) {
    peer->second.links.erase(link.id());
    leave_if_unused(link.device);
  }
  const auto in_session = session_links_.find(pn_link_session(link.pn()));
  in_session->second.erase(link.id());
  if (in_session->second.empty()) session_links_.erase(in_session);
  links_.erase(link.id());
}

void Connection::drop_all() {
  while (!links_.empty()) drop(*links_.begin()->second);
}

}  // namespace amqp
