#pragma once
// Asks the control API of another process; a short time at most.
#include "emulator/app/config.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace app {

// Asks GET /health of the instance on config.control_port, for --health: containers have no curl.
// nullopt: it serves; else why it cannot be said to.
std::optional<std::string> health_fault(const Config& config);

// Is it an emulator whose control API listens there?
bool is_emulator(const std::string& address, std::uint16_t port);

}  // namespace app
