// The file of --seed: read, and put into a hub.
#include "emulator/app/seed.hpp"
#include "tests/fuzz/support/memory_file.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

#include <stdexcept>

FUZZ_TARGET(seed_file) {
  const fuzz::MemoryFile file(input);
  try {
    auto seed = app::load_seed(file.path(), {});
    auto policies = hub::default_policies({});
    app::merge_policies(policies, seed.policies);
    fuzz::World world(seed.settings);
    app::seed_devices(world.hub, seed.devices, world.now);
    app::seed_devices(world.hub, seed.devices, world.now);  // once more changes nothing
  } catch (const std::runtime_error& error) {
    HUB_ASSERT(std::string_view(error.what()).size() > 0);
  }
}
