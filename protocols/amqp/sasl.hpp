#pragma once
// The server's side of SASL, as a plugin of Proton: MSSBCBS, ANONYMOUS, PLAIN, EXTERNAL
// (spec/amqp.md 1.3, 8.2). The first two only open the way to put-token; PLAIN carries a token.
#include <optional>
#include <string>
#include <string_view>

#include "emulator/core/hub/hub.hpp"
#include "protocols/amqp/proton_fwd.hpp"
#include "protocols/session.hpp"

namespace amqp {

class Sasl {
 public:
  Sasl(hub::Hub& hub, const protocols::PeerInfo& peer) : hub_(hub), peer_(peer) {}
  Sasl(const Sasl&) = delete;
  Sasl& operator=(const Sasl&) = delete;

  // `this` outlives the transport.
  void install(pn_transport_t* transport);
  void set_now(hub::TimePoint now) { now_ = now; }  // before bytes are fed

  // Called by the plugin.
  const char* mechanisms() const;
  // True: authenticated.
  bool on_init(std::string_view mechanism, std::string_view response);
  const std::string& user() const { return user_; }
  bool refused() const { return refused_; }  // and the log has said why

  // Whom PLAIN named, once.
  std::optional<hub::Principal> take_principal() { return std::exchange(principal_, std::nullopt); }

 private:
  bool on_plain(std::string_view response);
  bool refuse(std::string_view mechanism, std::string_view user, std::string_view reason,
              std::string_view remedy);

  hub::Hub& hub_;
  const protocols::PeerInfo& peer_;
  hub::TimePoint now_{};
  bool refused_ = false;
  std::string user_;  // Proton keeps a pointer to it
  std::optional<hub::Principal> principal_;
};

}  // namespace amqp
