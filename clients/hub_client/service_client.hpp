#pragma once
// The back end's messages: sends to devices, receives the feedback about them.
//
// Not safe for concurrent use; no threads inside. Makes one connection when first used and a new
// one before its token expires, or when it lay idle. A failed call is not repeated, since a message
// could be sent twice; the next call connects again. From outside only ClientOptions::cancelled
// ends a call. Destroying it says goodbye for at most a second. Throws Error.
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/transport.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace iothub {

class ServiceClient {
 public:
  using TransportFactory = std::function<std::unique_ptr<ServiceTransport>(const ClientOptions&)>;

  // Tests give a factory of their own.
  explicit ServiceClient(ClientOptions options, TransportFactory factory = make_service_transport);
  ~ServiceClient();

  ServiceClient(const ServiceClient&) = delete;
  ServiceClient& operator=(const ServiceClient&) = delete;

  // Returns when the hub has stored the message; its `to` is the device, whatever it says. Errors:
  // not_found, queue_full, message_too_large...
  void send(const std::string& device_id, const Message& message);

  // Opens the feedback link before anything is sent, as the tutorial does.
  void open_feedback();

  // The next batch, nullopt when none came in time or the wait was cancelled. Held until settled.
  std::optional<FeedbackBatch> receive_feedback(Duration timeout);
  void complete(const FeedbackBatch& batch) { settle(batch, Disposition::complete); }
  void abandon(const FeedbackBatch& batch) { settle(batch, Disposition::abandon); }

  void close() noexcept;

 private:
  ServiceTransport& connected();
  void settle(const FeedbackBatch& batch, Disposition disposition);
  template <class Call>
  auto guard(Call call);

  ClientOptions options_;
  TransportFactory factory_;
  std::unique_ptr<ServiceTransport> transport_;
  std::chrono::steady_clock::time_point last_used_{};
  TimePoint renew_at_ = TimePoint::max();
  std::size_t held_ = 0;
  std::uint64_t connections_ = 0;
};

}  // namespace iothub
