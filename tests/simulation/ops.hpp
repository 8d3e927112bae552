#pragma once
// What clients ask the hub for, as the auditor knows it: an Op takes effect when the hub has been
// fed its last byte.
#include "emulator/core/hub/hub.hpp"
#include "tests/model/model.hpp"

#include <memory>
#include <optional>
#include <string>

namespace simulation {

using hub::TimePoint;
using model_test::Verb;

// Queues by the name of their device; the feedback queue is "".
struct Op {
  enum class Kind {
    send,       // queue, body, message_id, ack, ttl
    settle,     // queue, token, verb
    attach,     // AMQP receiver on queue; presettled
    flow,       // queue, delivery_count, credit: as the client says them
    detach,     // queue
    close,      // the whole connection, politely
    connect,    // MQTT: queue is the device, clean, token_end
    subscribe,  // MQTT: qos
    unsubscribe,
    puback,  // MQTT: packet_id
    telemetry,
    put_token,  // AMQP: queue is the device, token_end
    get,        // HTTPS: queue, lock, token_end
    purge,      // HTTPS: queue
    other,      // nothing the auditor has to know
  };
  Kind kind = Kind::other;
  std::string queue;

  std::string body, message_id;
  hub::Ack ack = hub::Ack::none;
  std::optional<hub::Duration> ttl;  // from the moment it is written
  std::optional<TimePoint> expiry;

  std::optional<TimePoint> token_end;  // `se`; none: X.509, or a policy's that outlives every run

  hub::LockToken token;  // the auditor's name of a lock, not the hub's
  Verb verb = Verb::complete;

  bool presettled = false, clean = false;
  std::uint8_t qos = 1;
  std::uint16_t packet_id = 0;
  std::uint64_t delivery_count = 0, credit = 0;
  hub::Duration lock{};

  // Set when it has taken effect.
  bool done = false;
  bool expected = false;  // sends and settlements: the hub should say yes
  std::size_t count = 0;  // purge: how many there were
};
using OpPtr = std::shared_ptr<Op>;

std::string text_of(const Op& op);

// A delivery as a client read it. What its protocol does not show is left out.
struct Seen {
  std::string body, property, message_id;
  std::optional<hub::SequenceNumber> sequence;
  std::optional<TimePoint> enqueued, expiry;
  std::optional<std::uint32_t> delivery_count;
  std::optional<std::string> token;
};

}  // namespace simulation
