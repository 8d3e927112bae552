#pragma once
// What the core knows of storage. Implemented by storage/; called by app's committer thread only.
#include "emulator/core/store/change.hpp"

#include <span>

namespace hub {

class Store {
 public:
  virtual ~Store() = default;
  virtual Snapshot load() = 0;  // throws std::runtime_error; start-up only
  // One transaction, synced to disk when it returns. Throws std::runtime_error: the caller stops
  // the process, since what was staged can no longer be promised.
  virtual void apply(std::span<const Change> changes) = 0;
  virtual void check() {}  // is it there still, and ours? Throws as apply()
};

}  // namespace hub
