#include "tests/e2e/scenarios/bench.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>

namespace scenarios {
namespace {

namespace asio = boost::asio;

// What a limit of the scenarios is against a hub on this machine, and against Azure, where feedback
// alone waits for up to 15 s.
constexpr Duration kEmulatorLimit{10'000};
constexpr Duration kRealLimit{60'000};

// Between two looks at something that cannot be waited for.
constexpr Duration kLookAgain{20};
constexpr Duration kLookAgainReal{1'000};

iothub::ClientOptions base_options(const Target& target) {
  iothub::ClientOptions options;
  options.connection = target.connection;
  options.ports = target.ports;
  options.tls.ca_file = target.ca_file;
  return options;
}

std::string hex(std::uint64_t number) {
  char text[17] = {};
  const auto end = std::to_chars(text, text + 16, number, 16).ptr;
  return {text, end};
}

// GET /metrics of the control API: plain HTTP/1.0, one answer, then the connection ends.
std::string metrics(std::uint16_t port) {
  asio::io_context ioc;
  asio::ip::tcp::socket socket{ioc};
  socket.connect({asio::ip::address_v4::loopback(), port});
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  asio::write(socket, asio::buffer(request));
  std::string answer;
  boost::system::error_code end_of_file;
  asio::read(socket, asio::dynamic_buffer(answer), end_of_file);
  return answer;
}

}  // namespace

void expect(bool condition, const std::string& what) {
  if (!condition) throw Failure{"expected: " + what};
}

void expect_equal(const std::string& value, const std::string& expected, const std::string& what) {
  if (value == expected) return;
  const auto shown = [](const std::string& text) {
    return text.size() > 80 ? std::to_string(text.size()) + " bytes" : "'" + text + "'";
  };
  throw Failure{what + " is " + shown(value) + ", expected " + shown(expected)};
}

iothub::Error expect_error(ErrorKind kind, const std::string& what,
                           const std::function<void()>& call) {
  try {
    call();
  } catch (const iothub::Error& error) {
    if (error.kind() == kind) return error;
    throw Failure{what + " was refused as " + std::string{to_string(error.kind())} + ", expected " +
                  std::string{to_string(kind)} + ": " + error.what()};
  }
  throw Failure{what + " was accepted, expected " + std::string{to_string(kind)}};
}

BackEnd::BackEnd(iothub::ClientOptions options, Duration limit)
    : client_(std::move(options)), limit_(limit) {
  client_.open_feedback();
}

void BackEnd::send(const std::string& device_id, const iothub::Message& message) {
  const iothub::Deadline deadline{limit_};
  for (;;) {
    try {
      return client_.send(device_id, message);
    } catch (const iothub::Error& error) {
      if (error.kind() != ErrorKind::throttled || deadline.passed()) throw;
    }
    receive_feedback();  // a second's rest
  }
}

iothub::FeedbackRecord BackEnd::record(const std::string& message_id) {
  const iothub::Deadline deadline{limit_};
  for (;;) {
    const auto found = std::find_if(records_.begin(), records_.end(), [&](const auto& record) {
      return record.original_message_id == message_id;
    });
    if (found != records_.end()) {
      auto record = *found;
      records_.erase(found);
      return record;
    }
    expect(!deadline.passed(), "feedback about message " + message_id);
    receive_feedback();
  }
}

std::size_t BackEnd::records_waiting(const std::string& message_id) const {
  return static_cast<std::size_t>(
      std::count_if(records_.begin(), records_.end(),
                    [&](const auto& record) { return record.original_message_id == message_id; }));
}

void BackEnd::receive_feedback() {
  const auto batch = client_.receive_feedback(Duration{1'000});
  if (!batch) return;
  if (std::exchange(abandon_next_, false)) return client_.abandon(*batch);
  client_.complete(*batch);
  records_.insert(records_.end(), batch->records.begin(), batch->records.end());
}

Bench::Bench(const Target& target, TransportKind transport)
    : target_(target),
      transport_(transport),
      random_(std::random_device{}()),
      registry_(base_options(target)) {}

Bench::~Bench() {
  for (const auto& device : devices_) {
    try {
      registry_.remove(device);
    } catch (const iothub::Error& error) {
      if (error.kind() != ErrorKind::not_found) {
        std::cerr << "# device " << device << " was not deleted: " << error.line() << '\n';
      }
    }
  }
}

Duration Bench::limit() const {
  const auto base = target_.emulator() ? kEmulatorLimit : kRealLimit;
  return std::chrono::duration_cast<Duration>(base * target_.patience);
}

iothub::DeviceIdentity Bench::make_device() {
  iothub::DeviceSpec spec;
  spec.device_id = "scenario-" + hex(random_());
  auto identity = registry_.create(spec);
  devices_.push_back(spec.device_id);
  return identity;
}

iothub::ClientOptions Bench::options(const iothub::DeviceIdentity& device) const {
  auto options = base_options(target_);
  options.connection = iothub::ConnectionString::parse_device(iothub::make_device_connection_string(
      target_.connection, device.device_id, device.primary_key));
  options.transport = transport_;
  if (target_.emulator()) options.retry = {.first = Duration{1}, .longest = Duration{50}};
  return options;
}

iothub::ClientOptions Bench::service_options() const {
  auto options = base_options(target_);
  const bool port_443 = transport_ != TransportKind::mqtt && transport_ != TransportKind::amqp;
  options.transport = port_443 ? TransportKind::amqp_ws : TransportKind::amqp;
  return options;
}

BackEnd& Bench::back_end() {
  if (!back_end_) back_end_ = std::make_unique<BackEnd>(service_options(), limit());
  return *back_end_;
}

std::string Bench::new_message_id() { return "m-" + hex(random_()); }

iothub::ReceivedMessage Bench::receive(iothub::DeviceClient& device) {
  auto message = device.receive(limit());
  expect(message.has_value(), "a message within " + std::to_string(limit().count()) + " ms");
  return std::move(*message);
}

iothub::ReceivedMessage Bench::receive(iothub::DeviceClient& device,
                                       const std::string& message_id) {
  auto message = receive(device);
  expect_equal(message.message_id.value_or(""), message_id, "the id of the message received");
  return message;
}

void Bench::expect_depth(iothub::DeviceClient& device, const std::string& device_id,
                         std::uint64_t depth) {
  const iothub::Deadline deadline{limit()};
  for (;;) {
    const auto found = registry_.get(device_id).cloud_to_device_message_count;
    if (found == depth) return;
    expect(!deadline.passed(),
           std::to_string(depth) + " messages in the queue, not " + std::to_string(found));
    device.wait(target_.emulator() ? kLookAgain : kLookAgainReal);
  }
}

std::optional<std::uint64_t> Bench::telemetry_accepted() const {
  if (!target_.emulator()) return std::nullopt;
  const auto text = metrics(*target_.control_port);
  const std::string name = "\nd2c_telemetry_ingress_success ";
  const auto at = text.find(name);
  expect(at != std::string::npos, "d2c_telemetry_ingress_success in /metrics");
  std::uint64_t value = 0;
  std::from_chars(text.data() + at + name.size(), text.data() + text.size(), value);
  return value;
}

iothub::Message message_of(const std::string& message_id, std::string body,
                           const std::string& ack) {
  iothub::Message message;
  message.message_id = message_id;
  message.body = std::move(body);
  message.ack = ack;
  return message;
}

}  // namespace scenarios
