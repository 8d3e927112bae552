#include "clients/hub_client/transports/amqp_connection.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/transports/amqp_message.hpp"

#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/error_condition.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender_options.hpp>
#include <proton/session.hpp>
#include <proton/source.hpp>
#include <proton/target.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>

#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>

#include <algorithm>
#include <chrono>

namespace iothub {
namespace {

// The peer must send something within this time; Proton sends empty frames for the peer's own.
constexpr int kIdleTimeoutMs = 240'000;

// The C++ binding of 0.37 does not show why a delivery was rejected, and sends only messages that
// it encodes itself; the C objects below it do. pn_object() is protected: these may reach it, and
// nothing else does.
struct TrackerAccess : proton::tracker {
  explicit TrackerAccess(const proton::tracker& base) : proton::tracker(base) {}
  using proton::tracker::pn_object;
};
struct DeliveryAccess : proton::delivery {
  explicit DeliveryAccess(const proton::delivery& base) : proton::delivery(base) {}
  using proton::delivery::pn_object;
};
struct ReceiverAccess : proton::receiver {
  explicit ReceiverAccess(const proton::receiver& base) : proton::receiver(base) {}
  using proton::receiver::pn_object;
};
struct SenderAccess : proton::sender {
  explicit SenderAccess(const proton::sender& base) : proton::sender(base) {}
  using proton::sender::pn_object;
};

// The payload of one transfer frame of a batch; the hub takes frames of 64 KB.
constexpr std::size_t kBatchChunk = 32 * 1024;

std::unique_ptr<ByteStream> connect(const ClientOptions& options, Duration timeout) {
  const auto endpoint = options.endpoint(options.transport);
  if (options.transport == TransportKind::amqp) return connect_tls(endpoint, options, timeout);
  return connect_websocket(endpoint, options, "/$iothub/websocket", "AMQPWSB10", timeout);
}

std::uint64_t state_of(Disposition disposition) {
  switch (disposition) {
    case Disposition::complete:
      return PN_ACCEPTED;
    case Disposition::abandon:
      return PN_RELEASED;
    case Disposition::reject:
      break;
  }
  return PN_REJECTED;
}

// Proton only compares these with each other; the steady clock cannot jump.
proton::timestamp steady_now() {
  const auto at = std::chrono::steady_clock::now().time_since_epoch();
  return proton::timestamp{std::chrono::duration_cast<Duration>(at).count()};
}

}  // namespace

AmqpConnection::AmqpConnection(const ClientOptions& options, const Login& login, Duration timeout)
    : host_(options.connection.host_name), driver_(make_uuid()) {
  const Deadline deadline{timeout};
  stream_ = connect(options, timeout);
  proton::connection_options amqp;
  amqp.handler(*this);
  amqp.virtual_host(host_);
  amqp.idle_timeout(proton::duration{kIdleTimeoutMs});
  amqp.max_frame_size(65536);
  amqp.sasl_enabled(!login.password.empty());
  if (!login.password.empty()) {
    amqp.user(login.user).password(login.password).sasl_allowed_mechs("PLAIN");
    // "Insecure" means readable on the wire; Proton does not see the TLS below it.
    amqp.sasl_allow_insecure_mechs(true);
  }
  driver_.connect(amqp);
  await(deadline, "log in to " + host_, [this] { return opened_; });
}

AmqpConnection::~AmqpConnection() { close(); }

void AmqpConnection::open_sender(const std::string& address, Duration timeout) {
  proton::sender_options options;
  options.name("sender-" + make_uuid());
  sender_ = driver_.connection().open_sender(address, options);
  // A refused link is attached without a target first, then detached with the error.
  await(Deadline{timeout}, "open " + address,
        [this] { return sender_open_ && !sender_.target().address().empty(); });
}

void AmqpConnection::open_receiver(const std::string& address, Duration timeout) {
  proton::receiver_options options;
  options.name("receiver-" + make_uuid());
  options.credit_window(0).auto_accept(false);
  receiver_ = driver_.connection().open_receiver(address, options);
  // Second: the hub confirms each settlement, or says that the lock is lost.
  pn_link_set_rcv_settle_mode(ReceiverAccess{receiver_}.pn_object(), PN_RCV_SECOND);
  await(Deadline{timeout}, "open " + address,
        [this] { return receiver_open_ && !receiver_.source().address().empty(); });
}

void AmqpConnection::send(const proton::message& message, const std::string& doing,
                          Duration timeout) {
  const Deadline deadline{timeout};
  await(deadline, doing, [this] { return sender_.credit() > 0; });
  outcome_ = Outcome::none;
  rejection_ = {};
  sender_.send(message);
  await_outcome(deadline, doing);
}

void AmqpConnection::send_batch(std::string_view payload, const std::string& doing,
                                Duration timeout) {
  const Deadline deadline{timeout};
  await(deadline, doing, [this] { return sender_.credit() > 0; });
  flush(deadline.remaining());  // from here on every transfer that leaves is of the batch
  outcome_ = Outcome::none;
  rejection_ = {};
  pn_link_t* link = SenderAccess{sender_}.pn_object();
  const auto tag = "batch-" + std::to_string(++batches_);
  pn_delivery(link, pn_dtag(tag.data(), tag.size()));
  format_.emplace(kBatchFormat);
  for (;;) {
    const auto chunk = payload.substr(0, kBatchChunk);
    payload.remove_prefix(chunk.size());
    pn_link_send(link, chunk.data(), chunk.size());
    if (payload.empty()) pn_link_advance(link);
    flush(deadline.remaining());
    if (payload.empty()) break;
  }
  format_.reset();
  await_outcome(deadline, doing);
}

void AmqpConnection::await_outcome(const Deadline& deadline, const std::string& doing) {
  await(deadline, doing, [this] { return outcome_ != Outcome::none; });
  if (outcome_ == Outcome::accepted) return;
  if (outcome_ == Outcome::rejected) {
    throw error_from_amqp(rejection_.condition, rejection_.description, doing);
  }
  throw Error{ErrorKind::server_error, doing + ": the hub released the message"};
}

std::optional<AmqpConnection::Incoming> AmqpConnection::receive(Duration timeout) {
  const Deadline deadline{timeout};
  if (inbox_.empty() && receiver_.credit() == 0) receiver_.add_credit(1);
  while (inbox_.empty()) {
    if (!pump(deadline.remaining()) && deadline.passed()) return std::nullopt;
  }
  auto incoming = std::move(inbox_.front());
  inbox_.pop_front();
  return incoming;
}

void AmqpConnection::settle(std::uint64_t delivery, Disposition disposition, Duration timeout) {
  const auto found = unsettled_.find(delivery);
  if (found == unsettled_.end()) {
    throw Error{ErrorKind::lock_lost, "this message is not held any more"};
  }
  const Deadline deadline{timeout};
  const auto doing = std::string{to_string(disposition)} + " a message";
  const auto held = found->second;
  pn_delivery_t* raw = DeliveryAccess{held}.pn_object();
  pn_delivery_update(raw, state_of(disposition));
  if (pn_link_remote_rcv_settle_mode(pn_delivery_link(raw)) == PN_RCV_FIRST) {
    unsettled_.erase(found);  // a peer that confirms nothing
    pn_delivery_settle(raw);
    flush(timeout);
    if (failure_) throw_failure(doing);
    return;
  }
  // The hub's answer takes it out of the map, and leaves its state.
  await(deadline, doing, [&] { return !unsettled_.contains(delivery); });
  const auto why = condition_of(raw);
  // A rejection that we asked for comes back without a reason.
  if (pn_delivery_remote_state(raw) != PN_REJECTED || why.condition.empty()) return;
  const auto error = error_from_amqp(why.condition, why.description, doing);
  // Of a delivery that it does not know any more the hub says "not found".
  if (error.kind() != ErrorKind::not_found) throw error;
  throw Error{ErrorKind::lock_lost, error.what(), error.hub_code()};
}

void AmqpConnection::keep_alive(Duration duration) {
  const Deadline deadline{duration};
  while (!deadline.passed()) pump(deadline.remaining());
}

void AmqpConnection::close() noexcept {
  if (!stream_) return;
  closing_ = true;
  try {
    if (!failure_ && opened_) {
      driver_.connection().close();
      const Deadline deadline{Duration{1000}};
      while (!closed_ && !deadline.passed()) pump(deadline.remaining());
    }
  } catch (...) {  // it is gone already
  }
  stream_->close();
  stream_.reset();
}

// The peer's answer arrives in events; all of them are dispatched by pump().

void AmqpConnection::on_connection_open(proton::connection&) { opened_ = true; }
void AmqpConnection::on_sender_open(proton::sender&) { sender_open_ = true; }
void AmqpConnection::on_receiver_open(proton::receiver&) { receiver_open_ = true; }
void AmqpConnection::on_transport_close(proton::transport&) { closed_ = true; }
void AmqpConnection::on_connection_error(proton::connection& c) { fail(c.error()); }
void AmqpConnection::on_session_error(proton::session& s) { fail(s.error()); }
void AmqpConnection::on_sender_error(proton::sender& s) { fail(s.error()); }
void AmqpConnection::on_receiver_error(proton::receiver& r) { fail(r.error()); }
void AmqpConnection::on_transport_error(proton::transport& t) { fail(t.error()); }
void AmqpConnection::on_error(const proton::error_condition& condition) { fail(condition); }

void AmqpConnection::on_connection_close(proton::connection&) {
  closed_ = true;
  if (!closing_) fail(proton::error_condition{"amqp:connection:forced", "the hub closed it"});
}

void AmqpConnection::on_sender_close(proton::sender&) {
  if (!closing_)
    fail(proton::error_condition{"amqp:link:detach-forced", "the hub closed the link"});
}

void AmqpConnection::on_receiver_close(proton::receiver&) {
  if (!closing_)
    fail(proton::error_condition{"amqp:link:detach-forced", "the hub closed the link"});
}

void AmqpConnection::on_message(proton::delivery& delivery, proton::message& message) {
  const auto id = ++deliveries_;
  unsettled_[id] = delivery;
  inbox_.push_back({id, lock_token_of(delivery.tag()), message});
}

void AmqpConnection::on_tracker_accept(proton::tracker&) { outcome_ = Outcome::accepted; }
void AmqpConnection::on_tracker_release(proton::tracker&) { outcome_ = Outcome::released; }

void AmqpConnection::on_tracker_reject(proton::tracker& tracker) {
  outcome_ = Outcome::rejected;
  rejection_ = condition_of(TrackerAccess{tracker}.pn_object());
}

void AmqpConnection::on_delivery_settle(proton::delivery& delivery) {
  std::erase_if(unsettled_, [&](const auto& held) { return held.second == delivery; });
}

void AmqpConnection::on_tracker_settle(proton::tracker&) {
  // Settled without a state: the hub took it off our hands without saying that it has it.
  if (outcome_ == Outcome::none) outcome_ = Outcome::released;
}

AmqpConnection::Failure AmqpConnection::condition_of(pn_delivery_t* delivery) {
  pn_condition_t* condition = pn_disposition_condition(pn_delivery_remote(delivery));
  const auto text = [](const char* value) { return std::string{value == nullptr ? "" : value}; };
  return {text(pn_condition_get_name(condition)), text(pn_condition_get_description(condition))};
}

void AmqpConnection::fail(const proton::error_condition& condition) {
  if (!failure_) failure_ = Failure{condition.name(), condition.description()};
}

void AmqpConnection::throw_failure(const std::string& doing) const {
  // Proton's own words for a socket that ended, and for a refused login.
  if (failure_->condition == "amqp:connection:framing-error" &&
      failure_->description.find("aborted") != std::string::npos) {
    throw Error{ErrorKind::connection_lost, doing + ": " + host_ + " closed the connection"};
  }
  throw error_from_amqp(failure_->condition, failure_->description, doing);
}

template <class Done>
void AmqpConnection::await(const Deadline& deadline, const std::string& doing, Done done) {
  for (;;) {
    if (failure_) throw_failure(doing);
    if (done()) return;
    try {
      if (!pump(deadline.remaining()) && deadline.passed()) {
        throw Error{ErrorKind::timeout, doing + ": no answer"};
      }
    } catch (const Error& error) {
      if (failure_) throw_failure(doing);  // the peer said why before it closed
      if (error.kind() != ErrorKind::connection_lost) throw;
      throw Error{ErrorKind::connection_lost, doing + ": " + error.what()};
    }
  }
}

bool AmqpConnection::pump(Duration timeout) {
  if (!stream_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
  flush(Duration{10'000});
  if (failure_ && !closing_) throw_failure("wait for " + host_);
  const auto buffer = driver_.read_buffer();
  if (buffer.size == 0) {
    throw Error{ErrorKind::connection_lost, host_ + " closed the connection"};
  }
  const auto at = steady_now();
  const auto next = driver_.tick(at);
  auto wait = std::max(timeout, Duration{1});
  if (next.milliseconds() > at.milliseconds()) {
    wait = std::min(wait, Duration{next.milliseconds() - at.milliseconds()});
  }
  std::size_t count = 0;
  try {
    count = stream_->read_some(buffer.data, buffer.size, wait);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;  // the connection itself is well
    driver_.read_close();
    driver_.dispatch();  // Proton may hold the reason in frames already read
    if (failure_ && !closing_) throw_failure("wait for " + host_);
    throw;
  }
  driver_.read_done(count);
  flush(Duration{10'000});
  if (failure_ && !closing_) throw_failure("wait for " + host_);
  return count > 0;
}

void AmqpConnection::flush(Duration timeout) {
  if (!stream_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
  driver_.dispatch();
  driver_.tick(steady_now());
  for (auto out = driver_.write_buffer(); out.size > 0; out = driver_.write_buffer()) {
    const std::string_view bytes{out.data, out.size};
    if (format_) {
      stream_->write(format_->stamp(bytes), timeout);
    } else {
      stream_->write(bytes, timeout);
    }
    driver_.write_done(out.size);
    driver_.dispatch();
  }
}

}  // namespace iothub
