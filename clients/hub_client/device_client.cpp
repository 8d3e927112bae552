#include "clients/hub_client/device_client.hpp"

#include <algorithm>
#include <random>

namespace iothub {
namespace {

// A delivery number names its connection in the upper half, so that a message held over a
// reconnection is not mistaken for a new one of the same number.
constexpr unsigned kConnectionShift = 32;
constexpr std::uint64_t kDeliveryMask = 0xFFFF'FFFF;

// A connection that lived this long was a good one.
constexpr auto kStable = std::chrono::seconds{10};

std::uint32_t random_number() {
  thread_local std::mt19937 engine{std::random_device{}()};
  return static_cast<std::uint32_t>(engine());
}

bool ends_connection(const Error& error) {
  return error.kind() == ErrorKind::connection_lost || error.kind() == ErrorKind::unreachable ||
         error.kind() == ErrorKind::timeout;
}

bool is_cancellation(const Error& error) { return error.kind() == ErrorKind::cancelled; }

}  // namespace

DeviceClient::DeviceClient(ClientOptions options, TransportFactory factory)
    : options_(std::move(options)),
      factory_(std::move(factory)),
      transport_(factory_(options_)),
      backoff_(options_.retry) {}

DeviceClient::~DeviceClient() { close(); }

void DeviceClient::open(bool receiving) {
  receiving_ = receiving;
  connect();
}

void DeviceClient::send_events(std::span<const Message> messages) {
  const Deadline deadline{options_.operation_timeout};
  if (messages.size() > 1 && can_batch()) return send(messages, deadline);
  for (const auto& message : messages) send({&message, 1}, deadline);
}

// A batch, or one message.
void DeviceClient::send(std::span<const Message> messages, const Deadline& deadline) {
  SendAttempt attempt{.number = sends_++};
  std::optional<Error> lost;
  for (;;) {
    if (!ready(deadline)) {
      // A hub that closes on this very message, say, is the better explanation.
      if (lost) throw *lost;
      throw Error{ErrorKind::timeout, "send telemetry: no connection in time"};
    }
    try {
      if (messages.size() == 1) {
        transport_->send_event(messages.front(), attempt, deadline.remaining());
      } else {
        transport_->send_batch(messages, deadline.remaining());
      }
      return;
    } catch (const Error& error) {
      // Its answer may still come, and must not be taken for that of another message.
      if (is_cancellation(error)) drop();
      if (!ends_connection(error)) throw;
      lost = error;
      attempt.again = true;
      lose(error);
    }
  }
}

std::optional<ReceivedMessage> DeviceClient::receive(Duration timeout) {
  const Deadline deadline{timeout};
  for (;;) {
    try {
      if (!ready(deadline)) return std::nullopt;
      const auto left = deadline.remaining();
      const auto wait = until_renewal(left);
      auto message = transport_->receive(wait);
      if (!message && wait < left) continue;
      if (message) {
        ++held_;
        message->delivery |= connections_ << kConnectionShift;
      }
      return message;
    } catch (const Error& error) {
      if (is_cancellation(error)) return std::nullopt;
      if (!connected_ || !ends_connection(error)) throw;
      lose(error);
    }
  }
}

void DeviceClient::settle(const ReceivedMessage& message, Disposition disposition) {
  // Over HTTPS the lock token alone counts, and outlives the connection.
  const bool bound = options_.transport != TransportKind::https;
  if (bound && (!connected_ || message.delivery >> kConnectionShift != connections_)) {
    throw Error{ErrorKind::lock_lost, "the connection that held this message has ended"};
  }
  if (!bound && !ready(Deadline{options_.operation_timeout})) {
    throw Error{ErrorKind::timeout, "settle a message: no connection in time"};
  }
  auto own = message;
  own.delivery &= kDeliveryMask;
  try {
    transport_->settle(own, disposition, options_.operation_timeout);
  } catch (const Error& error) {
    if (is_cancellation(error)) drop();
    if (error.kind() == ErrorKind::lock_lost) release();
    if (ends_connection(error)) lose(error);
    throw;
  }
  release();
}

void DeviceClient::release() {
  if (held_ > 0) --held_;
}

bool DeviceClient::can_batch() const { return transport_->can_batch(); }

bool DeviceClient::can(Disposition disposition) const { return transport_->can(disposition); }

void DeviceClient::wait(Duration duration) {
  const Deadline deadline{duration};
  while (!deadline.passed()) {
    try {
      if (!ready(deadline)) return;
      transport_->keep_alive(until_renewal(deadline.remaining()));
    } catch (const Error& error) {
      if (is_cancellation(error)) return;
      if (!connected_ || !ends_connection(error)) throw;
      lose(error);
    }
  }
}

void DeviceClient::close() noexcept {
  transport_->close();
  connected_ = false;
}

void DeviceClient::connect() {
  std::string password;
  renew_at_ = TimePoint::max();
  if (!options_.uses_certificate()) {
    const auto at = now();
    const auto token = make_sas_token(options_.connection, at, options_.token_ttl);
    // A ready-made token cannot be renewed: it is used until the hub refuses it.
    if (options_.connection.shared_access_signature.empty()) renew_at_ = renewal_time(token, at);
    password = token.text;
  }
  transport_->open(password, receiving_, options_.connect_timeout);
  connected_ = true;
  ++connections_;
  held_ = 0;
  connected_at_ = std::chrono::steady_clock::now();
  next_attempt_.reset();
  notify(ConnectionEvent::connected);
}

bool DeviceClient::ensure_connected(Duration timeout) {
  try {
    return ready(Deadline{timeout});
  } catch (const Error& error) {
    if (is_cancellation(error)) return false;
    throw;
  }
}

// Makes sure of a connection with a fresh token; false when that was not possible in time.
bool DeviceClient::ready(const Deadline& deadline) {
  renew_if_due();
  return connected_ || reconnect(deadline);
}

void DeviceClient::renew_if_due() {
  if (!connected_ || now() < renew_at_) return;
  const auto at = now();
  const auto token = make_sas_token(options_.connection, at, options_.token_ttl);
  if (transport_->renew(token.text)) {
    renew_at_ = renewal_time(token, at);
    return;
  }
  // A message in hand delays the renewal: its lock would be lost with the connection. Everything
  // else that was under way is done: a send returns when the hub has it, a settlement leaves before
  // the goodbye, and what the hub sent unasked comes again.
  if (held_ > 0) return;
  notify(ConnectionEvent::renewing);
  drop();
}

void DeviceClient::drop() {
  connected_ = false;
  transport_->close();
  transport_ = factory_(options_);
}

bool DeviceClient::reconnect(const Deadline& deadline) {
  using std::chrono::steady_clock;
  for (;;) {
    while (next_attempt_ && steady_clock::now() < *next_attempt_) {
      if (deadline.passed()) return false;
      const auto wait = std::chrono::ceil<Duration>(*next_attempt_ - steady_clock::now());
      pause(std::min(wait, deadline.remaining()), options_.cancelled);
    }
    try {
      connect();
      return true;
    } catch (const Error& error) {
      transport_ = factory_(options_);
      if (!is_transient(error.kind()) || !backoff_.may_retry()) throw;
      next_attempt_ = steady_clock::now() + backoff_.next(random_number());
    }
  }
}

void DeviceClient::lose(const Error& error) {
  drop();
  const auto at = std::chrono::steady_clock::now();
  // Two clients with one device id push each other out again and again: waits must grow then too.
  if (at - connected_at_ > kStable) backoff_.reset();
  if (!backoff_.may_retry()) throw error;
  next_attempt_ = at + backoff_.next(random_number());
  notify(ConnectionEvent::lost, error.what());
}

// A wait ends early when the token has to be renewed meanwhile. One that is overdue because a
// message is held does not end it.
Duration DeviceClient::until_renewal(Duration wait) const {
  const auto left = renew_at_ - now();
  if (left <= Duration::zero() && held_ > 0) return wait;
  return std::min(wait, std::max<Duration>(left, Duration{1}));
}

void DeviceClient::notify(ConnectionEvent event, std::string_view cause) {
  if (observer_) observer_(event, cause);
}

}  // namespace iothub
