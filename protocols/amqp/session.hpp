#pragma once
// AMQP 1.0 as a protocols::Session: device and service links of an IoT hub, spec/amqp.md.
// Rules: docs/fidelity.md, ids A-nn.
#include <memory>

#include "emulator/core/hub/hub.hpp"
#include "protocols/session.hpp"

namespace amqp {

class Connection;
class Nodes;

class Session : public protocols::Session {
 public:
  // `hub` outlives the session. `waker` runs nobody from within the call; it may be fired on any
  // thread and after the session.
  // `nodes`, which outlives it too, takes the place of the hub's addresses.
  Session(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, protocols::TimePoint now,
          Nodes* nodes = nullptr);
  ~Session() override;

  void on_bytes(std::string_view bytes, protocols::TimePoint now) override;
  void on_wake(protocols::TimePoint now) override;
  void on_time(protocols::TimePoint now) override;
  void on_peer_closed(protocols::TimePoint now) override;
  void on_shutdown(protocols::TimePoint now) override;
  void end_turn(protocols::TimePoint now) override;

  std::string_view output() const override;
  void consume_output(std::size_t size) override;
  std::optional<protocols::TimePoint> next_deadline() const override;
  bool wants_close() const override;
  bool wants_input() const override;
  bool output_promises() const override;

 private:
  std::unique_ptr<Connection> connection_;
};

}  // namespace amqp
