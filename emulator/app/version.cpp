#include "emulator/app/version.hpp"

namespace app {

Version version() { return {HUB_VERSION, HUB_COMMIT, HUB_BUILD_TYPE}; }

}  // namespace app
