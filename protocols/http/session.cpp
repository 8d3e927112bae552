#include "protocols/http/session.hpp"

#include "emulator/core/ids.hpp"
#include "protocols/http/upgrade.hpp"

#include <functional>

namespace http {

using protocols::TimePoint;

namespace {

constexpr std::size_t kept_output_capacity = 64 * 1024;

}  // namespace

Session::Session(std::unique_ptr<Service> service, TimePoint now)
    : service_(std::move(service)), opened_(now), since_(now) {}

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
    const bool was_in_head = parser_.in_head();
    bytes.remove_prefix(parser_.put(bytes));
    if (!was_in_head && parser_.in_head()) since_ = now;
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
  since_ = now;
  const RequestHead& head = parser_.head();
  target_ = parse_target(head.target);
  if (!target_) return refuse({400, target_problem(head.target)}, now);
  if (wants_upgrade(head)) {
    auto decision = decide_upgrade(head, *target_, parser_.raw_head());
    if (const auto* refusal = std::get_if<Refusal>(&decision)) return refuse(*refusal, now);
    upgrade_ = std::get<protocols::Upgrade>(std::move(decision));
    upgrade_->leftover = behind;
    state_ = State::upgraded;
    return;
  }
  if (head.expects_continue && head.has_body) append_continue(output_);
}

void Session::on_request(TimePoint now) {
  const RequestHead& head = parser_.head();
  request_id_ = next_request_id();
  response_.reset();
  if (const auto error = serve(now)) {
    log_refused(*error);
    write_error(response_, *error, request_id_, now);
  } else if (service_->log.enabled(hub::LogLevel::debug)) {
    service_->log.debug("http request served", {{"peer", service_->peer.address},
                                                {"method", head.method_text},
                                                {"path", head.path()},
                                                {"status", std::to_string(response_.status)}});
  }
  // A body that was too large may have been sent by mistake as a whole stream: start anew.
  const bool keep_alive = head.keep_alive && !parser_.body_too_large();
  write(keep_alive, now);
  parser_.next();
  since_ = now;
  if (!keep_alive) state_ = State::closed;
}

std::optional<WireError> Session::serve(TimePoint now) {
  if (parser_.body_too_large()) {
    return generic_error(413, "a request body has at most 512 KiB");  // H-21
  }
  if (auto refused = service_->admit(parser_.head(), *target_, response_, now)) return refused;
  return service_->answer(parser_.body(), now);
}

void Session::refuse(const Refusal& refusal, TimePoint now) {
  const WireError error = generic_error(refusal.status, refusal.reason);
  log_refused(error);
  request_id_ = next_request_id();
  write_error(response_, error, request_id_, now);
  write(false, now);
  state_ = State::closed;
}

void Session::write(bool keep_alive, TimePoint now) {
  ResponseContext context;
  context.now = now;
  context.request_id = request_id_;
  context.keep_alive = keep_alive;
  context.http_1_0 = parser_.head().http_1_0;
  context.head_only = parser_.head().method == Method::head;
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
  if (parser_.in_head() && now >= since_ + head_timeout) {
    refuse({408, "the request head took longer than 30 seconds"}, now);
  } else if (parser_.in_body() && now >= since_ + body_timeout) {
    refuse({408, "the request body took longer than 120 seconds"}, now);
  } else if (!parser_.in_head() && !parser_.in_body() && now >= since_ + idle_timeout) {
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
  written_ = 0;
  if (output_.capacity() > kept_output_capacity) output_.shrink_to_fit();
}

std::optional<TimePoint> Session::next_deadline() const {
  if (state_ != State::open) return std::nullopt;
  if (!held_.empty() && waiting_output() <= output_bytes_high) return since_;  // at once
  if (parser_.in_head()) return since_ + head_timeout;
  if (parser_.in_body()) return since_ + body_timeout;
  return since_ + idle_timeout;
}

bool Session::wants_close() const { return state_ == State::closed; }

bool Session::wants_input() const { return held_.empty(); }

std::optional<protocols::Upgrade> Session::take_upgrade() {
  return std::exchange(upgrade_, std::nullopt);
}

}  // namespace http
