#pragma once
// The emulator as a process of its own, with --data and any free ports.
#include "clients/hub_client/connection_string.hpp"
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/time.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace durability {

// How the emulator of a run is started, each time again.
struct Start {
  std::filesystem::path program;
  std::filesystem::path kill_at_write;  // kill_at_write.cpp as a library
  std::filesystem::path work;           // logs, certificates; the data folder is below it
  std::filesystem::path data;
  std::vector<std::string> flags;
};

class EmulatorProcess {
 public:
  // `order`: for kill_at_write.cpp, or empty.
  EmulatorProcess(const Start& start, const std::string& order);
  ~EmulatorProcess();  // kill -9 if it still runs

  EmulatorProcess(const EmulatorProcess&) = delete;
  EmulatorProcess& operator=(const EmulatorProcess&) = delete;

  // False when it ended, or was not ready in time.
  bool wait_ready(iothub::Duration limit);
  bool wait_end(iothub::Duration limit);  // false: it still runs
  void kill9();
  void terminate();                      // SIGTERM
  bool was_killed() const;               // ended by SIGKILL
  std::optional<int> exit_code() const;  // ended by itself
  std::string log() const;

  // Once ready.
  iothub::Duration ready_after() const { return ready_after_; }
  iothub::ClientOptions options() const;  // as the back end

 private:
  bool ended(iothub::Duration limit);

  std::filesystem::path log_file_, ready_file_;
  pid_t pid_ = -1;
  int pid_fd_ = -1;
  std::optional<int> status_;
  iothub::TimePoint started_at_;
  iothub::Duration ready_after_{};
  iothub::ClientOptions options_;
};

}  // namespace durability
