#pragma once
#include <string_view>

namespace app {

// All set by CMake; commit is "unknown" outside a git checkout.
struct Version {
  std::string_view number;
  std::string_view commit;
  std::string_view build;  // CMake's build type
};
Version version();

}  // namespace app
