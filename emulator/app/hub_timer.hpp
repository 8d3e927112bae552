#pragma once
// Calls hub.monitor().on_time() when something becomes due, so that expiry and feedback need no
// traffic.
#include "emulator/core/hub/hub.hpp"
#include "protocols/net/io_thread.hpp"

#include <memory>

namespace app {

class HubTimer {
 public:
  // All outlive it. Lives on `thread`, like what it does.
  HubTimer(hub::Hub& hub, net::IoThread& thread);
  ~HubTimer();
  HubTimer(const HubTimer&) = delete;
  HubTimer& operator=(const HubTimer&) = delete;

 private:
  class State;
  hub::Hub& hub_;
  std::shared_ptr<State> state_;
};

}  // namespace app
