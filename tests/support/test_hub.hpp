#pragma once
// A hub for tests: seeded ids, a clock that only the test moves, a log that can be read.
#include "emulator/core/hub/hub.hpp"
#include "tests/support/capturing_log.hpp"
#include "tests/support/print_result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace test {

using namespace std::chrono_literals;

inline constexpr std::string_view well_known_key = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";
inline constexpr std::string_view device_key = "ZGV2aWNlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";
inline constexpr std::string_view module_key = "bW9kdWxlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";

struct TestHub {
  explicit TestHub(
      hub::Settings settings = {}, bool durable = false,
      std::vector<hub::SharedAccessPolicy> policies = hub::default_policies(well_known_key))
      : hub({"localhost", std::move(policies), settings, {}}, ids, log, now, durable) {}

  hub::DeviceView create(std::string id) {
    hub::DeviceSpec spec;
    spec.id = {std::move(id)};
    spec.primary_key = device_key;
    return *hub.registry().create(spec, now);
  }
  hub::DeviceView create_module(std::string device, std::string module,
                                std::string_view key = module_key) {
    hub::DeviceSpec spec;
    spec.id = {std::move(device), std::move(module)};
    spec.primary_key = key;
    return *hub.registry().create(spec, now);
  }
  hub::Result<hub::SequenceNumber> send(std::string device, std::string body = "x",
                                        hub::Ack ack = hub::Ack::full,
                                        std::optional<hub::TimePoint> expiry = {}) {
    hub::SendRequest request;
    request.device = {std::move(device)};
    request.ack = ack;
    request.content.message_id = hub::MessageId::of("id-" + body);
    request.content.body = std::move(body);
    request.content.absolute_expiry = expiry;
    return hub.c2d().send(std::move(request), now);
  }
  hub::Result<void> telemetry(const hub::DeviceId& device, std::string body = "x") {
    const auto origin = hub.events().origin_of(device, "{}", "", now);
    if (!origin) return origin.error();
    const auto message = std::make_shared<hub::TelemetryMessage>();
    message->content.body = std::move(body);
    message->origin = *origin;
    return hub.events().send(message, now);
  }
  hub::Receiver amqp(std::string device) {
    return *hub.c2d().open_devicebound(
        {std::move(device)}, hub::Transport::amqp, [this] { ++wakes; }, 0, now);
  }
  std::optional<hub::Delivery> get(std::string device, hub::Duration lock = 60s) {
    return *hub.c2d().receive_once({{std::move(device)}}, lock, now);
  }
  std::size_t depth(std::string device) {
    return hub.registry().get({std::move(device)}, now)->c2d_message_count;
  }
  void advance(hub::Duration by) { hub.monitor().on_time(now += by); }
  // Everything in the feedback queue, received and completed: one JSON array per batch.
  std::vector<std::string> feedback() {
    std::vector<std::string> out;
    while (auto batch = *hub.c2d().receive_once(hub::QueueId::feedback(), 60s, now)) {
      out.push_back(batch->message->content.body);
      (void)hub.c2d().complete(hub::QueueId::feedback(), batch->lock_token, now);
    }
    return out;
  }

  hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);
  hub::SeededIdSource ids{42};
  CapturingLog log;
  int wakes = 0;
  hub::Hub hub;
};

// How often `needle` stands in `text`.
inline std::size_t count(std::string_view text, std::string_view needle) {
  std::size_t n = 0;
  for (auto at = text.find(needle); at != text.npos; at = text.find(needle, at + 1)) ++n;
  return n;
}

}  // namespace test
