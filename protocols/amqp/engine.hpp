#pragma once
// Proton's C engine as a value: whole frames in, events out, one buffer of output.
// Order of calls: push, then next_event until null, then encode, again until neither has anything.
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "emulator/core/base/time.hpp"
#include "protocols/amqp/errors.hpp"
#include "protocols/amqp/full_length.hpp"
#include "protocols/amqp/proton_fwd.hpp"

namespace amqp {

class Engine {
 public:
  // The fields of our open.
  Engine(const std::string& container_id, const std::string& host_name);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  pn_transport_t* transport() const;
  pn_connection_t* connection() const;

  // What the peer's open says it takes.
  void set_frame_bytes_max(std::size_t size) { frame_bytes_max_ = size; }
  void push(std::string_view unit);  // one header or frame, as FrameGuard hands them out
  pn_event_t* next_event();          // valid until the next call
  // Puts everything queued so far into output(). Within one encoding Proton writes transfers before
  // dispositions; what must leave first is encoded first.
  void encode();
  // Runs Proton's idle timers; returns when to call again.
  std::optional<hub::TimePoint> tick(hub::TimePoint now);

  void begin(pn_session_t* session);  // the answer to the peer's
  // A close frame; an open before it, if there was none. Links are detached and sessions ended
  // before: after a close alone Node's client does that itself, and waits 45 s for the answers
  //
  void close(const WireError& error);
  void close_after_peer();                     // the peer's close, answered
  void refuse_header();                        // no AMQP 1.0 peer: our header is all the answer
  void peer_gone();                            // nothing can be written any more
  bool finished() const { return finished_; }  // nothing more will be encoded

  std::string_view output() const { return std::string_view(out_).substr(taken_); }
  std::size_t output_size() const { return out_.size() - taken_; }
  void consume_output(std::size_t size);

 private:
  std::unique_ptr<pn_connection_driver_t> driver_;
  FullLength full_length_;
  std::size_t frame_bytes_max_ = std::numeric_limits<std::size_t>::max();
  std::string out_;
  std::size_t taken_ = 0;
  bool finished_ = false;
};

// ---- small helpers over Proton's calls ---------------------------------------------------------

void detach(pn_link_t* link, const WireError& error);  // for good; freed when the peer has answered
void accept(pn_delivery_t* delivery);                  // accepted, settled
// rejected, settled; always with an error, without one Node takes it for success.
void reject(pn_delivery_t* delivery, const WireError& error);
// One whole message under `tag`; `settled`: it is not awaited.
void send(pn_link_t* link, std::string_view tag, std::string_view message, bool settled);

}  // namespace amqp
