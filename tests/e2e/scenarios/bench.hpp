#pragma once
// What a scenario works with: the hub it runs against, the transport it is about, devices of its
// own, and a back end. Everything goes through the library, by connection string alone; only what
// no hub shows to a client (how much telemetry arrived) is asked of the emulator's control API.
#include "clients/hub_client/device_client.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/registry_client.hpp"
#include "clients/hub_client/service_client.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace scenarios {

using iothub::Disposition;
using iothub::Duration;
using iothub::ErrorKind;
using iothub::TransportKind;

// The hub under test, and how patient to be with it.
struct Target {
  iothub::ConnectionString connection;
  iothub::Ports ports;
  std::string ca_file;
  // The control API of an emulator; without it the hub is taken for the real one.
  std::optional<std::uint16_t> control_port;
  std::uint64_t seed = 0;   // of the cuts
  unsigned cuts_max = 24;   // per scenario
  double patience = 1;      // factor on every limit
  bool takes_long = false;  // scenarios of more than a minute too

  bool emulator() const { return control_port.has_value(); }
};

// A scenario ends with one of these, or well.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `what` says what was expected.
void expect(bool condition, const std::string& what);
void expect_equal(const std::string& value, const std::string& expected, const std::string& what);

// The error that `call` has to end with.
iothub::Error expect_error(ErrorKind kind, const std::string& what,
                           const std::function<void()>& call);

// The back end: sends, and sorts the hub's feedback, which is one stream for all devices.
class BackEnd {
 public:
  BackEnd(iothub::ClientOptions options, Duration limit);

  // Waits while the hub throttles.
  void send(const std::string& device_id, const iothub::Message& message);

  // Opens the feedback link, gives the next batch back once, and then completes all of them.
  void abandon_next_batch() { abandon_next_ = true; }

  // The record about this message, taken out of what came; a failure when none comes in time.
  iothub::FeedbackRecord record(const std::string& message_id);

  // Records about this message that came so far and were not taken.
  std::size_t records_waiting(const std::string& message_id) const;

  iothub::ServiceClient& client() { return client_; }

 private:
  void receive_feedback();

  iothub::ServiceClient client_;
  Duration limit_;
  bool abandon_next_ = false;
  std::vector<iothub::FeedbackRecord> records_;
};

class Bench {
 public:
  Bench(const Target& target, TransportKind transport);
  ~Bench();  // deletes the devices that were made

  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  const Target& target() const { return target_; }
  TransportKind transport() const { return transport_; }
  bool mqtt() const {
    return transport_ == TransportKind::mqtt || transport_ == TransportKind::mqtt_ws;
  }
  bool https() const { return transport_ == TransportKind::https; }

  // How long something that has to happen may take.
  Duration limit() const;

  // A device identity of a random id.
  iothub::DeviceIdentity make_device();
  // For a device client of this transport; reconnects at once, as nobody else is in the way.
  iothub::ClientOptions options(const iothub::DeviceIdentity& device) const;
  // For the back end that goes with this transport: over WebSocket where the device has 443 only.
  iothub::ClientOptions service_options() const;

  iothub::RegistryClient& registry() { return registry_; }
  BackEnd& back_end();

  std::string new_message_id();

  // A message that must come in time.
  iothub::ReceivedMessage receive(iothub::DeviceClient& device);
  // ... with this id: each message before it would be one too many.
  iothub::ReceivedMessage receive(iothub::DeviceClient& device, const std::string& message_id);

  // Waits until so many messages are in the device's queue, held ones included. Completing over
  // MQTT has no answer: this is how its effect is seen.
  void expect_depth(iothub::DeviceClient& device, const std::string& device_id,
                    std::uint64_t depth);

  // Telemetry accepted since the emulator's start; nullopt for the real hub.
  std::optional<std::uint64_t> telemetry_accepted() const;

 private:
  Target target_;
  TransportKind transport_;
  std::mt19937_64 random_;
  iothub::RegistryClient registry_;
  std::unique_ptr<BackEnd> back_end_;
  std::vector<std::string> devices_;
};

// A message of this id, body and ack.
iothub::Message message_of(const std::string& message_id, std::string body,
                           const std::string& ack = "none");

}  // namespace scenarios
