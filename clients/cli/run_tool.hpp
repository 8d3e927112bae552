#pragma once
// What both tools do around their commands: parse, catch, exit codes, Ctrl-C.
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

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

// SIGINT and SIGTERM set a flag, which every wait of the clients asks; the second one kills.
void stop_on_signals();
bool stop_requested();

// "sent 20 of 50" on stderr, over and over in one line, if that is a terminal.
void show_progress(std::string_view done_what, std::uint64_t done, std::uint64_t total);

}  // namespace iothub::cli
