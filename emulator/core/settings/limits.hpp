#pragma once
// Every quota and timeout of the hub, each with its source (spec/c2d.md section 1 unless said).
#include "emulator/core/base/error.hpp"
#include "emulator/core/base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hub {

// Fixed by the service.
struct Limits {
  std::size_t queue_depth_max = 50;                   // C2D-10: per device, locked ones counted
  std::size_t c2d_message_bytes_max = 64 * 1024;      // C2D-11, U15: <= is accepted
  std::size_t d2c_message_bytes_max = 256 * 1024;     // 1.3
  std::size_t message_id_chars_max = 128;             // 1.3
  Duration message_ttl_max = std::chrono::hours{48};  // C2D-14 -> 403009
  std::size_t device_id_chars_max = 128;
  std::size_t devices_max = 1'000'000;      // their modules counted
  std::size_t modules_per_device_max = 50;  // D quota, MOD-02
  std::size_t list_devices_max = 1000;
  std::size_t bulk_devices_max = 100;
  std::size_t feedback_batch_records_max = 64;  // C2D-32
  // Ours, a bound on every queue: batches, and the bytes of their bodies.
  std::size_t feedback_queue_depth_max = 100'000;
  std::uint64_t feedback_queue_bytes_max = 64 * 1024 * 1024;
  std::uint64_t event_bytes_per_partition_max = 64 * 1024 * 1024;  // ours: 10,000 can be 2.5 GiB
  Duration lock_duration = std::chrono::seconds{60};           // C2D-05, devices over AMQP and MQTT
  Duration http_lock_timeout_min = std::chrono::seconds{1};    // U8
  Duration http_lock_timeout_max = std::chrono::seconds{300};  // U8
  Duration keep_alive_max = std::chrono::seconds{1767};        // M-18
  std::uint32_t mqtt_packet_bytes_max = 262'144;               // spec/mqtt.md 2.1
  std::size_t property_count_max = 1000;                       // ours: a bound on every loop
};

enum class DeliveryCountMode { abandon_only, every_return };     // 2.2, U1
enum class ExpireWhileLocked { immediate, at_unlock };           // U2
enum class MqttOutOfOrderAck { hold, ignore, close, complete };  // U19
enum class MqttBacklog { reject, keep, deliver };                // U4

enum class Sku { none, f1, s1, s2, s3 };  // 1.4; none: no throttle

// What an operator may change, by the names of spec/c2d.md sections 1.2 and 9 and contract.md 6.
struct Settings {
  std::uint32_t max_delivery_count = 10;         // cloudToDevice.maxDeliveryCount
  Duration default_ttl = std::chrono::hours{1};  // cloudToDevice.defaultTtlAsIso8601
  Duration feedback_lock_duration =
      std::chrono::seconds{60};                         // cloudToDevice.feedback.lockDuration…
  Duration feedback_ttl = std::chrono::hours{1};        // cloudToDevice.feedback.ttlAsIso8601
  std::uint32_t feedback_max_delivery_count = 10;       // cloudToDevice.feedback.maxDelivery…
  Duration feedback_window = std::chrono::seconds{15};  // feedback.window
  std::uint32_t feedback_batch_records = 64;            // feedback.batchRecords
  bool feedback_legacy_descriptions = false;            // feedbackDescriptions=code|legacy
  DeliveryCountMode delivery_count_mode = DeliveryCountMode::abandon_only;  // deliveryCountMode
  ExpireWhileLocked expire_while_locked = ExpireWhileLocked::immediate;     // expireWhileLocked
  MqttBacklog mqtt_backlog = MqttBacklog::reject;  // mqttBacklogOnFirstSubscribe, U4
  bool release_locks_on_disconnect = true;         // releaseLocksOnDisconnect, U5
  bool redeliver_on_live_connection = true;        // redeliverOnLiveConnection, U6
  Duration sas_clock_skew{0};                      // sasClockSkewSeconds, U11
  Duration token_expiry_grace{0};                  // tokenExpiryGrace
  MqttOutOfOrderAck mqtt_out_of_order_ack = MqttOutOfOrderAck::hold;  // mqttOutOfOrderAck
  std::uint32_t mqtt_in_flight_max = 50;            // mqttInFlightMax (c2d.md section 3)
  bool strict_property_chars = false;               // strictPropertyChars, U16
  std::uint32_t partition_count = 4;                // partitionCount, 1..32
  std::uint64_t events_per_partition_max = 10'000;  // eventsPerPartitionMax; ours, bounded
  Sku sku = Sku::none;                              // sku.name, THR-01
  std::uint32_t sku_units = 1;                      // sku.capacity
  std::uint64_t daily_message_quota = 0;            // dailyMessageQuota, THR-03; 0: no quota
  bool disable_device_sas = false;                  // disableDeviceSAS, SEC-14
  bool disable_module_sas = false;                  // disableModuleSAS, MOD-07

  // Sets one by name. argument_invalid names the setting and its range or choices.
  Result<void> set(std::string_view name, std::string_view value);
};

}  // namespace hub
