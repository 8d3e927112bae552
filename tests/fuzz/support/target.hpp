#pragma once
// A fuzz target: one function that takes any bytes at all and must come back. What must never be
// true is a HUB_ASSERT in it. libfuzzer.cpp makes a fuzzer of one target (preset fuzz), and
// replay_test.cpp a test of all of them over the files that are kept (every other preset).
#include <string_view>
#include <vector>

namespace fuzz {

struct Target {
  std::string_view name;  // of its folders in corpus/ and crashes/
  void (*run)(std::string_view input);
};
std::vector<Target>& targets();  // those linked into this program

struct Registration {
  Registration(std::string_view name, void (*run)(std::string_view)) {
    targets().push_back({name, run});
  }
};

}  // namespace fuzz

#define FUZZ_TARGET(name)                                              \
  static void fuzz_##name(std::string_view input);                     \
  static const fuzz::Registration register_##name{#name, fuzz_##name}; \
  static void fuzz_##name(std::string_view input)
