#pragma once
// A running emulator: owns store, hub, committer, the I/O threads' contexts and the listeners, in
// this order, and ends them in the reverse one. Several may live in one process, one after the
// other or side by side on different ports.
#include "emulator/app/config.hpp"
#include "emulator/app/start_report.hpp"
#include "emulator/core/base/log.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/store/store.hpp"

#include <memory>
#include <stdexcept>
#include <string>

namespace app {

// The start failed; `what` is one line for people, with the remedy where there is one.
struct StartError : std::runtime_error {
  StartError(int code, const std::string& line) : std::runtime_error(line), exit_code(code) {}
  int exit_code;  // 1 or 2, as in contract.md 2
};

class Server {
 public:
  // Loads, makes certificates, binds every port; clients may connect from here on and are answered
  // once run() is called. `log` and `clock` outlive it. Throws StartError.
  Server(const Config& config, hub::Log& log, hub::Clock& clock);
  // The same with a store of the caller's instead of --data.
  Server(const Config& config, hub::Log& log, hub::Clock& clock, std::unique_ptr<hub::Store> store);
  ~Server();

  const StartReport& report() const;
  hub::Hub& hub();

  // Serves until request_stop(), SIGTERM or SIGINT, then says goodbye to every connection, for at
  // most a second and a half. The exit code: 0, or 1 if the store failed. What is thrown in there
  // is caught by nobody: half of a change must not be stored.
  int run() noexcept;
  void request_stop();  // any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace app
