// The device's queue: locks, abandon, reject, expiry, depth, purge.
#include "tests/e2e/scenarios/scenario.hpp"

namespace scenarios {
namespace {

using namespace iothub;

constexpr std::uint64_t kDepthMax = 50;

// A device that listens, and a message for it.
struct Exchange {
  explicit Exchange(Bench& of)
      : bench(of), identity(of.make_device()), device(of.options(identity)) {
    device.open(true);
  }

  std::string send(const std::string& ack = "none") {
    const auto id = bench.new_message_id();
    bench.back_end().send(identity.device_id, message_of(id, "body of " + id, ack));
    return id;
  }

  // After this the hub has seen everything that the device sent before. MQTT's PUBACK has no
  // answer of its own, the acknowledgement of what follows it stands for it.
  void settled() { device.send_event({}); }

  void expect_depth(std::uint64_t depth) { bench.expect_depth(device, identity.device_id, depth); }

  Bench& bench;
  DeviceIdentity identity;
  DeviceClient device;
};

void complete(Bench& bench) {
  Exchange exchange{bench};
  const auto first = exchange.send();
  const auto second = exchange.send();
  exchange.device.complete(bench.receive(exchange.device, first));
  exchange.device.complete(bench.receive(exchange.device, second));
  exchange.expect_depth(0);
}

// MQTT has neither abandon nor reject: the library says so, and the message stays held.
void expect_refused_over_mqtt(Exchange& exchange, Disposition disposition) {
  auto& device = exchange.device;
  expect(!device.can(disposition), "MQTT cannot " + std::string{to_string(disposition)});
  const auto id = exchange.send();
  const auto held = exchange.bench.receive(device, id);
  expect_error(ErrorKind::not_supported, std::string{to_string(disposition)} + " over MQTT",
               [&] { device.settle(held, disposition); });
  exchange.expect_depth(1);
  device.complete(held);
  exchange.expect_depth(0);
}

void reject(Bench& bench) {
  Exchange exchange{bench};
  if (bench.mqtt()) return expect_refused_over_mqtt(exchange, Disposition::reject);
  const auto first = exchange.send();
  const auto second = exchange.send();
  exchange.device.reject(bench.receive(exchange.device, first));
  exchange.device.complete(bench.receive(exchange.device, second));
  exchange.expect_depth(0);
}

void abandon_then_complete(Bench& bench) {
  Exchange exchange{bench};
  if (bench.mqtt()) return expect_refused_over_mqtt(exchange, Disposition::abandon);
  const auto id = exchange.send();
  const auto first = bench.receive(exchange.device, id);
  exchange.device.abandon(first);
  const auto again = bench.receive(exchange.device, id);
  expect_equal(again.body, first.body, "the body that came again");
  expect(again.lock_token != first.lock_token, "a new lock token");
  // The real hub was seen to show 0 each time.
  if (bench.target().emulator()) {
    expect(first.delivery_count == 0U && again.delivery_count == 1U, "delivery counts 0 and 1");
  }
  exchange.device.complete(again);
  exchange.expect_depth(0);
}

// A message that expired unread is not delivered: the one after it comes first.
void expiry(Bench& bench) {
  Exchange exchange{bench};
  auto& device = exchange.device;
  device.close();
  auto message = message_of(bench.new_message_id(), "too late", "negative");
  message.expires_at = now() + Duration{bench.target().emulator() ? 300 : 3'000};
  bench.back_end().send(exchange.identity.device_id, message);
  expect_equal(bench.back_end().record(*message.message_id).status_code, "Expired", "feedback");
  const auto next = exchange.send();
  DeviceClient later{bench.options(exchange.identity)};
  later.open(true);
  later.complete(bench.receive(later, next));
  bench.expect_depth(later, exchange.identity.device_id, 0);
}

void queue_full(Bench& bench) {
  Exchange exchange{bench};
  auto& device = exchange.device;
  const auto first = exchange.send();
  for (std::uint64_t sent = 1; sent < kDepthMax; ++sent) exchange.send();
  const auto refused = expect_error(ErrorKind::queue_full, "message 51", [&] { exchange.send(); });
  // AMQP's text carries the number.
  expect(refused.hub_code().value_or(403004) == 403004, "the hub's number 403004");
  expect(!is_transient(refused.kind()), "no retry before the device has emptied its queue");
  exchange.expect_depth(kDepthMax);
  // One place is free as soon as one message is complete.
  device.complete(bench.receive(device, first));
  exchange.expect_depth(kDepthMax - 1);
  exchange.send();
  expect_equal(std::to_string(bench.registry().purge(exchange.identity.device_id)),
               std::to_string(kDepthMax), "messages purged");
}

// A lock ends with the connection over MQTT and AMQP, where the message comes again at once; over
// HTTPS it has no connection, and ends with the first settlement.
void lock_lost(Bench& bench) {
  Exchange exchange{bench};
  auto& device = exchange.device;
  const auto id = exchange.send("full");
  const auto held = bench.receive(device, id);
  if (bench.https()) {
    device.complete(held);
    const auto refused =
        expect_error(ErrorKind::lock_lost, "a second complete", [&] { device.complete(held); });
    expect(refused.hub_code() == 412002, "the hub's number 412002");
  } else {
    device.close();
    expect(device.ensure_connected(bench.limit()), "a connection again");
    expect_error(ErrorKind::lock_lost, "complete on a later connection",
                 [&] { device.complete(held); });
    device.complete(bench.receive(device, id));
  }
  expect_equal(bench.back_end().record(id).status_code, "Success", "feedback");
  exchange.expect_depth(0);
}

// Settling what the hub has taken away meanwhile. MQTT's acknowledgement has no answer.
void settled_after_purge(Bench& bench) {
  Exchange exchange{bench};
  auto& device = exchange.device;
  const auto id = exchange.send("full");
  const auto held = bench.receive(device, id);
  expect_equal(std::to_string(bench.registry().purge(exchange.identity.device_id)), "1",
               "messages purged, a held one counts");
  if (bench.mqtt()) {
    device.complete(held);
    exchange.settled();
  } else {
    expect_error(ErrorKind::lock_lost, "complete after a purge", [&] { device.complete(held); });
  }
  expect_equal(bench.back_end().record(id).status_code, "Purged", "feedback");
  // The connection goes on.
  const auto next = exchange.send();
  device.complete(bench.receive(device, next));
  exchange.expect_depth(0);
}

void lock_times_out(Bench& bench) {
  if (!bench.target().takes_long) throw Skip{"a lock lasts a minute; --long waits for it"};
  Exchange exchange{bench};
  auto& device = exchange.device;
  const auto id = exchange.send("full");
  const auto held = bench.receive(device, id);
  device.wait(Duration{61'000});
  if (bench.mqtt()) {  // the same packet id once more, on the same connection
    const auto again = bench.receive(device, id);
    expect(again.redelivered, "the DUP flag");
    device.complete(again);
  } else {
    expect_error(ErrorKind::lock_lost, "complete after a minute", [&] { device.complete(held); });
    device.complete(bench.receive(device, id));
  }
  expect_equal(bench.back_end().record(id).status_code, "Success", "feedback");
  exchange.expect_depth(0);
}

void purge(Bench& bench) {
  Exchange exchange{bench};
  auto& registry = bench.registry();
  const auto& device_id = exchange.identity.device_id;
  exchange.device.close();
  expect_equal(std::to_string(registry.purge(device_id)), "0", "messages purged of none");
  for (int i = 0; i < 3; ++i) exchange.send();
  expect_equal(std::to_string(registry.purge(device_id)), "3", "messages purged");
  const auto next = exchange.send();
  DeviceClient later{bench.options(exchange.identity)};
  later.open(true);
  later.complete(bench.receive(later, next));
  bench.expect_depth(later, device_id, 0);
  expect_error(ErrorKind::not_found, "the purge of an unknown device",
               [&] { registry.purge(device_id + "-unknown"); });
}

}  // namespace

std::vector<Scenario> settlement_scenarios() {
  return {{"completed messages are gone", complete},
          {"a rejected message does not come again", reject},
          {"an abandoned message comes again and is completed", abandon_then_complete},
          {"an expired message is not delivered", expiry},
          {"the queue takes 50 messages, then refuses (403004)", queue_full},
          {"a lock is lost with its connection, or by settling twice (412002)", lock_lost},
          {"settling a purged message is refused", settled_after_purge},
          {"a lock times out after a minute", lock_times_out},
          {"purge empties the queue and counts", purge}};
}

}  // namespace scenarios
