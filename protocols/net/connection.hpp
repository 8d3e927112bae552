#pragma once
// One session on one stream: the loop of style.md rule 4. Read, feed the session, wait until what
// the hub staged is committed, then write once. The order of a session's calls is SessionShell's.
//
//   handshaking --(TLS, 101)--> open --(next: close)--> closing --> gone
//        ^                       |
//        +-----(next: upgrade)---+
//
// It owns itself from start() until it is gone, lives on one IoThread and is driven by what happens
// there: the stream, the timer, and wakers, which any thread may fire and which only put it in
// line. Each event reads the clock once, and ends with at most one wait for input, one for output,
// one timer. N-33: whoever its input has woken is served before it is answered.
#include "protocols/net/stream.hpp"
#include "protocols/session_shell.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace net {

// Makes the session for a protocol: a listener's ("mqtt", "amqp", "http", "control") or that of an
// upgrade (its subprotocol). nullptr: there is none of that name.
using SessionFactory = std::function<std::unique_ptr<protocols::Session>(
    std::string_view protocol, protocols::PeerInfo peer, hub::Waker waker, hub::TimePoint now)>;

// What all connections of a listener share.
struct Service {
  std::string protocol;
  SessionFactory make_session;
  ConnectionLimits limits;
};

class Connection final : public StreamOwner,
                         public Deferred,
                         public ConnectionHook,
                         public Deadlines::Owner,
                         public std::enable_shared_from_this<Connection> {
 public:
  static void start(IoThread& thread, std::shared_ptr<Stream> stream,
                    std::shared_ptr<const Service> service);

  // For start(); use that.
  Connection(IoThread& thread, std::shared_ptr<Stream> stream,
             std::shared_ptr<const Service> service);

  void end(protocols::Ending how) override;

 private:
  enum class State : std::uint8_t { handshaking, open, closing, gone };
  class WakeTarget;

  void on_readable() override;
  void on_writable() override;
  void on_deadline() override;
  void run() override;  // woken
  void turn();
  void shut_down();

  void shake_hands(hub::TimePoint now);
  bool make_session(std::string_view protocol, hub::TimePoint now);
  void hold_back();  // reads again when the store has caught up
  void read(hub::TimePoint now);
  void warn(std::string_view event, std::string_view reason);
  void tell_if_left_at_once();
  void wait_for_commit(std::uint64_t sequence);
  void flush(hub::TimePoint now);
  void end_turn(hub::TimePoint now);
  void upgrade(hub::TimePoint now);

  void begin_closing(hub::TimePoint now);
  void drain();
  void lose(hub::TimePoint now, std::string_view why);
  void finish();

  void wait_for_input();
  void wait_for_room();
  void post_turn();
  void arm(hub::TimePoint now);

  IoThread& thread_;
  std::shared_ptr<const Service> service_;
  std::shared_ptr<Stream> stream_;
  std::optional<protocols::SessionShell> shell_;  // while there is a session
  std::shared_ptr<WakeTarget> wake_;
  std::shared_ptr<Connection> self_;  // until it is gone
  static constexpr hub::TimePoint never = hub::TimePoint::max();
  hub::TimePoint armed_for_ = never;
  hub::TimePoint own_deadline_ = never;  // of the handshake, of a stalled write, of closing
  hub::Duration patience_;               // with a peer that has been told goodbye
  State state_ = State::handshaking;
  bool waiting_for_commit_ = false;
  bool held_back_ = false;
  bool waiting_for_input_ = false;
  bool waiting_for_room_ = false;
  bool turn_posted_ = false;
  bool heard_ = false;  // anything, since it was accepted
};

}  // namespace net
