#include "clients/hub_client/transports/name_lookup.hpp"

#include "clients/hub_client/error.hpp"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <netdb.h>
#include <sys/socket.h>

namespace iothub {

Addresses system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    // A machine with nothing but its loopback has no "configured" address at all.
    hints.ai_flags = 0;
    error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  }
  if (error != 0) return {{}, gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner{list, freeaddrinfo};
  Addresses out;
  for (const auto* at = list; at != nullptr; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) ==
        0) {
      out.numeric.emplace_back(text);
    }
  }
  return out;
}

std::optional<Addresses> look_up(const std::string& host, const Deadline& deadline,
                                 const Cancelled& cancelled, Lookup lookup) {
  struct State {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Addresses> addresses;
  };
  const auto state = std::make_shared<State>();
  std::thread{[state, host, lookup = std::move(lookup)] {
    auto found = lookup(host);
    const std::lock_guard lock{state->mutex};
    state->addresses = std::move(found);
    state->ready.notify_all();
  }}.detach();

  std::unique_lock lock{state->mutex};
  for (;;) {
    const auto left = deadline.remaining();
    const auto wait = cancelled ? std::min(left, kCancelSlice) : left;
    if (state->ready.wait_for(lock, wait, [&] { return state->addresses.has_value(); })) {
      return std::move(state->addresses);
    }
    if (is_cancelled(cancelled)) {
      throw Error{ErrorKind::cancelled, "the look-up of " + host + " was cancelled"};
    }
    if (deadline.passed()) return std::nullopt;
  }
}

}  // namespace iothub
