#pragma once
// When to try again: exponential backoff with jitter, so that a fleet cut off at once does not come
// back at once.
#include "clients/hub_client/time.hpp"

#include <cstdint>

namespace iothub {

struct RetryPolicy {
  Duration first{100};
  Duration longest{10'000};
  unsigned attempts = 30;  // in a row, without a connection between; about four minutes
};

// The waits of one outage. `random` is any number, one per call.
class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy) {}

  // True while another attempt is allowed.
  bool may_retry() const { return attempt_ < policy_.attempts; }

  // The wait before the next attempt: doubled each time, cut to `longest`, then 75 to 125 % of it.
  Duration next(std::uint32_t random);

  void reset() { attempt_ = 0; }

 private:
  RetryPolicy policy_;
  unsigned attempt_ = 0;
};

}  // namespace iothub
