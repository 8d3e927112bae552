#pragma once
// What a protocol must offer the clients. One object is one connection: it is opened once, and
// after an Error of kind connection_lost, timeout or unreachable it is thrown away and another one
// made.
//
// Not safe for concurrent use, and no threads inside: all I/O, keep-alives included, happens in the
// caller's thread during these calls. Call receive() or keep_alive() at least every 30 seconds.
// Every function throws Error.
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/time.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace iothub {

// One try to send telemetry. A message keeps its number when it is sent again: MQTT wants the
// packet id of the first try, and a flag.
struct SendAttempt {
  std::uint64_t number = 0;
  bool again = false;
};

// `password` is a SAS token, or empty when the client certificate is the proof.
class DeviceTransport {
 public:
  virtual ~DeviceTransport() = default;

  // Connects; with `receiving`, cloud-to-device messages are asked for as well.
  virtual void open(const std::string& password, bool receiving, Duration timeout) = 0;

  // Uses a fresh token from now on; false where only a new connection can.
  virtual bool renew(const std::string& /*password*/) { return false; }

  // Returns when the hub has taken the message.
  virtual void send_event(const Message& message, const SendAttempt& attempt, Duration timeout) = 0;

  // Whether the protocol takes several messages at once, all or none.
  virtual bool can_batch() const { return false; }
  virtual void send_batch(std::span<const Message> messages, Duration timeout);

  // The next message, or nullopt when none came in time.
  virtual std::optional<ReceivedMessage> receive(Duration timeout) = 0;

  // Error not_supported where the protocol has no such disposition.
  virtual void settle(const ReceivedMessage& message, Disposition disposition,
                      Duration timeout) = 0;
  virtual bool can(Disposition disposition) const = 0;

  // Serves the connection without waiting for messages.
  virtual void keep_alive(Duration duration) = 0;

  // Polite, brief, and silent about failures.
  virtual void close() noexcept = 0;
};

class ServiceTransport {
 public:
  virtual ~ServiceTransport() = default;
  virtual void open(const std::string& password, Duration timeout) = 0;

  // Returns when the hub has stored the message.
  virtual void send(const std::string& device_id, const Message& message, Duration timeout) = 0;

  // Starts the feedback link; receive_feedback does so by itself.
  virtual void open_feedback(Duration timeout) = 0;
  virtual std::optional<FeedbackBatch> receive_feedback(Duration timeout) = 0;
  virtual void settle(const FeedbackBatch& batch, Disposition disposition, Duration timeout) = 0;
  virtual void close() noexcept = 0;
};

std::unique_ptr<DeviceTransport> make_device_transport(const ClientOptions& options);
std::unique_ptr<ServiceTransport> make_service_transport(const ClientOptions& options);

}  // namespace iothub
