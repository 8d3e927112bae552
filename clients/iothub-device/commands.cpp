#include "clients/iothub-device/commands.hpp"

#include "clients/cli/run_tool.hpp"
#include "clients/hub_client/error.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

namespace iothub::cli {
namespace {

// A wait without a limit of its own: Ctrl-C ends it.
constexpr Duration kLong = std::chrono::hours{1};

ClientOptions options_of(const DeviceOptions& options) {
  if (options.certificate_file.empty() != options.private_key_file.empty()) {
    throw UsageError{"--cert and --key belong together"};
  }
  auto out = client_options(options.common, connection_string(options.common, kDeviceVariable,
                                                              ConnectionString::parse_device));
  out.tls.certificate_file = options.certificate_file;
  out.tls.private_key_file = options.private_key_file;
  out.poll_interval = options.poll_interval;
  return out;
}

// The device of one command, with its connection reported on stdout.
class Device {
 public:
  explicit Device(const DeviceOptions& options)
      : options_(options_of(options)), out_(options.common.json()), client_(options_) {
    if (!client_.can(options.disposition)) {
      throw UsageError{"--" + std::string{to_string(options.disposition)} +
                       " is not possible over " + std::string{to_string(options_.transport)} +
                       ": MQTT can only complete a message; use --transport amqp or https"};
    }
    client_.on_connection([this](ConnectionEvent event, std::string_view cause) {
      switch (event) {
        case ConnectionEvent::connected:
          out_.connected(options_.connection.device_id, options_.connection.host_name,
                         to_string(options_.transport), connected_before_);
          connected_before_ = true;
          return;
        case ConnectionEvent::lost:
          out_.connection_lost(cause);
          return;
        case ConnectionEvent::renewing:
          return;  // the "connected ... again" that follows says it
      }
    });
  }

  DeviceClient& client() { return client_; }
  Output& out() { return out_; }

  // Telemetry waits for the connection as long as the retry policy says; false at Ctrl-C.
  bool send(const std::vector<Message>& messages) {
    while (!client_.ensure_connected(kLong)) {
      if (stop_requested()) return false;
    }
    try {
      client_.send_events(messages);
    } catch (const Error&) {
      if (stop_requested()) return false;
      throw;
    }
    for (const auto& message : messages) out_.telemetry_sent(message);
    return true;
  }

  // Prints, waits `delay`, settles. A lock lost meanwhile is reported and no reason to stop.
  bool handle(const ReceivedMessage& message, Disposition disposition, Duration delay) {
    out_.received(message);
    const Deadline deadline{delay};
    while (!deadline.passed() && !stop_requested()) client_.wait(deadline.remaining());
    // Stopped by Ctrl-C in between: not settled, so the message comes again.
    if (!deadline.passed()) return false;
    try {
      client_.settle(message, disposition);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::lock_lost && error.kind() != ErrorKind::connection_lost &&
          error.kind() != ErrorKind::cancelled) {
        throw;
      }
      out_.settle_failed(message, error.what());
      return false;
    }
    out_.settled(message, disposition);
    return true;
  }

 private:
  ClientOptions options_;
  Output out_;
  bool connected_before_ = false;
  DeviceClient client_;
};

// The tutorial's readings.
std::string reading(std::uint64_t number) {
  static std::mt19937 engine{std::random_device{}()};
  std::uniform_real_distribution<double> spread{0, 15};
  char text[128];
  std::snprintf(text, sizeof text, R"({"messageNumber":%llu,"temperature":%.2f,"humidity":%.2f})",
                static_cast<unsigned long long>(number), 20 + spread(engine), 60 + spread(engine));
  return text;
}

Message telemetry_message(const DeviceOptions& options, std::uint64_t number) {
  auto message = options.message;
  message.body = options.body.empty() ? reading(number) : options.body;
  if (options.body.empty()) {
    if (!message.content_type) message.content_type = "application/json";
    if (!message.content_encoding) message.content_encoding = "utf-8";
  }
  if (options.created_now) message.created_at = now();
  if (message.message_id && options.count != 1) *message.message_id += "-" + std::to_string(number);
  return message;
}

}  // namespace

int receive(const DeviceOptions& options) {
  Device device{options};
  stop_on_signals();
  device.client().open(true);
  std::uint64_t handled = 0;
  std::uint64_t came = 0;
  // The timeout is of silence: each message begins it anew.
  std::optional<Deadline> deadline;
  if (options.timeout) deadline.emplace(*options.timeout);
  while (!stop_requested() && (!options.count || handled < *options.count)) {
    if (const auto message = device.client().receive(deadline ? deadline->remaining() : kLong)) {
      ++came;
      handled += device.handle(*message, options.disposition, options.delay) ? 1 : 0;
      if (options.timeout) deadline.emplace(*options.timeout);
    } else if (deadline && deadline->passed()) {
      const bool enough = came > 0 && !options.count;
      return enough ? exit_done : exit_nothing_came;
    }
  }
  return exit_done;
}

int telemetry(const DeviceOptions& options) {
  Device device{options};
  stop_on_signals();
  device.client().open(false);
  for (std::uint64_t sent = 0; !stop_requested();) {
    const Deadline next{options.interval};
    const auto left = options.count.value_or(UINT64_MAX) - sent;
    std::vector<Message> messages;
    while (messages.size() < std::min(options.batch, left)) {
      messages.push_back(telemetry_message(options, sent + messages.size() + 1));
    }
    if (!device.send(messages)) break;
    sent += messages.size();
    if (options.count) show_progress("sent", sent, *options.count);
    if (sent == options.count.value_or(0)) break;
    while (!next.passed() && !stop_requested()) device.client().wait(next.remaining());
  }
  return exit_done;
}

int run_device(const DeviceOptions& options) {
  Device device{options};
  stop_on_signals();
  device.client().open(true);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::optional<Deadline> deadline;
  if (options.timeout) deadline.emplace(*options.timeout);
  while (!stop_requested() && (!options.count || received < *options.count)) {
    const Deadline next{options.interval};
    if (!device.send({telemetry_message(options, sent + 1)})) break;
    ++sent;
    while (!stop_requested() && !next.passed() && (!options.count || received < *options.count)) {
      if (const auto incoming = device.client().receive(next.remaining())) {
        received += device.handle(*incoming, options.disposition, options.delay) ? 1 : 0;
      }
    }
    if (deadline && deadline->passed() && !stop_requested() &&
        (!options.count || received < *options.count)) {
      return received > 0 && !options.count ? exit_done : exit_nothing_came;
    }
  }
  device.client().close();
  device.out().stopped(sent, received);
  return exit_done;
}

}  // namespace iothub::cli
