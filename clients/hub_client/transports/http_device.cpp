// A device over the hub's HTTP protocol: it polls, since the hub cannot push.
//   GET    /devices/{d}/messages/devicebound                    200 one message, 204 none
//   DELETE .../{lock token}   [?reject]   POST .../{lock token}/abandon      204, 412 lock lost
//   POST   /devices/{d}/messages/events                         204, one message or a batch
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/transports/factories.hpp"
#include "clients/hub_client/transports/http.hpp"
#include "clients/hub_client/transports/http_telemetry.hpp"

#include <algorithm>
#include <charconv>

namespace iothub {
namespace {

constexpr std::string_view kApiVersion = "?api-version=2021-04-12";
constexpr std::string_view kAppPrefix = "iothub-app-";

std::optional<std::string> given(std::string value) {
  if (value.empty()) return std::nullopt;
  return value;
}

template <class Number>
std::optional<Number> number(const std::string& text) {
  Number value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc{}) return std::nullopt;
  return value;
}

class HttpDevice : public DeviceTransport {
 public:
  explicit HttpDevice(const ClientOptions& options)
      : device_(options.connection.device_id),
        path_("/devices/" + percent_encode(device_) + "/messages/"),
        options_(options),
        connection_(options, options.endpoint(TransportKind::https)) {}

  void open(const std::string& password, bool receiving, Duration timeout) override {
    password_ = password;
    // There is no login; the first poll shows a bad key at once. Not when only sending: a poll
    // would lock a message that nobody is going to settle.
    if (receiving) {
      polled_ = poll(timeout);
    } else {
      connection_.connect(timeout);
    }
  }

  // Every request carries the token, so the next one carries the new one.
  bool renew(const std::string& password) override {
    password_ = password;
    return true;
  }

  void send_event(const Message& message, const SendAttempt&, Duration timeout) override {
    send({"POST", path_ + "events" + std::string{kApiVersion}, telemetry_headers(message),
          message.body},
         timeout, "send telemetry of " + device_);
  }

  bool can_batch() const override { return true; }

  void send_batch(std::span<const Message> messages, Duration timeout) override {
    send({"POST",
          path_ + "events" + std::string{kApiVersion},
          {{"Content-Type", "application/vnd.microsoft.iothub.json"}},
          to_http_batch(messages)},
         timeout, "send a batch of telemetry of " + device_);
  }

  std::optional<ReceivedMessage> receive(Duration timeout) override {
    const Deadline deadline{timeout};
    for (;;) {
      if (polled_) return std::exchange(polled_, std::nullopt);
      const auto wait = std::chrono::ceil<Duration>(next_poll_ - std::chrono::steady_clock::now());
      if (wait >= deadline.remaining()) {
        pause(deadline.remaining(), options_.cancelled);
        return std::nullopt;
      }
      if (wait > Duration::zero()) pause(wait, options_.cancelled);
      polled_ = poll(std::max(deadline.remaining(), Duration{10'000}));
    }
  }

  void settle(const ReceivedMessage& message, Disposition disposition, Duration timeout) override {
    HttpRequest request{
        "DELETE", path_ + "devicebound/" + percent_encode(message.lock_token), {}, {}};
    if (disposition == Disposition::abandon) {
      request.method = "POST";
      request.target += "/abandon";
    } else {
      request.headers.emplace_back("If-Match", "\"" + message.lock_token + "\"");
    }
    request.target += kApiVersion;
    if (disposition == Disposition::reject) request.target += "&reject";
    send(std::move(request), timeout,
         std::string{to_string(disposition)} + " a message of " + device_);
  }

  bool can(Disposition) const override { return true; }

  void keep_alive(Duration duration) override { pause(duration, options_.cancelled); }

  void close() noexcept override { connection_.close(); }

 private:
  HttpResponse send(HttpRequest request, Duration timeout, const std::string& doing) {
    if (!password_.empty()) request.headers.emplace_back("Authorization", password_);
    auto response = connection_.send(request, timeout);
    if (response.status < 200 || response.status > 299) {
      throw error_from_http(response.status, response.header("iothub-errorcode"), response.body,
                            doing);
    }
    return response;
  }

  std::optional<ReceivedMessage> poll(Duration timeout) {
    const auto response = send({"GET", path_ + "devicebound" + std::string{kApiVersion}, {}, {}},
                               timeout, "receive as " + device_);
    // An empty queue is asked again after a while; a full one is emptied without waiting.
    next_poll_ = std::chrono::steady_clock::now() +
                 (response.status == 204 ? options_.poll_interval : Duration::zero());
    if (response.status == 204) return std::nullopt;
    ReceivedMessage message;
    message.delivery = ++deliveries_;
    message.lock_token = response.header("ETag");
    std::erase(message.lock_token, '"');
    message.body = response.body;
    message.message_id = given(response.header("iothub-messageid"));
    message.correlation_id = given(response.header("iothub-correlationid"));
    message.user_id = given(response.header("iothub-userid"));
    message.to = given(response.header("iothub-to"));
    message.ack = given(response.header("iothub-ack"));
    message.content_type = given(response.header("ContentType"));
    message.content_encoding = given(response.header("ContentEncoding"));
    message.expires_at = parse_time(response.header("iothub-expiry"));
    message.created_at = parse_time(response.header("iothub-app-iothub-creation-time-utc"));
    message.enqueued_time = given(response.header("iothub-enqueuedtime"));
    message.sequence_number = number<std::uint64_t>(response.header("iothub-sequencenumber"));
    message.delivery_count = number<unsigned>(response.header("iothub-deliverycount"));
    for (const auto& [name, value] : response.headers) {
      if (name.size() <= kAppPrefix.size() ||
          !equal_ignoring_case(std::string_view{name}.substr(0, kAppPrefix.size()), kAppPrefix)) {
        continue;
      }
      const auto property = name.substr(kAppPrefix.size());
      if (message.created_at && equal_ignoring_case(property, "iothub-creation-time-utc")) continue;
      message.properties.emplace_back(property, value);
    }
    return message;
  }

  std::string device_, path_, password_;
  ClientOptions options_;
  HttpConnection connection_;
  std::optional<ReceivedMessage> polled_;
  std::chrono::steady_clock::time_point next_poll_{};
  std::uint64_t deliveries_ = 0;
};

}  // namespace

std::unique_ptr<DeviceTransport> make_http_device(const ClientOptions& options) {
  return std::make_unique<HttpDevice>(options);
}

}  // namespace iothub
