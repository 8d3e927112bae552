// What libFuzzer calls, around the one target of its program.
#include "tests/fuzz/support/target.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
