#include "protocols/http/session.hpp"

#include "emulator/core/base/ids.hpp"
#include "protocols/http/upgrade.hpp"

#include <functional>

namespace http {

using protocols::TimePoint;

namespace {

constexpr std::size_t kept_output_capacity = 64 * 1024;

std::string in_seconds(hub::Duration time) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(time).count()) + " seconds";
}

}  // namespace

Session::Session(std::unique_ptr<Service> service, TimePoint now)
    : service_(std::move(service)), opened_(now), due_(now + idle_timeout) {}

void Session::on_bytes(std::string_view bytes, TimePoint now) {
  switch (state_) {
    case State::open:
      if (held_.empty()) {
        read(bytes, now);
      } else {
        held_.append(bytes);
      }
      return;
    case State::upgraded:
      if (upgrade_) upgrade_->leftover.append(bytes);
      return;
    case State::closed:
      return;
  }
}

void Session::read(std::string_view bytes, TimePoint now) {
  while (state_ == State::open) {
    const bool between_requests = !parser_.in_head() && !parser_.in_body();
    if (between_requests && waiting_output() > output_bytes_high) {
      held_.assign(bytes);
      return;
    }
    bytes.remove_prefix(parser_.put(bytes));
    // From its first byte, be its head here whole.
    if (between_requests && (parser_.in_head() || parser_.in_body())) {
      due_ = now + service_->rules.head_timeout;
    }
    switch (parser_.status()) {
      case RequestParser::Status::need_more:
        if (bytes.empty()) return;
        break;
      case RequestParser::Status::head_complete:
        on_head(bytes, now);
        break;
      case RequestParser::Status::complete:
        on_request(now);
        if (bytes.empty()) return;
        break;
      case RequestParser::Status::refused:
        refuse(parser_.refusal(), now);
        break;
    }
  }
}

void Session::on_head(std::string_view behind, TimePoint now) {
  const Rules& rules = service_->rules;
  if (rules.body_timeout > hub::Duration{0}) due_ = now + rules.body_timeout;
  const RequestHead& head = parser_.head();
  target_ = parse_target(head.target);
  if (!target_) return refuse({400, target_problem(head.target)}, now);
  if (rules.websockets && wants_upgrade(head)) {
    auto decision = decide_upgrade(head, *target_, parser_.raw_head());
    if (const auto* refusal = std::get_if<Refusal>(&decision)) return refuse(*refusal, now);
    upgrade_ = std::get<protocols::Upgrade>(std::move(decision));
    upgrade_->leftover = behind;
    state_ = State::upgraded;
    return;
  }
  response_.reset();
  refused_ = service_->admit(head, *target_, response_, now);
  parser_.limit_body(refused_ ? 0 : rules.body_bytes_max);
  if (!head.expects_continue || !head.has_body) return;
  if (!refused_) return append_continue(output_);
  write(*refused_, false, now);  // instead of the 100: the body must not come (H-60)
  state_ = State::closed;
}

void Session::on_request(TimePoint now) {
  const RequestHead& head = parser_.head();
  // A body that was too large may have been sent by mistake as a whole stream: start anew.
  const bool too_large = !refused_ && parser_.body_too_large();
  if (too_large) {
    refused_ =
        generic_error(413, "a request body has at most " +
                               std::to_string(service_->rules.body_bytes_max / 1024) + " KiB");
  }
  if (!refused_) {
    output_promises_ |= service_->rules.answers_promise;
    refused_ = service_->answer(parser_.body(), now);
  }
  const bool keep_alive = head.keep_alive && !too_large;
  if (refused_) {
    write(*refused_, keep_alive, now);
  } else {
    request_id_ = next_request_id();
    if (service_->log.enabled(hub::LogLevel::debug)) {
      service_->log.debug("http request served", {{"peer", service_->peer.address},
                                                  {"method", head.method_text},
                                                  {"path", head.path()},
                                                  {"status", std::to_string(response_.status)}});
    }
    write(keep_alive, now);
  }
  parser_.next();
  due_ = now + idle_timeout;
  if (!keep_alive) state_ = State::closed;
}

