// Feedback: one record per message that asked for it, saying what became of it.
#include "tests/e2e/scenarios/scenario.hpp"

namespace scenarios {
namespace {

using namespace iothub;

constexpr unsigned kDeliveryCountMax = 100;  // the largest that a hub can be set to

void success(Bench& bench) {
  Listener listener{bench};
  bench.back_end().abandon_next_batch();  // and it comes again
  for (const char* ack : {"positive", "full"}) {
    const auto id = listener.send(ack);
    listener.device.complete(bench.receive(listener.device, id));
    listener.expect_record(id, "Success");
  }
}

// Records come in the order of the outcomes: what was not asked for is not there when the next is.
void not_asked_for(Bench& bench) {
  Listener listener{bench};
  const auto none = listener.send("none");
  const auto negative = listener.send("negative");
  const auto last = listener.send("full");
  for (const auto& id : {none, negative, last}) {
    listener.device.complete(bench.receive(listener.device, id));
  }
  listener.expect_record(last, "Success");
  expect(bench.back_end().records_waiting(none) == 0, "no record for ack=none");
  expect(bench.back_end().records_waiting(negative) == 0, "no record of a success for negative");
}

void expired(Bench& bench) {
  Listener listener{bench};
  listener.device.close();
  auto message = message_of(bench.new_message_id(), "too late", "full");
  message.expires_at = now() + Duration{bench.target().emulator() ? 200 : 3'000};
  bench.back_end().send(listener.identity.device_id, message);
  listener.expect_record(*message.message_id, "Expired");
}

void rejected(Bench& bench) {
  Listener listener{bench};
  const auto id = listener.send("negative");
  const auto held = bench.receive(listener.device, id);
  if (bench.mqtt()) {
    expect_error(ErrorKind::not_supported, "reject over MQTT",
                 [&] { listener.device.reject(held); });
    listener.device.complete(held);
    listener.expect_depth(0);
    return;
  }
  listener.device.reject(held);
  listener.expect_record(id, "Rejected");
}

void delivery_count_exceeded(Bench& bench) {
  Listener listener{bench};
  const auto id = listener.send("full");
  if (bench.mqtt()) {
    const auto held = bench.receive(listener.device, id);
    expect_error(ErrorKind::not_supported, "abandon over MQTT",
                 [&] { listener.device.abandon(held); });
    listener.device.complete(held);
    listener.expect_record(id, "Success");
    return;
  }
  const auto last = listener.send("full");
  unsigned deliveries = 0;
  for (;;) {
    const auto message = bench.receive(listener.device);
    if (message.message_id == last) {
      listener.device.complete(message);
      break;
    }
    expect_equal(message.message_id.value_or(""), id, "the id of the message received");
    expect(++deliveries <= kDeliveryCountMax, "an end to the deliveries");
    listener.device.abandon(message);
  }
  expect(deliveries > 1, "more than one delivery");
  listener.expect_record(id, "DeliveryCountExceeded");
  listener.expect_record(last, "Success");
}

void purged(Bench& bench) {
  Listener listener{bench};
  listener.device.close();
  const auto id = listener.send("full");
  expect_equal(std::to_string(bench.registry().purge(listener.identity.device_id)), "1",
               "messages purged");
  listener.expect_record(id, "Purged");
}

}  // namespace

std::vector<Scenario> feedback_scenarios() {
  return {{"feedback: Success, and an abandoned batch comes again", success},
          {"feedback: none that was not asked for", not_asked_for},
          {"feedback: Expired", expired},
          {"feedback: Rejected", rejected},
          {"feedback: DeliveryCountExceeded", delivery_count_exceeded},
          {"feedback: Purged", purged}};
}

}  // namespace scenarios
