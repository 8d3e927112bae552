#include "protocols/net/connection.hpp"

#include "protocols/net/websocket_stream.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <utility>

namespace net {
namespace {

enum WakeReason : std::uint8_t { woken_by_hub = 1, woken_by_commit = 2, woken_to_answer = 4 };

}  // namespace

// Outlives the connection in wakers that others keep. It is what they post through, so that a
// connection is only ever held, and let go, on its own thread.
class Connection::WakeTarget final : public hub::Waker::Target {
 public:
  WakeTarget(Poller& poller, std::weak_ptr<Deferred> connection)
      : poller_(poller), connection_(std::move(connection)) {}

  void wake() override { fire(woken_by_hub); }

  void fire(WakeReason reason) {
    if (reasons_.fetch_or(reason) != 0) return;  // on its way already, or nobody is there any more
    poller_.run_soon(connection_);
  }

  std::uint8_t take_reasons() { return reasons_.exchange(0); }

 private:
  Poller& poller_;
  const std::weak_ptr<Deferred> connection_;
  std::atomic<std::uint8_t> reasons_{0};
};

void Connection::start(IoThread& thread, std::shared_ptr<Stream> stream,
                       std::shared_ptr<const Service> service) {
  const auto connection =
      std::make_shared<Connection>(thread, std::move(stream), std::move(service));
  connection->self_ = connection;
  connection->wake_ = std::make_shared<WakeTarget>(thread.poller(), connection);
  thread.add(*connection);
  thread.metrics().connections_opened.fetch_add(1, std::memory_order_relaxed);
  thread.metrics().connections_open.fetch_add(1, std::memory_order_relaxed);
  const hub::TimePoint now = thread.clock().now();
  connection->own_deadline_ = now + connection->service_->limits.handshake_timeout;
  connection->shake_hands(now);
}

Connection::Connection(IoThread& thread, std::shared_ptr<Stream> stream,
                       std::shared_ptr<const Service> service)
    : thread_(thread),
      service_(std::move(service)),
      stream_(std::move(stream)),
      patience_(service_->limits.linger_timeout) {}

// ---- events
// ----------------------------------------------------------------------------------------

void Connection::on_readable() {
  waiting_for_input_ = false;
  turn();
}

void Connection::on_writable() {
  waiting_for_room_ = false;
  turn();
}

void Connection::turn() {
  switch (state_) {
    case State::handshaking:
      return shake_hands(thread_.clock().now());
    case State::open: {
      const hub::TimePoint now = thread_.clock().now();
      read(now);
      // N-33: a message is on its way to the device before its sender hears of it.
      if (thread_.poller().anything_deferred()) return wake_->fire(woken_to_answer);
      return end_turn(now);
    }
    case State::closing:
      return drain();
    case State::gone:
      return;
  }
}

void Connection::run() {
  const std::uint8_t reasons = wake_->take_reasons();
  if ((reasons & woken_by_commit) != 0) waiting_for_commit_ = false;
  if (state_ != State::open) return;
  const hub::TimePoint now = thread_.clock().now();
  if (std::exchange(held_back_, false)) read(now);
  if (state_ != State::open) return;
  if ((reasons & woken_by_hub) != 0) shell_->on_wake(now);
  end_turn(now);
}

void Connection::on_deadline() {
  const auto keep = shared_from_this();
  armed_for_ = never;
  const hub::TimePoint now = thread_.clock().now();
  if (now >= own_deadline_) {
    switch (state_) {
      case State::handshaking:
        return lose(now, "the handshake took too long");
      case State::open:
        return lose(now, "the peer does not read what it is sent");
      case State::closing:
      case State::gone:
        return finish();
    }
  }
  if (state_ != State::open) return arm(now);
  // What would have kept it alive may lie unread: it is judged when that is read.
  if (shell_->store_is_behind()) return hold_back();
  shell_->on_time(now);
  end_turn(now);
  if (state_ != State::open || !shell_->is_stuck(now)) return;
  thread_.log().write(hub::LogLevel::error,
                      "a session asks again and again for a time that has passed; it is ended",
                      {{"listener", service_->protocol}, {"peer", stream_->peer().address}});
  lose(now, "its session was stuck");
}

void Connection::shut_down() {
  const hub::TimePoint now = thread_.clock().now();
  switch (state_) {
    case State::handshaking:
      return lose(now, "shutting down");
    case State::open:
      shell_->on_shutdown(now);
      // N-48: who has nothing more to be told is not waited for. A WebSocket has its close frame.
      patience_ = !shell_->has_output() && !stream_->peer().websocket
                      ? hub::Duration{0}
                      : service_->limits.shutdown_linger_timeout;
      return end_turn(now);
    case State::closing:
      own_deadline_ = std::min(own_deadline_, now + service_->limits.shutdown_linger_timeout);
      return arm(now);
    case State::gone:
      return;
  }
}

void Connection::end(protocols::Ending how) {
  const auto keep = shared_from_this();
  if (how == protocols::Ending::polite) return shut_down();
  if (state_ == State::gone) return;
  if (how == protocols::Ending::reset) stream_->reset_on_close();
  lose(thread_.clock().now(), "shutting down");
}

// ---- read, feed, commit, write
// ---------------------------------------------------------------------

void Connection::shake_hands(hub::TimePoint now) {
  switch (stream_->handshake()) {
    case IoStatus::ok:
      break;
    case IoStatus::want_read:
      wait_for_input();
      return arm(now);
    case IoStatus::want_write:
      wait_for_room();
      return arm(now);
    case IoStatus::closed:
      return lose(now, "closed by the peer during the handshake");
    case IoStatus::failed: {
      const std::string reason = stream_->error_text();
      warn("handshake failed", reason);
      return lose(now, reason);
    }
  }
  own_deadline_ = never;
  if (!shell_ && !make_session(service_->protocol, now)) return;
  state_ = State::open;
  end_turn(now);
}

bool Connection::make_session(std::string_view protocol, hub::TimePoint now) {
  auto session = service_->make_session(protocol, stream_->peer(), hub::Waker(wake_), now);
  if (!session) {
    lose(now, "no session for this protocol");
    return false;
  }
  shell_.emplace(std::move(session), thread_.gate(), service_->limits);
  return true;
}

void Connection::read(hub::TimePoint now) {
  std::size_t budget = service_->limits.read_bytes_per_turn;
  while (!waiting_for_input_ && shell_->takes_input() && budget > 0 && !shell_->store_is_behind()) {
    const auto scratch = thread_.scratch();
    const ReadResult result = stream_->read(scratch.first(std::min(budget, scratch.size())));
    switch (result.status) {
      case IoStatus::ok:
        heard_ = true;
        shell_->on_bytes(result.bytes, now);
        budget -= std::min(budget, result.bytes.size());
        if (!stream_->may_have_more()) return;
        break;
      case IoStatus::want_read:
        return;
      case IoStatus::want_write:
        return wait_for_room();
      case IoStatus::closed:
        shell_->on_input_end();
        if (const auto reason = stream_->error_text(); !reason.empty()) {
          warn("the client breaks the rules of WebSocket", reason);
        }
        return tell_if_left_at_once();
      case IoStatus::failed:
        tell_if_left_at_once();
        return lose(now, stream_->error_text());
    }
  }
}

void Connection::warn(std::string_view event, std::string_view reason) {
  thread_.log().warn(event, {{"listener", service_->protocol},
                             {"peer", stream_->peer().address},
                             {"reason", reason},
                             {"hint", stream_->hint()}});
}

void Connection::tell_if_left_at_once() {
  if (heard_ || stream_->hint().empty()) return;
  warn("the client left right after the TLS handshake",
       "it closed the connection before it sent anything");
}

void Connection::hold_back() {
  held_back_ = true;
  wait_for_commit(thread_.gate()->staged() - service_->limits.staged_changes_max);
}

void Connection::wait_for_commit(std::uint64_t sequence) {
  if (std::exchange(waiting_for_commit_, true)) return;
  thread_.gate()->notify(sequence, [wake = wake_] { wake->fire(woken_by_commit); });
}

void Connection::flush(hub::TimePoint now) {
  std::size_t budget = service_->limits.write_bytes_per_turn;
  while (!waiting_for_room_) {
    const std::string_view output = shell_->output();
    if (output.empty()) {
      if (const auto sequence = shell_->waits_for()) return wait_for_commit(*sequence);
      own_deadline_ = never;
      return;
    }
    if (budget == 0) return post_turn();
    const WriteResult result = stream_->write(output.substr(0, budget));
    if (result.size > 0) {
      shell_->consume(result.size);
      budget -= result.size;
      own_deadline_ = never;
    }
    switch (result.status) {
      case IoStatus::ok:
        break;
      case IoStatus::want_write:
        wait_for_room();
        [[fallthrough]];
      case IoStatus::want_read:  // TLS: tried again after the next read
        if (own_deadline_ == never) own_deadline_ = now + service_->limits.stall_timeout;
        return;
      case IoStatus::closed:
      case IoStatus::failed:
        return lose(now, stream_->error_text());
    }
  }
}

void Connection::end_turn(hub::TimePoint now) {
  if (state_ != State::open) return;
  shell_->end_turn(now);
  flush(now);
  if (state_ != State::open) return;
  switch (shell_->next()) {
    case protocols::SessionShell::Next::stay:
      break;
    case protocols::SessionShell::Next::close:
      return begin_closing(now);
    case protocols::SessionShell::Next::upgrade:
      return upgrade(now);
  }
  if (shell_->takes_input()) {
    if (shell_->store_is_behind()) {
      hold_back();
    } else {
      wait_for_input();
    }
  }
  arm(now);
}

void Connection::upgrade(hub::TimePoint now) {
  protocols::Upgrade wanted = shell_->end_for_upgrade(now);
  shell_.reset();
  const auto lower = std::dynamic_pointer_cast<SocketStream>(stream_);
  HUB_ASSERT(lower != nullptr);  // no session on a WebSocket asks for another one
  const std::string protocol = wanted.subprotocol;
  stream_ = make_websocket_stream(thread_, lower, std::move(wanted),
                                  service_->limits.websocket_message_bytes_max);
  if (!make_session(protocol, now)) return;
  state_ = State::handshaking;
  own_deadline_ = now + service_->limits.handshake_timeout;
  shake_hands(now);
}

// ---- the end
// ---------------------------------------------------------------------------------------

void Connection::begin_closing(hub::TimePoint now) {
  shell_->end(now);
  shell_.reset();
  state_ = State::closing;
  own_deadline_ = now + patience_;
  stream_->say_goodbye(shared_from_this());
  // Closing with unread input would reset the connection, and the peer might never see our last
  // words; so its input is read and dropped until it closes too.
  drain();
  if (state_ == State::closing) arm(now);
}

void Connection::drain() {
  std::size_t budget = service_->limits.read_bytes_per_turn;
  while (budget > 0) {
    const ReadResult result = stream_->read(thread_.scratch());
    if (result.status == IoStatus::want_read) break;
    if (result.status != IoStatus::ok) return finish();
    budget -= std::min(budget, result.bytes.size());
  }
  wait_for_input();
}

void Connection::lose(hub::TimePoint now, std::string_view why) {
  if (thread_.log().enabled(hub::LogLevel::debug)) {
    thread_.log().debug(
        "connection lost",
        {{"listener", service_->protocol}, {"peer", stream_->peer().address}, {"reason", why}});
  }
  if (shell_) shell_->end(now);
  shell_.reset();
  finish();
}

void Connection::finish() {
  state_ = State::gone;
  stream_->close();
  forget_deadline();
  thread_.remove(*this);
  thread_.metrics().connections_open.fetch_sub(1, std::memory_order_relaxed);
  self_.reset();  // the caller, or the handler it is in, still holds one
}

// ---- waiting
// ---------------------------------------------------------------------------------------

void Connection::wait_for_input() {
  if (!std::exchange(waiting_for_input_, true)) stream_->wait_readable(shared_from_this());
}

void Connection::wait_for_room() {
  if (!std::exchange(waiting_for_room_, true)) stream_->wait_writable(shared_from_this());
}

void Connection::post_turn() {
  if (std::exchange(turn_posted_, true)) return;
  asio::post(thread_.executor(), [self = shared_from_this()] {
    self->turn_posted_ = false;
    self->turn();
  });
}

void Connection::arm(hub::TimePoint now) {
  hub::TimePoint due = own_deadline_;
  if (shell_) due = std::min(due, shell_->next_deadline().value_or(never));
  // A deadline that has moved back costs nothing: on_deadline() finds that out.
  if (armed_for_ <= due) return;
  const auto wait = std::clamp<hub::Duration>(due - now, hub::Duration{0}, std::chrono::hours{1});
  armed_for_ = now + wait;
  thread_.deadlines().set(*this, wait);
}

}  // namespace net
