#pragma once
// One connection of a device or module over MQTT 3.1.1, from CONNECT to DISCONNECT, without a
// socket.
//   awaiting_connect --CONNECT accepted--> connected --DISCONNECT or any violation--> closed
//          \---refused (CONNACK 1, 3, 5), anything else first, 60 s----------------------/
// MQTT 3.1.1 gives a server no way to say why: every violation closes the connection, and the log
// has the reason (M-60). Rule ids: spec/mqtt.md (M-nn) and spec/c2d.md (C2D-nn), docs/fidelity.md.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "emulator/core/hub/hub.hpp"
#include "protocols/mqtt/codec.hpp"
#include "protocols/mqtt/in_flight.hpp"
#include "protocols/session.hpp"

namespace mqtt {

class Session : public protocols::Session {
 public:
  // `hub` outlives the session. `waker` is what the hub calls when there is something for it.
  Session(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, TimePoint now);

  void on_bytes(std::string_view bytes, TimePoint now) override;
  void on_wake(TimePoint now) override;
  void on_time(TimePoint now) override;
  void on_peer_closed(TimePoint now) override;
  void on_shutdown(TimePoint now) override;

  std::string_view output() const override;
  void consume_output(std::size_t size) override;
  std::optional<TimePoint> next_deadline() const override;
  bool wants_close() const override { return state_ == State::closed; }
  bool wants_input() const override;
  bool output_promises() const override;

 private:
  enum class State : std::uint8_t { awaiting_connect, connected, closed };

  // What few devices have.
  struct Extras {
    std::string model_id;
    std::uint64_t reported_version = 1;  // of the twin
    // What is published as telemetry when the connection ends without DISCONNECT (2.9).
    struct Will {
      std::string bag;
      std::string payload;
      bool retain = false;
    };
    std::optional<Will> will;
  };
  Extras& extras();  // made when first asked for

  // session.cpp
  void handle(const Packet& packet, TimePoint now);
  bool may_go_on(TimePoint now);
  void close(hub::LogLevel level, std::string_view reason, TimePoint now,
             std::string_view topic = {});
  void violation(std::string_view reason, TimePoint now, std::string_view topic = {});
  void tell_at_debug(std::string_view event, std::string_view topic, std::uint8_t qos);
  std::size_t output_size() const { return output_.size() - output_begin_; }

  // connect.cpp
  void on_connect(const Connect& packet, TimePoint now);
  hub::Result<hub::Principal> authenticate(const Connect& packet, const hub::DeviceId& device,
                                           TimePoint now);
  void refuse(ConnectReturn code, std::string_view reason, const Connect& packet, TimePoint now);
  bool resume_session(TimePoint now);
  void store_will(const Will& will);

  // publish.cpp
  void on_publish(const Publish& packet, TimePoint now);
  void tell_of_odd_bag(std::string_view topic);
  hub::Result<void> send_telemetry(const std::shared_ptr<hub::TelemetryMessage>& message,
                                   std::string_view bag, std::string_view payload, bool retain,
                                   TimePoint now);
  void publish_will(TimePoint now);

  // twin.cpp
  void on_twin_get(std::string_view request_id, TimePoint now);
  void on_twin_patch(std::string_view request_id, std::string_view patch, TimePoint now);
  void answer(const std::string& topic, std::string_view body);

  // subscribe.cpp
  void on_subscribe(const Subscribe& packet, TimePoint now);
  void on_unsubscribe(const Unsubscribe& packet, TimePoint now);
  bool subscribe(std::string_view filter, std::uint8_t qos);
  bool is_subscribed_to(std::string_view topic) const;
  bool store_subscriptions(TimePoint now);
  void update_receiver(TimePoint now);
  void tell_what_is_held_back(TimePoint now);

  // deliver.cpp
  void on_puback(const Puback& packet, TimePoint now);
  void deliver(TimePoint now);
  void pump(TimePoint now);
  bool settle(TimePoint now);
  bool window_is_full(TimePoint now) const;
  void send_to_device(const hub::Delivery& delivery, TimePoint now);

  hub::Hub& hub_;
  std::string peer_address_;
  std::unique_ptr<hub::ClientCertificate> certificate_;  // until CONNECT
  hub::Waker waker_;

  State state_ = State::awaiting_connect;
  bool clean_session_ = false;
  bool receiving_ = false;       // a filter matches the devicebound topic (M-30)
  bool delivery_due_ = false;    // something happened that may let a message out
  bool output_held_up_ = false;  // deliveries wait for the output to drain
  bool told_odd_bag_ = false;    // once is enough (M-73)
  std::uint8_t devicebound_qos_ = 0;
  TimePoint now_;  // of the latest event
  TimePoint last_input_;
  hub::Duration input_timeout_;  // until CONNECT, then the keep-alive
  TimePoint token_deadline_ = TimePoint::max();

  Decoder decoder_;
  std::string output_;
  std::size_t output_begin_ = 0;

  hub::DeviceId device_;            // or a module
  std::string_view auth_method_;    // JSON
  hub::TelemetryOriginPtr origin_;  // from the first telemetry on
  std::unique_ptr<Extras> extras_;
  hub::MqttSessionState subscriptions_;

  hub::Presence presence_;
  hub::Receiver receiver_;
  InFlight in_flight_;
};

}  // namespace mqtt
