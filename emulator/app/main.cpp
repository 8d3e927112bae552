// The command iothub-emulator: what it prints and what it exits with (contract.md 2).
#include "emulator/app/bind_capability.hpp"
#include "emulator/app/config.hpp"
#include "emulator/app/descriptor_table.hpp"
#include "emulator/app/file_io.hpp"
#include "emulator/app/health.hpp"
#include "emulator/app/last_words.hpp"
#include "emulator/app/line_writer.hpp"
#include "emulator/app/log_spdlog.hpp"
#include "emulator/app/server.hpp"
#include "emulator/app/start_report.hpp"
#include "emulator/app/system_clock.hpp"
#include "emulator/app/version.hpp"
#include "emulator/core/base/printable.hpp"

#include <chrono>
#include <csignal>
#include <iostream>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace {

// A file or socket that is opened later must not get their numbers: the log would be written into
// it.
void hold_standard_descriptors() {
  int fd = 0;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

// Whole, before anything else happens; if nobody reads, it is there for whoever does later.
void say_on_stdout(const std::string& lines) {
  app::LineWriter(STDOUT_FILENO, [](std::size_t) { return std::string(); }).write(lines);
}

int serve(const app::Invocation& invocation, std::chrono::steady_clock::time_point begin) {
  const app::Config& config = invocation.config;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ,
              SIG_IGN);  // a file at the limit of its size is a full disk: the write fails (ST-13)
  app::make_descriptor_table();
  app::raise_bind_capability();
  app::SpdlogLog log(config.log_level, config.log_format);
  const app::LastWords last_words(log);
  for (const auto& warning : invocation.warnings) log.warn(warning);
  app::SystemClock clock;
  app::Server server(config, log, clock);
  if (!config.ready_file.empty()) {
    try {
      // It holds keys.
      app::write_file_atomically(config.ready_file, app::ready_file_json(server.report()), 0600);
    } catch (const std::exception& error) {
      throw app::StartError(1, std::string("--ready-file: ") + error.what());
    }
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  say_on_stdout(app::start_block(server.report()) + "ready in " +
                std::to_string(std::chrono::ceil<std::chrono::milliseconds>(took).count()) +
                " ms\n");
  return server.run();
}

int run(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  const auto begin = std::chrono::steady_clock::now();
  const auto parsed = app::parse_invocation(arguments, environment);
  if (const auto* error = std::get_if<app::ConfigError>(&parsed)) {
    throw app::StartError(2, error->line);
  }
  const auto& invocation = std::get<app::Invocation>(parsed);
  switch (invocation.action) {
    case app::Action::help:
      std::cout << invocation.help;
      return 0;
    case app::Action::version: {
      const auto [number, commit, build] = app::version();
      std::cout << "iothub-emulator " << number << " (" << commit << ", " << build << ")\n";
      return 0;
    }
    case app::Action::print_config:
      std::cout << app::to_json(invocation.config);
      return 0;
    case app::Action::health:
      if (const auto fault = app::health_fault(invocation.config)) throw app::StartError(1, *fault);
      return 0;
    case app::Action::serve:
      break;
  }
  return serve(invocation, begin);
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.emplace_back(*variable);
  try {
    return run({argv + 1, argv + argc}, environment);
  } catch (const app::StartError& error) {
    app::say_on_stderr(hub::printable(error.what()));
    return error.exit_code;
  } catch (const std::bad_alloc&) {
    app::say_on_stderr("out of memory at the start; give the process more");
    return 1;
  } catch (const std::exception& error) {
    app::say_on_stderr(hub::printable(error.what()));
    return 1;
  }
}
