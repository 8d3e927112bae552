#include "clients/hub_client/retry.hpp"

#include <algorithm>

namespace iothub {

Duration Backoff::next(std::uint32_t random) {
  const unsigned doublings = std::min(attempt_, 20U);
  ++attempt_;
  const auto wait = std::min(policy_.first * (std::int64_t{1} << doublings), policy_.longest);
  return wait * static_cast<std::int64_t>(75 + random % 51) / 100;
}

}  // namespace iothub
