#include "tests/e2e/scenarios/scenario.hpp"

namespace scenarios {

Listener::Listener(Bench& of)
    : bench(of), identity(of.make_device()), device(of.options(identity)) {
  device.open(true);
}

std::string Listener::send(const std::string& ack) {
  const auto id = bench.new_message_id();
  bench.back_end().send(identity.device_id, message_of(id, "body of " + id, ack));
  return id;
}

void Listener::expect_record(const std::string& message_id, const std::string& status) {
  const auto record = bench.back_end().record(message_id);
  expect_equal(record.status_code, status, "status");
  expect_equal(record.device_id, identity.device_id, "device id");
  expect_equal(record.device_generation_id, identity.generation_id, "generation id");
  expect(!record.description.empty(), "a description");
  expect(iothub::parse_time(record.enqueued_time_utc).has_value(),
         "a time: " + record.enqueued_time_utc);
}

void Listener::expect_depth(std::uint64_t depth) {
  bench.expect_depth(device, identity.device_id, depth);
}

}  // namespace scenarios
