#pragma once
// What both tools do around their commands: parse, catch, exit codes, Ctrl-C.
#include "clients/hub_client/time.hpp"

#include <functional>
#include <stdexcept>
#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace iothub::cli {

enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_nothing_came = 3 };

// A mistake on the command line that CLI11 cannot see: one line on stderr, exit 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Parses, then calls `command`, which the chosen subcommand has set and which returns the exit
// code. Every error becomes one line on stderr that begins with the tool's name.
int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& command);

// SIGINT and SIGTERM set a flag; the second one kills, as usual.
void stop_on_signals();
bool stop_requested();

// Waits in slices, so that Ctrl-C is seen within a quarter of a second.
Duration slice(Duration remaining);

}  // namespace iothub::cli
