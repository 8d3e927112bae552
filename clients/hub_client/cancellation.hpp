#pragma once
// How a caller ends a wait from outside, another thread or a signal handler included: the clients
// ask a function of the caller's, in the calling thread, about every 100 ms of every wait (name
// look-up, connect, handshake, send, receive, back-off). What needs no waiting is done even when it
// answers true, so a message in hand can still be settled and a connection closed politely.
#include "clients/hub_client/time.hpp"

#include <functional>

namespace iothub {

// Empty: nothing is ever cancelled. Usually reads an std::atomic<bool>. Must not throw.
using Cancelled = std::function<bool()>;

inline constexpr Duration kCancelSlice{100};

inline bool is_cancelled(const Cancelled& cancelled) { return cancelled && cancelled(); }

// Sleeps. Error cancelled.
void pause(Duration duration, const Cancelled& cancelled);

}  // namespace iothub
