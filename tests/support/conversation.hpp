#pragma once
// What both sides of a test's connection said, written down for tests/dissect/check: only when
// HUB_CONVERSATIONS names a folder. A line for each piece: number of the connection, ">" from the
// client or "<" from the hub, bytes in hex.
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "emulator/core/base/encoding.hpp"

namespace test {

class Conversation {
 public:
  explicit Conversation(const char* protocol) : protocol_(protocol) {}
  void client(std::string_view bytes) { write(" > ", bytes); }
  void hub(std::string_view bytes) { write(" < ", bytes); }

 private:
  void write(const char* mark, std::string_view bytes) const {
    static const char* folder = std::getenv("HUB_CONVERSATIONS");
    if (folder == nullptr || bytes.empty()) return;
    std::ofstream file(std::string(folder) + "/" + protocol_, std::ios::app);
    file << number_ << mark << hub::hex_encode(bytes) << "\n";
  }
  static int next_number() {
    static int last = 0;
    return ++last;
  }

  const char* protocol_;  // a literal
  int number_ = next_number();
};

}  // namespace test
