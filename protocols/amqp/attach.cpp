// Connection's part that answers attaches: spec/amqp.md 3.1, 3.3, 5.1, 6.1.
#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/link_properties.hpp"
#include "protocols/amqp/links/c2d_send.hpp"
#include "protocols/amqp/links/cbs.hpp"
#include "protocols/amqp/links/queue.hpp"
#include "protocols/amqp/links/telemetry.hpp"
#include "protocols/amqp/links/twin.hpp"

namespace amqp {

using hub::HubErrc;

namespace {

hub::HubError wrong_role() {
  return hub::fail(HubErrc::invalid_operation, "the address is not for links of this direction");
}

hub::HubError no_event_hub() {
  return hub::fail(HubErrc::feature_not_supported,
                   "the Event Hubs-compatible endpoint is not served here");
}

hub::HubError too_many_links(std::size_t most, std::string_view of_whom) {
  return hub::fail(HubErrc::iot_hub_quota_exceeded, "more than " + std::to_string(most) +
                                                        " links of " + std::string(of_whom) +
                                                        " on one connection");
}

std::string_view address_of(pn_link_t* pn) {
  // The other terminus is the client's own and means nothing (spec/amqp.md 3.1).
  pn_terminus_t* terminus =
      pn_link_is_sender(pn) ? pn_link_remote_source(pn) : pn_link_remote_target(pn);
  const char* address = pn_terminus_get_address(terminus);
  return address == nullptr ? std::string_view{} : std::string_view{address};
}

// what the client proposed comes back, settle modes included.
void echo(pn_link_t* pn) {
  pn_terminus_copy(pn_link_source(pn), pn_link_remote_source(pn));
  pn_data_clear(pn_terminus_filter(pn_link_source(pn)));  // none is in place
  pn_terminus_copy(pn_link_target(pn), pn_link_remote_target(pn));
  pn_link_set_snd_settle_mode(pn, pn_link_remote_snd_settle_mode(pn));
  pn_link_set_rcv_settle_mode(pn, pn_link_remote_rcv_settle_mode(pn));
  pn_link_set_max_message_size(pn, FrameGuard::message_bytes_max);
}

}  // namespace

void Connection::on_attach(pn_link_t* pn) {
  const std::string_view text = address_of(pn);
  auto made =
      pn_terminus_get_type(pn_link_remote_target(pn)) == PN_COORDINATOR
          ? LinkResult(hub::fail(HubErrc::feature_not_supported, "transactions are not supported"))
          : make_link(pn, text);
  if (!made) {
    hub_.log().warn("AMQP link refused", {{"peer", peer_.address},
                                          {"link", hub::shown(pn_link_name(pn))},
                                          {"address", hub::shown(text)},
                                          {"error", hub::name_of(made.error().code)},
                                          {"reason", hub::shown(made.error().detail)},
                                          {"remedy", remedy_of(made.error().code)}});
    return refuse(pn, to_wire(made.error()));
  }
  Link& link = **made;
  links_.emplace(link.id(), std::move(*made));
  session_links_[pn_link_session(pn)].insert(link.id());
  pn_link_set_context(pn, &link);
  echo(pn);
  pn_link_open(pn);
  if (link.credit() > 0) pn_link_flow(pn, link.credit());
  link.on_credit();  // credit may have come with the attach, or replies wait for this link
}

// Attach with a null terminus on our side, then detach with the error.
void Connection::refuse(pn_link_t* pn, const WireError& error) {
  echo(pn);
  pn_terminus_t* ours = pn_link_is_sender(pn) ? pn_link_source(pn) : pn_link_target(pn);
  pn_terminus_set_type(ours, PN_UNSPECIFIED);
  pn_link_open(pn);
  amqp::detach(pn, error);
  if (guard_.link_count() - links_.size() > refused_links_max) {
    refuse_peer(
        "AMQP peer refused",
        {"amqp:resource-limit-exceeded", "too many links that were refused and not detached"},
        "detach a link that the hub has detached, and attach it anew only once the reason "
        "is gone");
  }
}

Connection::LinkResult Connection::make_link(pn_link_t* pn, std::string_view text) {
  if (nodes_ != nullptr) {
    const WakeId id = next_id();
    return nodes_->attach(*this, pn, id, wakes_->waker_for(id), text);
  }
  using Kind = Address::Kind;
  const Address address = parse_address(text);
  const bool hub_sends = pn_link_is_sender(pn);
  switch (address.kind) {
    case Kind::cbs: {
      auto node = reply_node("$cbs");
      if (static_cast<std::size_t>(node.use_count()) > device_links_max) {
        return too_many_links(device_links_max, "$cbs");
      }
      if (hub_sends) return std::make_unique<ReplyLink>(*this, pn, next_id(), std::move(node));
      return std::make_unique<CbsLink>(*this, pn, next_id(), std::move(node));
    }
    case Kind::telemetry:
    case Kind::devicebound:
    case Kind::twin:
    case Kind::methods:
      return make_device_link(pn, address);
    case Kind::service_devicebound:
    case Kind::feedback:
    case Kind::file_notifications:
      return make_service_link(pn, address);
    case Kind::management:
    case Kind::events:
      return no_event_hub();
    case Kind::unknown:
      break;
  }
  return hub::fail(HubErrc::amqp_address_not_found, "the hub has no such address");
}

Connection::LinkResult Connection::make_device_link(pn_link_t* pn, const Address& address) {
  using Kind = Address::Kind;
  const bool hub_sends = pn_link_is_sender(pn);
  auto grant = grant_for(address.target);
  if (!grant) return grant.error();
  const hub::DeviceId& device = grant->identity.id;
  // A module also receives at its telemetry address: inputs, which only Edge routes (MOD-16).
  const bool right_role = address.kind == Kind::telemetry     ? !hub_sends || device.is_module()
                          : address.kind == Kind::devicebound ? hub_sends
                                                              : true;
  if (!right_role) return wrong_role();

  const std::string name = device.name();
  if (auto joined = join_device(grant->identity); !joined) return joined.error();
  if (devices_.find(name)->second.links.size() >= device_links_max) {
    return too_many_links(device_links_max, "one identity");
  }
  std::unique_ptr<Link> link;
  switch (address.kind) {
    case Kind::telemetry:
      if (hub_sends) {
        link = std::make_unique<Link>(*this, pn, next_id());
      } else {
        auto origin = hub_.events().origin_of(
            device, std::string(hub::auth_method_of(grant->credential->principal)),
            link_property(pn, "com.microsoft:model-id"), now_);  // C#
        if (!origin) {
          leave_if_unused(name);
          return origin.error();
        }
        link = std::make_unique<TelemetryLink>(*this, pn, next_id(), std::move(*origin));
      }
      break;
    case Kind::devicebound: {
      if (device.is_module()) {  // it has no queue (MOD-08)
        link = std::make_unique<Link>(*this, pn, next_id());
        break;
      }
      const WakeId id = next_id();
      auto receiver =
          hub_.c2d().open_devicebound(device, hub::Transport::amqp, wakes_->waker_for(id), 0, now_,
                                      &devices_.find(name)->second.presence);
      if (!receiver) {
        leave_if_unused(name);
        return receiver.error();
      }
      link = std::make_unique<QueueLink>(*this, pn, id, std::move(*receiver));
      break;
    }
    case Kind::twin: {
      // No name has a line feed, whatever the client puts behind it.
      auto node = reply_node("twin/" + name + "\n" +
                             link_property(pn, "com.microsoft:channel-correlation-id"));
      if (hub_sends) {
        link = std::make_unique<ReplyLink>(*this, pn, next_id(), std::move(node));
      } else {
        link = std::make_unique<TwinLink>(*this, pn, next_id(), std::move(node));
      }
      break;
    }
    default:  // methods
      if (hub_sends) {
        link = std::make_unique<Link>(*this, pn, next_id());
      } else {
        link = std::make_unique<SilentReceiver>(*this, pn, next_id());
      }
  }
  link->device = name;
  link->credential = std::move(grant->credential);
  devices_.find(name)->second.links.insert(link->id());
  return link;
}

Connection::LinkResult Connection::make_service_link(pn_link_t* pn, const Address& address) {
  using Kind = Address::Kind;
  const bool hub_sends = pn_link_is_sender(pn);
  std::unique_ptr<Link> link;
  if (address.kind == Kind::service_devicebound) {
    auto granted = credentials_.for_service({"messages", "devicebound"}, now_);
    if (!granted) return granted.error();
    if (hub_sends) return wrong_role();
    link = std::make_unique<C2dSendLink>(*this, pn, next_id());
    link->credential = std::move(*granted);
    return link;
  }
  if (!hub_sends) {
    return hub::fail(HubErrc::feature_not_supported, "sending to feedback addresses");
  }
  const bool feedback = address.kind == Kind::feedback;
  auto granted = credentials_.for_service(
      {"messages", "servicebound", feedback ? "feedback" : "filenotifications"}, now_);
  if (!granted) return granted.error();
  const WakeId id = next_id();
  if (feedback) {
    link = std::make_unique<QueueLink>(*this, pn, id,
                                       hub_.c2d().open_feedback(wakes_->waker_for(id), now_));
  } else {
    link = std::make_unique<Link>(*this, pn, id);
  }
  link->credential = std::move(*granted);
  return link;
}

hub::Result<Credentials::DeviceGrant> Connection::grant_for(const Target& target) {
  auto grant = credentials_.for_device(target.id, now_);
  if (grant || target.raw == target.id) return grant;
  auto raw = credentials_.for_device(target.raw, now_);
  return raw ? std::move(raw) : std::move(grant);
}

// The device is connected from its first link on this connection to its last.
hub::Result<void> Connection::join_device(const hub::DeviceIdentity& granted) {
  const std::string name = granted.id.name();
  if (devices_.contains(name)) return {};
  const WakeId id = next_id();
  auto presence = hub_.connections().connect(granted.id, hub::Transport::amqp,
                                             wakes_->waker_for(id), now_, &granted);
  if (!presence) return presence.error();
  devices_.emplace(name, DevicePeer{std::move(*presence), id, {}});
  device_wakes_.emplace(id, name);
  return {};
}

void Connection::leave_device(const std::string& device) {
  const auto peer = devices_.find(device);
  peer->second.presence.close(now_);
  device_wakes_.erase(peer->second.wake_id);
  devices_.erase(peer);
}

void Connection::leave_if_unused(const std::string& device) {
  if (devices_.find(device)->second.links.empty()) leave_device(device);
}

ReplyNodePtr Connection::reply_node(const std::string& key) {
  auto& known = reply_nodes_[key];
  if (auto node = known.lock()) return node;
  auto node = std::make_shared<ReplyNode>();
  known = node;
  if (reply_nodes_.size() > links_.size() + 16) {
    std::erase_if(reply_nodes_, [](const auto& entry) { return entry.second.expired(); });
  }
  return node;
}

}  // namespace amqp
