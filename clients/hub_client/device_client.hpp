#pragma once
// A device: sends telemetry, receives cloud-to-device messages and settles them.
//
//   DeviceClient device{options};
//   device.open(true);
//   while (auto message = device.receive(30s)) device.complete(*message);
//
// Connects again by itself after a lost connection, and before its token expires; what it was
// subscribed to comes back. A message that was held at that moment is lost to this client (Error
// lock_lost) and comes again; so a renewal waits until none is held.
//
// Not safe for concurrent use; no threads inside. All work happens during the calls, so call
// receive() or wait() at least every 30 seconds. From outside only ClientOptions::cancelled ends a
// call. Destroying it says goodbye for at most a second; never from within its own callbacks.
// Throws Error.
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/sas_token.hpp"
#include "clients/hub_client/transport.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace iothub {

enum class ConnectionEvent { connected, lost, renewing };

class DeviceClient {
 public:
  using TransportFactory = std::function<std::unique_ptr<DeviceTransport>(const ClientOptions&)>;

  // Tests give a factory of their own.
  explicit DeviceClient(ClientOptions options, TransportFactory factory = make_device_transport);
  ~DeviceClient();

  DeviceClient(const DeviceClient&) = delete;
  DeviceClient& operator=(const DeviceClient&) = delete;

  // Called in the caller's thread, during other calls; `cause` says why a connection was lost.
  using Observer = std::function<void(ConnectionEvent event, std::string_view cause)>;
  void on_connection(Observer observer) { observer_ = std::move(observer); }

  // Connects once, without trying again: a wrong key or name shows at once. `receiving`:
  // cloud-to-device messages are asked for.
  void open(bool receiving);

  // Returns when the hub has it. After a lost connection it is sent again: at least once.
  void send_event(const Message& message) { send_events({&message, 1}); }

  // As one batch, taken or refused as a whole, where the transport can: at most 256 KB, over HTTPS
  // at most 500 messages. MQTT has no batches: they go one by one, and an error may come when some
  // are with the hub already.
  void send_events(std::span<const Message> messages);
  bool can_batch() const;

  std::optional<ReceivedMessage> receive(Duration timeout);

  void complete(const ReceivedMessage& message) { settle(message, Disposition::complete); }
  void abandon(const ReceivedMessage& message) { settle(message, Disposition::abandon); }
  void reject(const ReceivedMessage& message) { settle(message, Disposition::reject); }
  void settle(const ReceivedMessage& message, Disposition disposition);

  // Whether the transport has this disposition at all.
  bool can(Disposition disposition) const;

  // Connects again after a lost connection; false when that was not possible in time.
  bool ensure_connected(Duration timeout);

  // Serves the connection for `duration`, receiving nothing.
  void wait(Duration duration);

  void close() noexcept;

 private:
  void send(std::span<const Message> messages, const Deadline& deadline);
  void connect();
  bool reconnect(const Deadline& deadline);
  bool ready(const Deadline& deadline);
  void lose(const Error& error);
  void drop();
  void release();
  void renew_if_due();
  Duration until_renewal(Duration wait) const;
  void notify(ConnectionEvent event, std::string_view cause = {});

  ClientOptions options_;
  TransportFactory factory_;
  Observer observer_;
  std::unique_ptr<DeviceTransport> transport_;
  bool connected_ = false, receiving_ = false;
  TimePoint renew_at_ = TimePoint::max();
  Backoff backoff_;
  std::chrono::steady_clock::time_point connected_at_{};
  std::optional<std::chrono::steady_clock::time_point> next_attempt_;
  std::uint64_t sends_ = 0;
  std::size_t held_ = 0;  // received and not settled on this connection
  std::uint64_t connections_ = 0;
};

}  // namespace iothub
