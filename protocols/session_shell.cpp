#include "protocols/session_shell.hpp"

#include "emulator/core/base/error.hpp"

namespace protocols {
namespace {

constexpr std::uint8_t vain_calls_max = 8;

}  // namespace

void SessionShell::on_bytes(std::string_view bytes, TimePoint now) {
  in_turn_ = true;
  session_->on_bytes(bytes, now);
  if (auto wanted = session_->take_upgrade()) {
    upgrade_ = std::make_unique<Upgrade>(std::move(*wanted));
  }
}

void SessionShell::on_wake(TimePoint now) {
  in_turn_ = true;
  session_->on_wake(now);
}

void SessionShell::on_time(TimePoint now) {
  in_turn_ = true;
  before_ = look();
  ++vain_calls_;  // until something is written
  session_->on_time(now);
}

void SessionShell::on_shutdown(TimePoint now) {
  in_turn_ = true;
  session_->on_shutdown(now);
}

void SessionShell::end_turn(TimePoint now) {
  session_->end_turn(now);
  in_turn_ = false;
}

std::string_view SessionShell::output() {
  HUB_ASSERT(!in_turn_);
  const std::string_view all = session_->output();
  if (all.empty()) return all;
  if (marked_bytes_ == 0) {
    marked_bytes_ = all.size();
    marked_sequence_ = gate_ != nullptr && session_->output_promises() ? gate_->staged() : 0;
  }
  return waits_for() ? std::string_view{} : all.substr(0, marked_bytes_);
}

std::optional<std::uint64_t> SessionShell::waits_for() const {
  if (gate_ == nullptr || marked_bytes_ == 0 || gate_->committed() >= marked_sequence_) {
    return std::nullopt;
  }
  return marked_sequence_;
}

void SessionShell::consume(std::size_t size) {
  session_->consume_output(size);
  marked_bytes_ -= size;
  vain_calls_ = 0;
}

SessionShell::Next SessionShell::next() const {
  if (has_output()) return Next::stay;
  if (session_->wants_close() || input_ended_) return Next::close;
  return upgrade_ ? Next::upgrade : Next::stay;
}

bool SessionShell::takes_input() const {
  return !input_ended_ && !upgrade_ && session_->wants_input() && !session_->wants_close() &&
         session_->output().size() <= limits_.output_bytes_max;
}

SessionShell::Look SessionShell::look() const {
  return {session_->output().size(), session_->wants_input(), session_->wants_close()};
}

bool SessionShell::is_stuck(TimePoint now) {
  const auto due = session_->next_deadline();
  if (!due || *due > now || look() != before_) vain_calls_ = 0;
  return vain_calls_ >= vain_calls_max;
}

void SessionShell::end(TimePoint now) {
  session_->on_peer_closed(now);
  session_.reset();
}

Upgrade SessionShell::end_for_upgrade(TimePoint now) {
  const auto wanted = std::exchange(upgrade_, nullptr);
  end(now);
  return std::move(*wanted);
}

}  // namespace protocols
