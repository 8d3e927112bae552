#pragma once
// Proton 0.37 writes message-format 0 into every transfer and has no call to change it. This
// changes it in the frames that Proton made, on their way out.
//   frame = size (4 bytes), offset (1), type (1), channel (2), body
//   transfer = 00 53 14, list of handle, delivery-id, delivery-tag, message-format, ...
#include <cstdint>
#include <string>
#include <string_view>

namespace iothub {

inline constexpr std::uint32_t kBatchFormat = 0x80013700;

class TransferFormat {
 public:
  explicit TransferFormat(std::uint32_t format) : format_(format) {}

  // Takes more of Proton's output, gives back the whole frames there are so far. A transfer grows
  // by a few bytes (below 16): leave that much room below the peer's max-frame-size.
  std::string stamp(std::string_view output);

 private:
  std::uint32_t format_;
  std::string partial_;
};

}  // namespace iothub
