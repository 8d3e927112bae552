#pragma once
#include "emulator/app/config.hpp"

namespace app {

// Asks GET /health of the instance on config.control_port; a few seconds at most. For containers,
// whose images have no curl.
bool is_healthy(const Config& config);

}  // namespace app
