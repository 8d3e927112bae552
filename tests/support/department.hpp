#pragma once
// What a department is built upon, without a hub: a monitor, the registry, and a clock that only
// the test moves.
#include "emulator/core/admission/admission.hpp"
#include "emulator/core/registry/registry.hpp"
#include "tests/support/capturing_log.hpp"
#include "tests/support/print_result.hpp"

#include <string>
#include <vector>

namespace test {

using namespace std::chrono_literals;

struct Ground {
  explicit Ground(hub::Settings given = {}) : settings(given) {}

  hub::DeviceView create(std::string device, std::string module = {}) {
    hub::DeviceSpec spec;
    spec.id = {std::move(device), std::move(module)};
    return *registry.create(spec, now);
  }
  // What was staged of this kind; all that is staged is taken.
  template <class Fact>
  std::vector<Fact> staged() {
    std::vector<Fact> out;
    for (const hub::Change& change : monitor.take_changes().first) {
      if (const auto* fact = std::get_if<Fact>(&change)) out.push_back(*fact);
    }
    return out;
  }

  hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);
  hub::Settings settings;
  hub::Limits limits;
  hub::SeededIdSource ids{42};
  CapturingLog log;
  hub::Monitor monitor{log, now, true};
  hub::Admission admission{monitor, settings};
  hub::Registry registry{monitor, ids, limits.devices_max};
};

}  // namespace test
