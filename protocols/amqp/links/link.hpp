#pragma once
// What answers at one end of a link. One subclass per address; Connection owns them and passes on
// what Proton reports. As it is, a Link attaches and stays silent: method requests, file
// notifications, what modules receive (MOD-16).
#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/core/hub/hub.hpp"
#include "protocols/amqp/credentials.hpp"
#include "protocols/amqp/proton_fwd.hpp"
#include "protocols/amqp/wake_list.hpp"

namespace amqp {

class Connection;

class Link {
 public:
  // The names of spec/amqp.md: `pn` is Proton's end, alive as long as this.
  Link(Connection& connection, pn_link_t* pn, WakeId id)
      : connection_(connection), pn_(pn), id_(id) {}
  virtual ~Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  pn_link_t* pn() const { return pn_; }
  WakeId id() const { return id_; }

  // The credit a sending client has; 0: the hub sends.
  virtual int credit() const { return 0; }
  // One whole message of a client. It must be settled on return.
  virtual void on_message(pn_delivery_t*, std::string_view) {}
  // The client's outcome for a message of ours.
  virtual void on_outcome(pn_delivery_t*) {}
  virtual void on_credit() {}            // may be called without need
  virtual void on_wake() {}              // the hub has something for `id`
  virtual void close(hub::TimePoint) {}  // the link is over: give back what it holds

  // On whose word it is open; null for $cbs.
  CredentialPtr credential;
  std::string device;  // DeviceId::name; empty: not a device's or module's link

 protected:
  Connection& connection_;

 private:
  pn_link_t* pn_;
  WakeId id_;
};

// Accepts and forgets: method responses, which answer nothing.
class SilentReceiver : public Link {
 public:
  using Link::Link;
  int credit() const override { return 100; }
  void on_message(pn_delivery_t* delivery, std::string_view) override;
};

}  // namespace amqp
