#include "clients/hub_client/service_client.hpp"

#include "clients/hub_client/error.hpp"
#include "clients/hub_client/sas_token.hpp"

#include <utility>

namespace iothub {
namespace {

// A delivery number names its connection in the upper half, as in DeviceClient.
constexpr unsigned kConnectionShift = 32;
constexpr std::uint64_t kDeliveryMask = 0xFFFF'FFFF;

}  // namespace

// After an error that may have ended a link or the connection, the next call starts afresh.
template <class Call>
auto ServiceClient::guard(Call call) {
  try {
    return call(connected());
  } catch (const Error& error) {
    if (is_transient(error.kind()) || error.kind() == ErrorKind::unauthorized ||
        error.kind() == ErrorKind::protocol_error || error.kind() == ErrorKind::cancelled) {
      close();
    }
    throw;
  }
}

ServiceClient::ServiceClient(ClientOptions options, TransportFactory factory)
    : options_(std::move(options)), factory_(std::move(factory)) {}

ServiceClient::~ServiceClient() { close(); }

void ServiceClient::send(const std::string& device_id, const Message& message) {
  guard([&](ServiceTransport& transport) {
    transport.send(device_id, message, options_.operation_timeout);
  });
}

void ServiceClient::open_feedback() {
  guard([&](ServiceTransport& transport) { transport.open_feedback(options_.operation_timeout); });
}

std::optional<FeedbackBatch> ServiceClient::receive_feedback(Duration timeout) {
  return guard([&](ServiceTransport& transport) -> std::optional<FeedbackBatch> {
    transport.open_feedback(options_.operation_timeout);
    try {
      auto batch = transport.receive_feedback(timeout);
      if (batch) {
        ++held_;
        batch->delivery |= connections_ << kConnectionShift;
      }
      return batch;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) return std::nullopt;
      throw;
    }
  });
}

void ServiceClient::settle(const FeedbackBatch& batch, Disposition disposition) {
  if (!transport_ || batch.delivery >> kConnectionShift != connections_) {
    throw Error{ErrorKind::lock_lost, "the connection that held it has ended"};
  }
  auto own = batch;
  own.delivery &= kDeliveryMask;
  guard([&](ServiceTransport& transport) {
    transport.settle(own, disposition, options_.operation_timeout);
  });
  if (held_ > 0) --held_;
}

void ServiceClient::close() noexcept {
  if (transport_) transport_->close();
  transport_.reset();
  held_ = 0;
}

ServiceTransport& ServiceClient::connected() {
  const auto used = std::exchange(last_used_, std::chrono::steady_clock::now());
  const bool idle = last_used_ - used > options_.idle_max;
  // A batch in hand is held by this very connection.
  if (transport_ && held_ == 0 && (idle || now() >= renew_at_)) close();
  if (transport_) return *transport_;
  auto transport = factory_(options_);
  const auto at = now();
  const auto token = make_sas_token(options_.connection, at, options_.token_ttl);
  transport->open(token.text, options_.connect_timeout);
  renew_at_ = options_.connection.shared_access_signature.empty() ? renewal_time(token, at)
                                                                  : TimePoint::max();
  transport_ = std::move(transport);
  ++connections_;
  return *transport_;
}

}  // namespace iothub
