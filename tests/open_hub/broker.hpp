#pragma once
// Open MQTT topics over the hub's own session. A session here reads the client's packets with the
// hub's codec, says each in the hub's words to an mqtt::Session, and says its answers in the
// client's:
//
//   client                      mqtt::Session
//   CONNECT, any id, no token   CONNECT of a device with its token
//   PUBLISH a/b, will a/b       telemetry with the properties topic=a/b and qos
//   SUBSCRIBE a/#               devices/{id}/messages/devicebound/#, once; a/# is the Broker's
//   PUBLISH a/b                 a devicebound message with these properties
//
// The Broker takes the telemetry that the hub has stored and sends it to every device with a filter
// that matches, as a cloud-to-device message. Packet ids, acknowledgements, windows, locks,
// redelivery, stored sessions, takeover, keep-alive and wills are the session's own.
#include <map>
#include <string>
#include <vector>

#include "emulator/core/hub/hub.hpp"
#include "protocols/mqtt/session.hpp"
#include "protocols/session_shell.hpp"

namespace open_hub {

class Broker {
 public:
  explicit Broker(hub::Hub& hub) : hub_(hub), next_event_(hub.events().partition_count(), 0) {}
  hub::Hub& hub() { return hub_; }

  void subscribe(const hub::DeviceId& client, std::string_view filter, std::uint8_t qos);
  bool unsubscribe(const hub::DeviceId& client, std::string_view filter);  // true: none is left
  void forget(const hub::DeviceId& client) { filters_.erase(client.text); }
  // The highest QoS among the filters that match; nullopt: none does.
  std::optional<std::uint8_t> granted(const std::string& client, std::string_view topic) const;

  // Sends on what was published since the last call.
  void route(hub::TimePoint now);

 private:
  hub::Hub& hub_;
  std::map<std::string, std::map<std::string, std::uint8_t, std::less<>>> filters_;
  std::vector<std::uint64_t> next_event_;  // by partition
};

class OpenSession : public protocols::Session {
 public:
  OpenSession(Broker& broker, protocols::PeerInfo peer, hub::Waker waker, protocols::TimePoint now);
  ~OpenSession() override;

  void on_bytes(std::string_view bytes, protocols::TimePoint now) override;
  void on_wake(protocols::TimePoint now) override;
  void on_time(protocols::TimePoint now) override;
  void on_peer_closed(protocols::TimePoint now) override;
  void on_shutdown(protocols::TimePoint now) override;
  std::string_view output() const override { return output_; }
  void consume_output(std::size_t size) override { output_.erase(0, size); }
  std::optional<protocols::TimePoint> next_deadline() const override;
  bool wants_close() const override { return inner_.session().wants_close(); }
  bool wants_input() const override { return inner_.session().wants_input(); }

 private:
  // The client's packets to the session; `words` is what it reads.
  void say(std::string& words, const mqtt::Packet& packet, protocols::TimePoint now);
  void say_connect(std::string& words, mqtt::Connect packet, protocols::TimePoint now);
  std::string telemetry_topic(std::string_view topic, std::uint8_t qos) const;
  // The session's packets to the client, and what follows from them.
  void settle(protocols::TimePoint now);
  void answer(const mqtt::Packet& packet, protocols::TimePoint now);

  Broker& broker_;
  protocols::SessionShell inner_;
  mqtt::Decoder from_client_, from_inner_;
  hub::DeviceId client_;
  bool clean_ = false;
  std::map<std::uint16_t, std::vector<std::uint8_t>> subacks_;  // the codes to come, by packet id
  std::string output_;
};

}  // namespace open_hub
