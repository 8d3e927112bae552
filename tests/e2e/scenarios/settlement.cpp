// The device's queue: locks, abandon, reject, expiry, depth, purge.
#include "tests/e2e/scenarios/scenario.hpp"

namespace scenarios {
namespace {

using namespace iothub;

constexpr std::uint64_t kDepthMax = 50;

void complete(Bench& bench) {
  Listener listener{bench};
  const auto first = listener.send();
  const auto second = listener.send();
  listener.device.complete(bench.receive(listener.device, first));
  listener.device.complete(bench.receive(listener.device, second));
  listener.expect_depth(0);
}

// MQTT has neither abandon nor reject: the library says so, and the message stays held.
void expect_refused_over_mqtt(Listener& listener, Disposition disposition) {
  auto& device = listener.device;
  expect(!device.can(disposition), "MQTT cannot " + std::string{to_string(disposition)});
  const auto id = listener.send();
  const auto held = listener.bench.receive(device, id);
  expect_error(ErrorKind::not_supported, std::string{to_string(disposition)} + " over MQTT",
               [&] { device.settle(held, disposition); });
  listener.expect_depth(1);
  device.complete(held);
  listener.expect_depth(0);
}

void reject(Bench& bench) {
  Listener listener{bench};
  if (bench.mqtt()) return expect_refused_over_mqtt(listener, Disposition::reject);
  const auto first = listener.send();
  const auto second = listener.send();
  listener.device.reject(bench.receive(listener.device, first));
  listener.device.complete(bench.receive(listener.device, second));
  listener.expect_depth(0);
}

void abandon_then_complete(Bench& bench) {
  Listener listener{bench};
  if (bench.mqtt()) return expect_refused_over_mqtt(listener, Disposition::abandon);
  const auto id = listener.send();
  const auto first = bench.receive(listener.device, id);
  listener.device.abandon(first);
  const auto again = bench.receive(listener.device, id);
  expect_equal(again.body, first.body, "the body that came again");
  expect(again.lock_token != first.lock_token, "a new lock token");
  // The real hub was seen to show 0 each time.
  if (bench.target().emulator()) {
    expect(first.delivery_count == 0U && again.delivery_count == 1U, "delivery counts 0 and 1");
  }
  listener.device.complete(again);
  listener.expect_depth(0);
}

// A message that expired unread is not delivered: the one after it comes first.
void expiry(Bench& bench) {
  Listener listener{bench};
  auto& device = listener.device;
  device.close();
  auto message = message_of(bench.new_message_id(), "too late", "negative");
  message.expires_at = now() + Duration{bench.target().emulator() ? 300 : 3'000};
  bench.back_end().send(listener.identity.device_id, message);
  listener.expect_record(*message.message_id, "Expired");
  const auto next = listener.send();
  DeviceClient later{bench.options(listener.identity)};
  later.open(true);
  later.complete(bench.receive(later, next));
  bench.expect_depth(later, listener.identity.device_id, 0);
}

void queue_full(Bench& bench) {
  Listener listener{bench};
  auto& device = listener.device;
  const auto first = listener.send();
  for (std::uint64_t sent = 1; sent < kDepthMax; ++sent) listener.send();
  const auto refused = expect_error(ErrorKind::queue_full, "message 51", [&] { listener.send(); });
  // AMQP's text carries the number.
  expect(refused.hub_code().value_or(403004) == 403004, "the hub's number 403004");
  expect(!is_transient(refused.kind()), "no retry before the device has emptied its queue");
  listener.expect_depth(kDepthMax);
  // One place is free as soon as one message is complete.
  device.complete(bench.receive(device, first));
  listener.expect_depth(kDepthMax - 1);
  listener.send();
  expect_equal(std::to_string(bench.registry().purge(listener.identity.device_id)),
               std::to_string(kDepthMax), "messages purged");
}

// A lock ends with the connection over MQTT and AMQP, where the message comes again at once; over
// HTTPS it has no connection, and ends with the first settlement.
void lock_lost(Bench& bench) {
  Listener listener{bench};
  auto& device = listener.device;
  const auto id = listener.send("full");
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
  listener.expect_record(id, "Success");
  listener.expect_depth(0);
}

// Settling what the hub has taken away meanwhile. MQTT's acknowledgement has no answer.
void settled_after_purge(Bench& bench) {
  Listener listener{bench};
  auto& device = listener.device;
  const auto id = listener.send("full");
  const auto held = bench.receive(device, id);
  expect_equal(std::to_string(bench.registry().purge(listener.identity.device_id)), "1",
               "messages purged, a held one counts");
  if (bench.mqtt()) {
    device.complete(held);
  } else {
    expect_error(ErrorKind::lock_lost, "complete after a purge", [&] { device.complete(held); });
  }
  listener.expect_record(id, "Purged");
  // The connection goes on.
  const auto next = listener.send();
  device.complete(bench.receive(device, next));
  listener.expect_depth(0);
}

void lock_times_out(Bench& bench) {
  if (!bench.target().takes_long) throw Skip{"a lock lasts a minute; --long waits for it"};
  Listener listener{bench};
  auto& device = listener.device;
  const auto id = listener.send("full");
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
  listener.expect_record(id, "Success");
  listener.expect_depth(0);
}

void purge(Bench& bench) {
  Listener listener{bench};
  auto& registry = bench.registry();
  const auto& device_id = listener.identity.device_id;
  listener.device.close();
  expect_equal(std::to_string(registry.purge(device_id)), "0", "messages purged of none");
  for (int i = 0; i < 3; ++i) listener.send();
  expect_equal(std::to_string(registry.purge(device_id)), "3", "messages purged");
  const auto next = listener.send();
  DeviceClient later{bench.options(listener.identity)};
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
