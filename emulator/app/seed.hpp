#pragma once
// The file of --seed, or its text in place of a path: JSON, comments allowed, every part optional.
// An unknown key stops the start, and so does a device or policy that stands there twice.
//   {
//     "devices": [
//       {"id": "d1"},                                     keys are made; deviceId means id
//       {"id": "d2", "primaryKey": "BASE64", "secondaryKey": "BASE64",
//        "status": "disabled", "statusReason": "why"},
//       {"id": "d3", "primaryThumbprint": "HEX", "secondaryThumbprint": "HEX"},  self-signed X.509
//       {"id": "d1", "moduleId": "m", "primaryKey": "BASE64"}                    behind its device
//     ],
//     "policies": [                                       added, or instead of one of that name
//       {"name": "backend", "primaryKey": "BASE64", "secondaryKey": "BASE64",
//        "rights": ["RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"]}
//     ],
//     "settings": {"cloudToDevice.maxDeliveryCount": 3}   as --set, which goes before it
//   }
// A device that is there already (--data) is made to be as the seed says; what the seed does not
// mention stays.
#include "emulator/core/hub/hub.hpp"

#include <string>
#include <vector>

namespace app {

struct Seed {
  std::vector<hub::DeviceSpec> devices;
  std::vector<hub::SharedAccessPolicy> policies;
  hub::Settings settings;
};

// `text`: a path, or JSON if it starts with {. `settings`: those to start from. Throws
// std::runtime_error that names file, place and fault.
Seed load_seed(const std::string& text, const hub::Settings& settings);

void merge_policies(std::vector<hub::SharedAccessPolicy>& into,
                    const std::vector<hub::SharedAccessPolicy>& from);

// Throws std::runtime_error that names the device.
void seed_devices(hub::Hub& hub, const std::vector<hub::DeviceSpec>& devices, hub::TimePoint now);

}  // namespace app
