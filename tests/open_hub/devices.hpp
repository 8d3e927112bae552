#pragma once
// A client id, or the name of a queue, as a device identity of the hub beneath; made at first use.
#include "emulator/core/hub/hub.hpp"

namespace open_hub {

inline constexpr std::string_view key = "b3Blbi1odWItb3Blbi1odWItb3Blbi1odWItb3Blbi0=";

hub::DeviceId device_for(hub::Hub& hub, std::string_view name, hub::TimePoint now);

}  // namespace open_hub
