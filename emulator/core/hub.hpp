#pragma once
// The hub: the only class that protocols call. A monitor: one mutex, microseconds a call, no I/O
// inside, no call outwards while it is held; wakers fire after it is released. Thread-safe.
// Every call first runs all timers that are due at `now` (spec/c2d.md 2.7). Where that is very
// much, it runs those of the queue that it is about, and on_time the others, share by share
// (C2D-46). Threads read the clock before they wait for the mutex: a `now` older than the latest
// seen is taken for that (N-31).
#include "emulator/core/auth.hpp"
#include "emulator/core/change.hpp"
#include "emulator/core/device_registry.hpp"
#include "emulator/core/event_stream.hpp"
#include "emulator/core/feedback_batcher.hpp"
#include "emulator/core/limits.hpp"
#include "emulator/core/log.hpp"
#include "emulator/core/message_queue.hpp"
#include "emulator/core/metrics.hpp"
#include "emulator/core/throttle.hpp"
#include "emulator/core/waker.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hub {

class Hub;

enum class Transport : std::uint8_t { mqtt, amqp, https };

// Why the hub took a receiver or a presence away from its session.
enum class CloseReason : std::uint8_t {
  taken_over,  // a newer connection or link of the same device (400027, 409002)
  device_disabled,
  device_deleted,
  authentication_changed,  // the identity's authentication type changed (6.5)
};
std::string_view to_text(CloseReason reason);

// The right to receive from one queue, held by one MQTT connection or AMQP link. Dropping it (or
// close) returns its locks to the queue. Movable; used by one session at a time.
class Receiver {
 public:
  Receiver() = default;
  Receiver(Receiver&& other) noexcept { swap(other); }
  Receiver& operator=(Receiver&& other) noexcept {
    Receiver{std::move(other)}.swap(*this);
    return *this;
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();

  explicit operator bool() const { return hub_ != nullptr; }
  // The next message, locked for this receiver; nullopt: nothing now, the waker fires when there
  // is. Call it only with room for the message (credit, in-flight window), until it says nullopt or
  // the room is used up.
  std::optional<Delivery> receive(TimePoint now);
  // MQTT QoS 0: locked and completed in one step (C2D-25).
  std::optional<Delivery> receive_and_complete(TimePoint now);
  Result<void> complete(const LockToken& token, TimePoint now);
  Result<void> reject(const LockToken& token, TimePoint now);
  Result<void> abandon(const LockToken& token, TimePoint now);
  Result<void> release(const LockToken& token, TimePoint now);  // settled without an outcome
  // Messages below are not for this receiver (C2D-29); 0 is all.
  void set_first_sequence(SequenceNumber first);
  // Set once the hub closed it; its locks are already released then.
  std::optional<CloseReason> closed() const;
  void close(TimePoint now);

 private:
  friend class Hub;
  template <class Then>
  std::optional<Delivery> receive_then(TimePoint now, Then&& then);
  template <class Settle>
  Result<void> settle(TimePoint now, Settle&& settle);
  Receiver(Hub* hub, HolderId id) : hub_(hub), id_(id) {}
  void swap(Receiver& other) noexcept {
    std::swap(hub_, other.hub_);
    std::swap(id_, other.id_);
  }
  Hub* hub_ = nullptr;
  HolderId id_ = 0;
};

// A device that is connected over MQTT or AMQP: connectionState, takeover, administrative closing.
// One per device and connection. RAII like Receiver.
class Presence {
 public:
  Presence() = default;
  Presence(Presence&& other) noexcept { swap(other); }
  Presence& operator=(Presence&& other) noexcept {
    Presence{std::move(other)}.swap(*this);
    return *this;
  }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence();

  explicit operator bool() const { return hub_ != nullptr; }
  std::optional<CloseReason> closed() const;  // takes no lock
  void close(TimePoint now);

 private:
  friend class Hub;
  struct State;
  Presence(Hub* hub, State* state) : hub_(hub), state_(state) {}
  void swap(Presence& other) noexcept {
    std::swap(hub_, other.hub_);
    std::swap(state_, other.state_);
  }
  Hub* hub_ = nullptr;
  State* state_ = nullptr;
};

struct HubConfig {
  std::string host_name = "localhost";  // its first label is the hub's name
  std::vector<SharedAccessPolicy> policies;
  Settings settings;
  Limits limits;
};

// A device identity as the service API shows it: with what changes by itself.
struct DeviceView {
  DeviceIdentity identity;
  bool connected = false;
  std::optional<TimePoint> connection_state_updated_time;
  std::optional<TimePoint> last_activity_time;
  std::size_t c2d_message_count = 0;
  std::size_t c2d_locked_count = 0;
  // U4: messages older than the MQTT subscription that waits for newer ones, so that nobody
  // wonders.
  std::size_t held_back_from_mqtt = 0;
};

class Hub {
 public:
  // `ids` and `log` outlive the hub. `durable`: changes are staged for a Store; else dropped.
  Hub(HubConfig config, IdSource& ids, Log& log, TimePoint now, bool durable = false);
  ~Hub();
  void restore(Snapshot snapshot,
               TimePoint now);  // before anything else; overdue timers fire (C2D-17)

