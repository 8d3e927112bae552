#pragma once
// Looks at every frame before Proton does, for two reasons: Proton 0.37 hides the message format of
// a transfer, and when a peer breaks certain rules (a second begin on a channel, a handle
// attached twice, a first transfer without delivery-id, a transfer on a link that the hub sends on)
// it asserts, or keeps pointers to freed sessions and links; a missing mandatory field it takes for
// zero. Here those are errors of the peer. The largest frame that an open allows is handed
// out a little smaller: what Proton writes grows on its way out (FullLength).
//
//   stream = header [1*frame(type 1) header] *frame(type 0)     header = "AMQP" id 1 0 0
//   frame  = size:u32 doff:u8 type:u8 channel:u16 ext* [performative payload]
//
// Takes the stream in any pieces and hands out whole headers and frames; a partial one is kept.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace amqp {

class FrameGuard {
 public:
  static constexpr std::size_t frame_bytes_max = 65'536;         // what our open announces
  static constexpr std::size_t message_bytes_max = 1024 * 1024;  // then its link is closed
  // Bounds on what one peer can make us keep: sessions, links, and messages that have begun.
  // A thousand devices share a connection at most, each with a session and six links; what Proton
  // does for one session or link grows with the number of them.
  static constexpr std::size_t sessions_max = 1024;
  static constexpr std::size_t links_max = 6 * sessions_max;
  static constexpr std::size_t unfinished_bytes_max = 16 * 1024 * 1024;
  static constexpr std::uint32_t batch_format = 0x80013700;

  // Takes from the front of `input`. A header or frame, whole; empty: more is needed, or fault() is
  // set. The view holds until the next call, and no longer than the input it came in.
  std::string_view next(std::string_view& input);

  struct Fault {
    const char* condition = nullptr;  // nullptr: none
    std::string description;
    bool bad_header = false;  // no AMQP peer: answer with our own header, then close
  };
  const Fault& fault() const { return fault_; }

  std::size_t link_count() const { return link_count_; }  // that the peer has not detached
  // What all this keeps, here and in Proton, as far as the peer decides it: A-49.
  std::size_t held_bytes() const;
  // What the peer's open says it takes.
  std::size_t peer_frame_bytes_max() const { return peer_frame_bytes_max_; }
  bool in_sasl() const { return phase_ == Phase::sasl; }
  // Of the delivery that the transfer just handed out belongs to.
  std::uint32_t message_format() const { return message_format_; }

 private:
  struct IncomingLink {
    bool peer_receives = false;
    bool more = false;  // a delivery has begun and goes on in the next transfer
    std::uint32_t message_format = 0;
    std::size_t unfinished_bytes = 0;  // of that delivery; at most message_bytes_max are kept
    std::size_t attach_bytes = 0;
  };
  struct Channel {
    std::unordered_map<std::uint32_t, IncomingLink> links;  // by the peer's handle
  };
  class Fields;

  std::size_t unit_size(std::string_view begin);  // 0: cannot be told yet, or fault
  bool check(std::string_view& unit);
  bool check_header(std::string_view unit);
  bool check_performative(std::uint16_t channel, std::string_view& unit, std::size_t body_at);
  bool on_open(std::string_view& unit, Fields& fields);
  bool on_begin(std::uint16_t channel, Fields& fields);
  bool on_attach(std::uint16_t channel, Fields& fields, std::size_t frame_bytes);
  void forget(const IncomingLink& link);
  bool on_transfer(std::uint16_t channel, Fields& fields, std::size_t payload_bytes);
  bool on_detach(std::uint16_t channel, Fields& fields);
  bool fail(const char* condition, std::string description);

  enum class Phase : std::uint8_t { start, sasl, amqp };
  Phase phase_ = Phase::start;
  bool open_seen_ = false;
  std::string partial_;
  std::string whole_;  // a frame that came in pieces or was changed, while it is handed out
  std::size_t peer_frame_bytes_max_ = std::numeric_limits<std::size_t>::max();
  std::unordered_map<std::uint16_t, Channel> channels_;
  std::size_t link_count_ = 0;
  std::size_t unfinished_bytes_ = 0;  // of all links
  std::size_t attach_bytes_ = 0;      // of all links
  std::size_t open_bytes_ = 0;
  std::uint32_t message_format_ = 0;
  Fault fault_;
};

}  // namespace amqp