void Session::refuse(const Refusal& refusal, TimePoint now) {
  write(generic_error(refusal.status, refusal.reason), false, now);
  state_ = State::closed;
}

void Session::write(const WireError& error, bool keep_alive, TimePoint now) {
  log_refused(error);
  request_id_ = next_request_id();
  write_error(response_, error, request_id_, now, service_->rules.errors);
  write(keep_alive, now);
}

void Session::write(bool keep_alive, TimePoint now) {
  ResponseContext context;
  context.now = now;
  context.request_id = request_id_;
  context.keep_alive = keep_alive;
  context.http_1_0 = parser_.head().http_1_0;
  context.head_only = parser_.head().method == Method::head;
  context.headers = service_->rules.headers;
  append_response(output_, response_, context);
}

void Session::log_refused(const WireError& error) const {
  const RequestHead& head = parser_.head();
  service_->log.warn("http request refused", {{"peer", service_->peer.address},
                                              {"method", head.method_text},
                                              {"path", head.path()},
                                              {"status", std::to_string(error.status)},
                                              {"error", error.name},
                                              {"reason", error.detail}});
}

// H-56: a GUID for people who compare logs: its first half is the connection's, its second half
// counts.
std::string Session::next_request_id() {
  ++request_count_;
  const std::uint64_t connection = std::hash<std::string>{}(service_->peer.address) ^
                                   static_cast<std::uint64_t>(hub::to_unix_ms(opened_));
  hub::LockToken guid;
  for (std::size_t i = 0; i < 8; ++i) {
    guid.bytes[i] = static_cast<std::uint8_t>(connection >> (56 - 8 * i));
    guid.bytes[i + 8] = static_cast<std::uint8_t>(request_count_ >> (56 - 8 * i));
  }
  return guid.to_text();
}

void Session::on_wake(TimePoint) {}

void Session::on_time(TimePoint now) {
  if (state_ != State::open) return;
  if (!held_.empty()) {
    const std::string held = std::exchange(held_, {});
    read(held, now);
    return;
  }
  if (now < due_) return;
  const Rules& rules = service_->rules;
  if (parser_.in_head()) {
    refuse({408, "the request head took longer than " + in_seconds(rules.head_timeout)}, now);
  } else if (parser_.in_body()) {
    const bool own_time = rules.body_timeout > hub::Duration{0};
    refuse({408, "the request body took longer than " +
                     in_seconds(own_time ? rules.body_timeout : rules.head_timeout)},
           now);
  } else {
    state_ = State::closed;
  }
}

void Session::on_peer_closed(TimePoint) { state_ = State::closed; }

// Who is in the middle of a request hears why it gets no answer (H-55).
void Session::on_shutdown(TimePoint now) {
  if (state_ == State::open && (parser_.in_head() || parser_.in_body())) {
    return refuse({503, "the emulator is shutting down"}, now);
  }
  state_ = State::closed;
}

std::string_view Session::output() const { return std::string_view(output_).substr(written_); }

void Session::consume_output(std::size_t size) {
  HUB_ASSERT(size <= waiting_output());
  written_ += size;
  if (written_ < output_.size()) return;
  output_.clear();
  output_promises_ = false;
  written_ = 0;
  if (output_.capacity() > kept_output_capacity) output_.shrink_to_fit();
}

std::optional<TimePoint> Session::next_deadline() const {
  if (state_ != State::open) return std::nullopt;
  if (held_.empty()) return due_;
  // What is held is read at once when there is room for its answers; until then nothing is due: it
  // is for net to lose patience with a peer that does not read (H-61).
  if (waiting_output() > output_bytes_high) return std::nullopt;
  return opened_;
}

bool Session::wants_close() const { return state_ == State::closed; }

bool Session::wants_input() const { return held_.empty(); }

std::optional<protocols::Upgrade> Session::take_upgrade() {
  return std::exchange(upgrade_, std::nullopt);
}

}  // namespace http
