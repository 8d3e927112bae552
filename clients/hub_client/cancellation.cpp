#include "clients/hub_client/cancellation.hpp"

#include "clients/hub_client/error.hpp"

#include <algorithm>
#include <thread>

namespace iothub {

void pause(Duration duration, const Cancelled& cancelled) {
  const Deadline deadline{duration};
  do {
    if (is_cancelled(cancelled)) throw Error{ErrorKind::cancelled, "a wait was cancelled"};
    const auto left = deadline.remaining();
    std::this_thread::sleep_for(cancelled ? std::min(left, kCancelSlice) : left);
  } while (!deadline.passed());
}

}  // namespace iothub
