#pragma once
// HubErrc -> AMQP condition: A-36, spec/c2d.md 2.6, spec/amqp.md 3.7. And what to do about each,
// for the log.
#include <string>
#include <string_view>

#include "emulator/core/base/error.hpp"

namespace amqp {

struct WireError {
  const char* condition;
  std::string description;
};

const char* condition_of(hub::HubErrc code);
std::string_view remedy_of(hub::HubErrc code);
// With a description that names the hub's error; of a refused login it says no more than that (the
// reason is for the log).
WireError to_wire(const hub::HubError& error);

}  // namespace amqp
