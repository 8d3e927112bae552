#pragma once
// What must be stored before output may leave (style.md rule 4: read, feed, commit, write).
// Implemented by app's committer; absent when the hub is in memory only.
#include "emulator/core/base/waker.hpp"

#include <cstdint>

namespace protocols {

class CommitGate {
 public:
  virtual ~CommitGate() = default;
  virtual std::uint64_t staged() const = 0;     // all changes the hub ever staged
  virtual std::uint64_t committed() const = 0;  // how many of them are on disk
  // `waker` fires once, from any thread, when committed() has reached `sequence`; at once if it
  // has.
  virtual void notify(std::uint64_t sequence, hub::Waker waker) = 0;
};

}  // namespace protocols
