#include "clients/cli/run_tool.hpp"

#include "clients/hub_client/error.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <iostream>

#include <unistd.h>

namespace iothub::cli {
namespace {

volatile std::sig_atomic_t g_stop = 0;

void on_signal(int signal) {
  g_stop = 1;
  std::signal(signal, SIG_DFL);
}

// The command as far as it was understood, e.g. "iothub-service device".
std::string chosen(const CLI::App& app) {
  std::string words = app.get_name();
  for (const auto* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    words += " " + at->get_name();
  }
  return words;
}

}  // namespace

int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& command) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed socket is an error code, not the end of the program
  try {
    app.parse(argc, argv);
    return command();
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success) == 0 ? exit_done : exit_usage;
  } catch (const CLI::ParseError& error) {
    // CLI11 misses a required command before it sees that a word is none.
    const auto unknown = app.remaining(true);
    std::cerr << app.get_name() << ": "
              << (unknown.empty() ? error.what() : "unknown argument '" + unknown.front() + "'")
              << " (see " << chosen(app) << " --help)\n";
    return exit_usage;
  } catch (const UsageError& error) {
    std::cerr << app.get_name() << ": " << error.what() << "\n";
    return exit_usage;
  } catch (const Error& error) {
    std::cerr << app.get_name() << ": " << error.line() << "\n";
    return exit_failed;
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << error.what() << "\n";
    return exit_failed;
  }
}

void stop_on_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool stop_requested() { return g_stop != 0; }

void show_progress(std::string_view done_what, std::uint64_t done, std::uint64_t total) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  if (!terminal || total < 2) return;
  std::cerr << "\r" << done_what << " " << done << " of " << total << (done == total ? "\n" : "")
            << std::flush;
}

}  // namespace iothub::cli
