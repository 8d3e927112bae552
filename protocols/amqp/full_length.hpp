#pragma once
// Proton's frames as the real hub writes them: performatives with all their fields, those that say
// nothing as null. Proton leaves the last ones out, as it may, but strict readers index fields by
// position and fail. A begin says handle-max besides, which Proton cannot.
//
//   frame        = size:u32 doff:u8 type:u8 channel:u16 ext* performative payload
//   performative = %x00 %x53 code list      list = %x45 | %xc0 size:u8 count:u8 field*
//                                                | %xd0 size:u32 count:u32 field*
//
// What is no such frame, and what would become larger than frames may be, stays as it is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace amqp {

class FullLength {
 public:
  // What a transfer grows by at most. Proton is told of so much smaller frames (FrameGuard): the
  // frames of a message in several fill what the peer takes.
  static constexpr std::size_t growth_max = 8;
  static constexpr std::uint32_t handle_max = 262'143;

  // Appends `bytes`, the next of the stream that Proton writes, to `out`; a frame in pieces is kept
  // until it is whole. None becomes larger than `frame_bytes_max`, what the peer takes.
  void append(std::string& out, std::string_view bytes, std::size_t frame_bytes_max);

 private:
  std::string partial_;
};

}  // namespace amqp
