#pragma once
// A protocol without a socket: bytes and time in, bytes and deadlines out. A SessionShell drives
// any Session, all on one thread at a time, and has the order of calls; take_upgrade() comes right
// behind each on_bytes(). A Session never reads a clock, never blocks and never throws. What it
// writes leaves only when all that the hub had staged by then is committed; a Session need not
// know, but may say that an answer promises nothing.
#include "emulator/core/access/auth.hpp"
#include "emulator/core/base/time.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace protocols {

using hub::TimePoint;

// The most that a session keeps of a peer whom the hub has not authorised yet (N-49). AMQP needs
// it: the sessions that a pool of a thousand devices begins before its first token. HTTPS keeps a
// head, MQTT a CONNECT.
inline constexpr std::size_t stranger_bytes_max = 4 * 1024 * 1024;

class Session;

// A WebSocket upgrade that the HTTP session has accepted: net answers 101 and hands the connection
// to a new session.
struct Upgrade {
  std::string request_head;        // the request as received, up to and with the empty line
  std::string leftover;            // bytes behind it that were already read
  std::string subprotocol;         // "mqtt" or "AMQPWSB10": which session comes next
  std::string echoed_subprotocol;  // in the client's spelling, for the 101 (M-02)
};

class Session {
 public:
  virtual ~Session() = default;

  virtual void on_bytes(std::string_view bytes, TimePoint now) = 0;  // takes all of them
  virtual void on_wake(TimePoint now) = 0;         // the hub has something, or closed something
  virtual void on_time(TimePoint now) = 0;         // next_deadline() has passed; may be early
  virtual void on_peer_closed(TimePoint now) = 0;  // nothing can be written any more
  virtual void on_shutdown(TimePoint now) = 0;     // say goodbye politely, then wants_close()
  // What an answer costs and nobody but its reader waits for. Others whom the calls above have
  // woken are served before it (N-33), so it is no part of them.
  virtual void end_turn(TimePoint /*now*/) {}

  virtual std::string_view output() const = 0;  // valid until the next call
  virtual void consume_output(std::size_t size) = 0;
  // Not again a time that has passed, if on_time() finds nothing to do then (N-47).
  virtual std::optional<TimePoint> next_deadline() const = 0;
  virtual bool wants_close() const = 0;  // once output() is empty

  // False: nothing in output() depends on what the hub holds, so it does not wait for the store
  // (N-46).
  virtual bool output_promises() const { return true; }
  // False: stop reading until it is true again after a later call (back-pressure, M-23).
  virtual bool wants_input() const { return true; }
  virtual std::optional<Upgrade> take_upgrade() { return std::nullopt; }
};

// What net knows of the other side when the session is made.
struct PeerInfo {
  std::string address;  // for the log
  bool encrypted = false;
  bool websocket = false;
  std::string server_name;  // SNI, may be empty
  std::optional<hub::ClientCertificate> certificate;
};

}  // namespace protocols