  const std::string& host_name() const { return config_.host_name; }
  const std::string& name() const { return name_; }  // first label of host_name
  const Limits& limits() const { return config_.limits; }
  const Settings& settings() const { return config_.settings; }
  Metrics& metrics() { return metrics_; }
  Log& log() { return log_; }
  const std::vector<SharedAccessPolicy>& policies() const { return config_.policies; }

  // ---- who is calling -------------------------------------------------------------------------
  // Checks signature, expiry, and that a device or module of its own key exists, is enabled and
  // uses keys.
  // iot_hub_unauthorized_access with a reason for the log; tell the peer no more than the wire
  // documents do. `host_name` aliases: any host text in sr is accepted (M-04).
  Result<Principal> authenticate_sas(std::string_view token, TimePoint now);
  Result<Principal> authenticate_certificate(const DeviceId& device, const ClientCertificate& cert,
                                             TimePoint now);
  // May `principal` use the device endpoints of `device`, or of a module? Needs DeviceConnect,
  // scope and, for an own token, the very same id and generation; the identity must exist and be
  // enabled. Returns the identity it was granted for.
  Result<DeviceIdentity> authorize_device(const Principal& principal, const DeviceId& device,
                                          TimePoint now);
  // May it use a service operation? `resource`: path segments, for narrowed policy tokens.
  Result<void> authorize_service(const Principal& principal, Right right,
                                 const std::vector<std::string>& resource, TimePoint now);

  // ---- registry (RegistryRead/RegistryWrite are the caller's check) -----------------------------
  // Of devices and modules alike; what a device loses when it is disabled or deleted, its modules
  // lose with it.
  Result<DeviceView> create_device(const DeviceSpec& spec, TimePoint now);
  Result<DeviceView> update_device(const DeviceSpec& spec, const IfMatch& if_match, TimePoint now);
  Result<void> delete_device(const DeviceId& id, const IfMatch& if_match, TimePoint now);
  Result<DeviceView> get_device(const DeviceId& id, TimePoint now);
  Result<std::vector<DeviceView>> list_modules(const DeviceId& device, TimePoint now);
  std::vector<DeviceView> list_devices(std::string_view after, std::size_t count, TimePoint now);
  struct Statistics {
    std::size_t total_device_count = 0, enabled_device_count = 0, disabled_device_count = 0;
    std::size_t connected_device_count = 0;
  };
  Statistics statistics(TimePoint now);

  // ---- what the tier allows (THR-01) -----------------------------------------------------------
  // For operations that the hub does not see as such; messages and connections it counts itself.
  // throttling_exception when the minute's share is used up.
  Result<void> admit(Operation operation, std::uint64_t count, TimePoint now);

  // ---- devices on persistent connections --------------------------------------------------------
  // The newest connection wins (C2D-36): an MQTT connection closes every other presence of the
  // device; an AMQP one closes those over MQTT. `waker` fires when the presence is closed.
  // `granted`: as authorize_device() said; refused if that is no longer so.
  Result<Presence> connect_device(const DeviceId& device, Transport transport, Waker waker,
                                  TimePoint now, const DeviceIdentity* granted = nullptr);
  // Opens the devicebound queue. A second one for the same device closes the first (C2D-37) and
  // releases its locks. `first_sequence`: see Receiver. `on_behalf_of`, here and below: a presence
  // that the hub has closed, be its session about to see it, is refused (link_creation_conflict, or
  // false), lest it take from the connection that took over.
  Result<Receiver> open_devicebound(const DeviceId& device, Transport transport, Waker waker,
                                    SequenceNumber first_sequence, TimePoint now,
                                    const Presence* on_behalf_of = nullptr);
  Receiver open_feedback(Waker waker, TimePoint now);

