#pragma once
// Notices that the machine's clock was set. The hub keeps to the time that it started with
// (C2D-40), so that whoever makes tokens by the machine's clock may be refused from then on: that
// is said, here and to them (C2D-50).
#include "emulator/core/hub/hub.hpp"
#include "protocols/net/io_thread.hpp"

namespace app {

class ClockWatch {
 public:
  // All outlive it. Looks now and then on `thread`, and lives there.
  ClockWatch(hub::Hub& hub, hub::Clock& clock, hub::Log& log, net::IoThread& thread);
  void look();  // warns once for each time that the clock was set

 private:
  void wait();

  hub::Hub& hub_;
  hub::Clock& clock_;
  hub::Log& log_;
  net::Timer timer_;
  hub::Duration told_{0};
};

}  // namespace app
