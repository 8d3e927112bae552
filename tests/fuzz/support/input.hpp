#pragma once
// A fuzzer's bytes as a sequence of small decisions. Past the end everything is 0 and empty.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fuzz {

class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint16_t u16() {
    const auto high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  bool flag() { return (byte() & 1) != 0; }
  // One length byte, then as many as there are of them.
  std::string_view text() { return take(byte()); }
  std::string_view take(std::size_t size) {
    const auto taken = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

}  // namespace fuzz