  // ---- messages ---------------------------------------------------------------------------------
  struct SendRequest {
    DeviceId device;
    Ack ack = Ack::none;
    bool ack_given = false;
    MessageContent content;
  };
  // Accepted only with everything in order, checked in the order of spec/c2d.md 2.6: size 413001,
  // device 404001, expiry 403009, throttle 429001, quota 403002, depth 403004 (C2D-01). The caller
  // checks rights, format and `to`. A request whose device is not found is left as it was.
  Result<SequenceNumber> send(SendRequest&& request, TimePoint now);
  Result<std::size_t> purge(const DeviceId& device, TimePoint now);

  // HTTPS: no holder, only the deadline frees the lock (C2D-09).
  Result<std::optional<Delivery>> receive_once(const QueueId& queue, Duration lock, TimePoint now);
  Result<void> complete(const QueueId& queue, const LockToken& token, TimePoint now);
  Result<void> reject(const QueueId& queue, const LockToken& token, TimePoint now);
  Result<void> abandon(const QueueId& queue, const LockToken& token, TimePoint now);

  // message_too_large; device_not_found if the identity is gone or disabled; throttling_exception;
  // iot_hub_quota_exceeded. A batch is of one device, and taken or refused as a whole.
  // The hub keeps the messages as they are, with its stamps: nobody else may change them then.
  Result<void> send_telemetry(std::span<const std::shared_ptr<TelemetryMessage>> batch,
                              TimePoint now);
  Result<void> send_telemetry(const std::shared_ptr<TelemetryMessage>& message, TimePoint now) {
    return send_telemetry(std::span(&message, 1), now);
  }
  // What all messages of a connection name as their sender. Good for as long as the identity is
  // not created anew. device_not_found, module_not_found.
  Result<TelemetryOriginPtr> telemetry_origin(const DeviceId& device, std::string auth_method,
                                              std::string data_schema, TimePoint now);
  std::vector<TelemetryPtr> read_events(std::uint32_t partition, std::uint64_t from,
                                        std::size_t count);
  std::uint32_t partition_count() const { return config_.settings.partition_count; }

  // ---- stored MQTT sessions (M-16)
  // ----------------------------------------------------------------
  std::optional<MqttSessionState> mqtt_session(const DeviceId& device);
  bool store_mqtt_session(const DeviceId& device, const MqttSessionState& state, TimePoint now,
                          const Presence* on_behalf_of = nullptr);
  bool remove_mqtt_session(const DeviceId& device, TimePoint now,
                           const Presence* on_behalf_of = nullptr);
  // The first sequence number that a message sent from now on will get: a new subscription's mark.
  SequenceNumber next_sequence(const DeviceId& device);

  // True for the first reported properties of a device or module: it is told once that the hub has
  // no twins yet.
  bool first_reported_properties(const DeviceId& device);

  // ---- time and storage
  // --------------------------------------------------------------------------- How far the
  // machine's clock is ahead of the hub's, which does not follow it (C2D-40): the answer to a token
  // that has expired says so. Any thread.
  void note_clock_drift(Duration ahead) { clock_drift_.store(ahead, std::memory_order_relaxed); }
  // To be called at next_deadline(), and again for as long as that is not after `now`.
  void on_time(TimePoint now);
  std::optional<TimePoint> next_deadline();
  // Fires whenever next_deadline() may have come nearer. Set once, before use.
  void set_deadline_waker(Waker waker);

  // Durable mode. staged() counts all changes ever staged; what a session wrote may leave only when
  // committed() has reached the staged() seen after it (read, feed, commit, write).
  std::uint64_t staged() const { return staged_count_.load(std::memory_order_acquire); }
  // Takes what is staged and not yet taken, with the staged() it reaches up to.
  std::pair<std::vector<Change>, std::uint64_t> take_changes();
  void set_staged_waker(Waker waker);  // fires when something is staged; set once, before use

  std::vector<MessageQueue::View> peek(const QueueId& queue);

 private:
  friend class Receiver;
  friend class Presence;
  template <class Settle>
  Result<void> settle_once(const QueueId& queue, TimePoint now, Settle&& settle);
  Result<void> check_expiry(TimePoint expires_at, Duration grace, TimePoint now) const;
  Result<void> verify_own_token(Principal& principal, const SasToken& token, const DeviceId& id,
                                TimePoint now);

  struct Impl;  // receivers, presences, queues, timers: the monitor's state
  class Guard;

  HubConfig config_;
  std::string name_;
  IdSource& ids_;
  Log& log_;
  Metrics metrics_;
  std::atomic<std::uint64_t> staged_count_{0};
  std::atomic<Duration> clock_drift_{Duration::zero()};
  std::unique_ptr<Impl> impl_;
};

}  // namespace hub
