#include "protocols/mqtt/session.hpp"

#include <algorithm>
#include <utility>

#include "emulator/core/base/printable.hpp"

namespace mqtt {

using namespace std::string_view_literals;

namespace {

constexpr hub::Duration connect_timeout = std::chrono::seconds{60};  // spec/mqtt.md 2.1
constexpr std::size_t output_bytes_max = 256 * 1024;  // above it: no input, no deliveries (M-23)
constexpr std::size_t output_capacity_kept = 4 * 1024;
constexpr std::size_t output_sent_max = 64 * 1024;  // sent bytes kept in front of unsent ones

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

std::string_view remedy_of(hub::CloseReason reason) {
  switch (reason) {
    case hub::CloseReason::taken_over:
      return "; two clients share its id, or one came again without a DISCONNECT";
    case hub::CloseReason::device_disabled:
      return "; it may connect again once it is enabled";
    case hub::CloseReason::device_deleted:
      return "; create it again, with the key that it uses";
    case hub::CloseReason::authentication_changed:
      return "; connect with the new one";
  }
  hub::assertion_failed("unknown CloseReason", __FILE__, __LINE__);
}

}  // namespace

Session::Session(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, TimePoint now)
    : hub_(hub),
      peer_address_(std::move(peer.address)),
      certificate_(peer.certificate
                       ? std::make_unique<hub::ClientCertificate>(std::move(*peer.certificate))
                       : nullptr),
      waker_(std::move(waker)),
      now_(now),
      last_input_(now),
      input_timeout_(connect_timeout),
      decoder_(hub.limits().mqtt_packet_bytes_max) {
  static_assert(sizeof(Session) < 512, "an idle connection costs little");
}

// ---- events -------------------------------------------------------------------------------------

void Session::on_bytes(std::string_view bytes, TimePoint now) {
  now_ = now;
  if (!may_go_on(now)) return;
  if (state_ == State::connected) last_input_ = now;  // M-18; before CONNECT nothing buys time
  Packet packet;
  while (state_ != State::closed) {
    const Decoder::Status status = decoder_.next(bytes, packet);
    if (status == Decoder::Status::need_more) break;
    if (status == Decoder::Status::error) {
      violation("malformed packet: " + decoder_.explanation(), now);
      break;
    }
    handle(packet, now);
  }
  if (delivery_due_) deliver(now);
}

void Session::on_wake(TimePoint now) {
  now_ = now;
  if (may_go_on(now)) deliver(now);
}

void Session::on_time(TimePoint now) {
  now_ = now;
  if (!may_go_on(now)) return;
  if (now >= last_input_ + input_timeout_) {
    if (state_ == State::awaiting_connect) {
      violation("no CONNECT within 60 s; is the client one of MQTT?", now);
    } else {
      output_.clear();  // nobody reads it
      output_begin_ = 0;
      violation(
          "keep-alive timeout: nothing came for 1.5 times the interval that CONNECT gave (29 "
          "minutes "
          "at most); the client is gone, or sends no PINGREQ in time",
          now);
    }
    return;
  }
  deliver(now);
}

void Session::on_peer_closed(TimePoint now) {
  now_ = now;
  output_.clear();
  output_begin_ = 0;
  close(hub::LogLevel::info,
        state_ == State::connected ? "the device closed the connection without DISCONNECT"
                                   : "closed before CONNECT",
        now);
}

void Session::on_shutdown(TimePoint now) {
  now_ = now;
  close(hub::LogLevel::info, "the emulator is stopping", now);
}

// ---- packets ------------------------------------------------------------------------------------

void Session::handle(const Packet& packet, TimePoint now) {
  const bool is_connect = std::holds_alternative<Connect>(packet);
  if (state_ == State::awaiting_connect && !is_connect) {
    violation("the first packet is not CONNECT but something that needs a login before it", now);
    return;
  }
  const auto not_for_a_server = [&](PacketType type) {
    violation(std::string(to_text(type)) + " is not for a server; only a server sends it", now);
  };
  const auto without_qos_2 = [&](PacketType type) {
    violation(
        std::string(to_text(type)) + " belongs to QoS 2, which the hub does not have; use QoS 1",
        now);
  };
  std::visit(Overloaded{
                 [&](const Connect& p) { on_connect(p, now); },
                 [&](const Publish& p) { on_publish(p, now); },
                 [&](const Puback& p) { on_puback(p, now); },
                 [&](const Subscribe& p) { on_subscribe(p, now); },
                 [&](const Unsubscribe& p) { on_unsubscribe(p, now); },
                 [&](Pingreq) { encode(output_, Pingresp{}); },
                 [&](Disconnect) {
                   if (extras_) extras_->will.reset();  // 2.9
                   close(hub::LogLevel::info, "DISCONNECT", now);
                 },
                 [&](Pubrec) { without_qos_2(PacketType::pubrec); },
                 [&](Pubrel) { without_qos_2(PacketType::pubrel); },
                 [&](Pubcomp) { without_qos_2(PacketType::pubcomp); },
                 [&](const Connack&) { not_for_a_server(PacketType::connack); },
                 [&](const Suback&) { not_for_a_server(PacketType::suback); },
                 [&](Unsuback) { not_for_a_server(PacketType::unsuback); },
                 [&](Pingresp) { not_for_a_server(PacketType::pingresp); },
             },
             packet);
}

// False once closed. Looks at what can end a connection from outside, before anything is done for
// the device: takeover, disabling, deletion (C2D-36, 6.5), and the token's end (M-15).
bool Session::may_go_on(TimePoint now) {
  if (state_ == State::closed) return false;
  if (const auto reason = presence_.closed()) {
    violation(std::string(to_text(*reason)).append(remedy_of(*reason)), now);
    return false;
  }
  if (now >= token_deadline_) {
    violation(
        "the token expired; connect with a new one before it does, or let connections outlive "
        "their "
        "token with the setting tokenExpiryGrace",
        now);
    return false;
  }
  return true;
}

// ---- the end ------------------------------------------------------------------------------------

void Session::violation(std::string_view reason, TimePoint now, std::string_view topic) {
  close(hub::LogLevel::warn, reason, now, topic);
}

void Session::tell_at_debug(std::string_view event, std::string_view topic, std::uint8_t qos) {
  if (!hub_.log().enabled(hub::LogLevel::debug)) return;
  hub_.log().debug(
      event,
      {{"device", device_.name()}, {"topic", hub::shown(topic)}, {"qos", std::to_string(qos)}});
}

void Session::close(hub::LogLevel level, std::string_view reason, TimePoint now,
                    std::string_view topic) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  if (hub_.log().enabled(level)) {
    hub_.log().write(level, "MQTT connection closed",
                     {{"device", device_.name()},
                      {"peer", peer_address_},
                      {"reason", reason},
                      {"topic", hub::shown(topic)}});
  }
  publish_will(now);
  receiving_ = false;
  in_flight_.clear();
  receiver_.close(now);
  presence_.close(now);
}

// ---- output, deadlines --------------------------------------------------------------------------

std::string_view Session::output() const { return std::string_view(output_).substr(output_begin_); }

void Session::consume_output(std::size_t size) {
  HUB_ASSERT(size <= output_size());
  output_begin_ += size;
  if (output_begin_ < output_.size()) {
    if (output_begin_ > output_sent_max && output_begin_ > output_.size() / 2) {
      output_.erase(0, output_begin_);
      output_begin_ = 0;
    }
    return;
  }
  output_begin_ = 0;
  if (output_.capacity() > output_capacity_kept) {
    std::string{}.swap(output_);
  } else {
    output_.clear();
  }
}

bool Session::output_promises() const { return output() != "\xD0\0"sv; }  // a PINGRESP alone
bool Session::wants_input() const { return output_size() < output_bytes_max; }

std::optional<TimePoint> Session::next_deadline() const {
  if (state_ == State::closed) return std::nullopt;
  TimePoint next = std::min(last_input_ + input_timeout_, token_deadline_);
  if (const auto lost = in_flight_.next_lost(now_)) next = std::min(next, *lost);
  if (output_held_up_ && wants_input()) next = std::min(next, now_);  // go on delivering at once
  return next;
}

}  // namespace mqtt
