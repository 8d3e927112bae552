#pragma once
// Notices that the store does not finish a commit, as on a disk that hangs: whoever waits for an
// answer, or is not read from (N-40), has nothing to go by but the log (N-41).
#include "emulator/core/base/log.hpp"
#include "protocols/commit_gate.hpp"
#include "protocols/net/io_thread.hpp"

#include <cstdint>

namespace app {

class StoreWatch {
 public:
  // All outlive it. Looks now and then on `thread`, and lives there.
  StoreWatch(const protocols::CommitGate& gate, hub::Log& log, net::IoThread& thread);
  void look();  // warns once when nothing was stored since the last look though something waited

 private:
  void wait();

  const protocols::CommitGate& gate_;
  hub::Log& log_;
  net::Timer timer_;
  std::uint64_t committed_ = 0;  // at the last look
  bool waited_ = false;          // something did, then
  bool told_ = false;
};

}  // namespace app
