#pragma once
// All choices of a run come from its seed.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>

namespace simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t count) { return engine_() % count; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace simulation
