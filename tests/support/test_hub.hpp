#pragma once
// A hub for tests: seeded ids, a clock that only the test moves, a log that can be read.
#include "emulator/core/hub.hpp"
#include "tests/support/print_result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace test {

using namespace std::chrono_literals;

inline constexpr std::string_view well_known_key = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";
inline constexpr std::string_view device_key = "ZGV2aWNlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";
inline constexpr std::string_view module_key = "bW9kdWxlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";

class CapturingLog : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel level, std::string_view event,
             std::initializer_list<hub::LogField> fields) override {
    std::string line(event);
    for (const auto& [key, value] : fields) line.append(" ").append(key).append("=").append(value);
    lines.push_back(std::move(line));
    levels.push_back(level);
  }
  bool contains(std::string_view text) const {
    for (const auto& line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> lines;
  std::vector<hub::LogLevel> levels;  // of the lines
};

struct TestHub {
  explicit TestHub(
      hub::Settings settings = {}, bool durable = false,
      std::vector<hub::SharedAccessPolicy> policies = hub::default_policies(well_known_key))
      : hub({"localhost", std::move(policies), settings, {}}, ids, log, now, durable) {}

  hub::DeviceView create(std::string id) {
    hub::DeviceSpec spec;
    spec.id = {std::move(id)};
    spec.primary_key = device_key;
    return *hub.create_device(spec, now);
  }
  hub::DeviceView create_module(std::string device, std::string module,
                                std::string_view key = module_key) {
    hub::DeviceSpec spec;
    spec.id = {std::move(device), std::move(module)};
    spec.primary_key = key;
    return *hub.create_device(spec, now);
  }
  hub::Result<hub::SequenceNumber> send(std::string device, std::string body = "x",
                                        hub::Ack ack = hub::Ack::full,
                                        std::optional<hub::TimePoint> expiry = {}) {
    hub::Hub::SendRequest request;
    request.device = {std::move(device)};
    request.ack = ack;
    request.content.message_id = hub::MessageId::of("id-" + body);
    request.content.body = std::move(body);
    request.content.absolute_expiry = expiry;
    return hub.send(std::move(request), now);
  }
  hub::Result<void> telemetry(const hub::DeviceId& device, std::string body = "x") {
    const auto origin = hub.telemetry_origin(device, "{}", "", now);
    if (!origin) return origin.error();
    const auto message = std::make_shared<hub::TelemetryMessage>();
    message->content.body = std::move(body);
    message->origin = *origin;
    return hub.send_telemetry(message, now);
  }
  hub::Receiver amqp(std::string device) {
    return *hub.open_devicebound(
        {std::move(device)}, hub::Transport::amqp, [this] { ++wakes; }, 0, now);
  }
  std::optional<hub::Delivery> get(std::string device, hub::Duration lock = 60s) {
    return *hub.receive_once({{std::move(device)}}, lock, now);
  }
  std::size_t depth(std::string device) {
    return hub.get_device({std::move(device)}, now)->c2d_message_count;
  }
  void advance(hub::Duration by) { hub.on_time(now += by); }
  // Everything in the feedback queue, received and completed: one JSON array per batch.
  std::vector<std::string> feedback() {
    std::vector<std::string> out;
    while (auto batch = *hub.receive_once({}, 60s, now)) {
      out.push_back(batch->message->content.body);
      (void)hub.complete(hub::QueueId{}, batch->lock_token, now);
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
