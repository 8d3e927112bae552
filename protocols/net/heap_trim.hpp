#pragma once
// Gives memory back to the system when many connections have come or gone and it is quiet again
// (N-32). What they needed for a moment, TLS handshakes above all, lies between what stays, and the
// allocator would keep it.
#include "protocols/net/deadlines.hpp"

#include <cstddef>
#include <functional>

namespace net {

void trim_heap();  // where the C library can; that of the whole process

class HeapTrim final : public Deadlines::Owner {
 public:
  static constexpr std::size_t worth_it = 256;  // connections
  static constexpr std::chrono::nanoseconds quiet = std::chrono::seconds{1};

  explicit HeapTrim(Deadlines& deadlines, std::function<void()> trim = trim_heap,
                    std::chrono::nanoseconds quiet_time = quiet)
      : deadlines_(deadlines), trim_(std::move(trim)), quiet_(quiet_time) {}

  // A connection has come or gone.
  void note() {
    if (++changes_ >= worth_it) deadlines_.set(*this, quiet_);
  }

 private:
  void on_deadline() override {
    changes_ = 0;
    trim_();
  }

  Deadlines& deadlines_;
  const std::function<void()> trim_;
  const std::chrono::nanoseconds quiet_;
  std::size_t changes_ = 0;
};

}  // namespace net
