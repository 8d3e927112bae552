// Flags, environment and the file of --config. The first byte says which of them the rest is.
#include "emulator/app/config.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/memory_file.hpp"
#include "tests/fuzz/support/target.hpp"

namespace {

using namespace fuzz;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text = end == text.npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

// What is printed can be read, and says the same; but for a key or a token, which are not printed.
void check_printed(const app::Config& config) {
  const std::string printed = app::to_json(config);
  if (!config.key.empty() || !config.control_token.empty()) return;
  const MemoryFile file(printed);
  const auto again = app::parse_invocation({"--config", file.path()}, {});
  const auto* invocation = std::get_if<app::Invocation>(&again);
  HUB_ASSERT(invocation != nullptr);
  HUB_ASSERT(app::to_json(invocation->config) == printed);
}

}  // namespace

FUZZ_TARGET(config_file) {
  Input in(input);
  const auto kind = in.byte() % 3;
  const MemoryFile file(kind == 0 ? in.rest() : std::string_view("{}"));
  std::vector<std::string> arguments{"--config", file.path()}, environment;
  if (kind == 1) {
    for (auto& line : lines_of(in.rest())) {
      if (!line.starts_with("--config")) arguments.push_back(std::move(line));
    }
  }
  if (kind == 2) {
    for (auto& line : lines_of(in.rest())) environment.push_back("IOTHUB_EMULATOR_" + line);
  }
  const auto result = app::parse_invocation(arguments, environment);
  if (const auto* error = std::get_if<app::ConfigError>(&result)) {
    HUB_ASSERT(!error->line.empty());
  } else if (const auto& invocation = std::get<app::Invocation>(result);
             invocation.action == app::Action::serve) {
    check_printed(invocation.config);
  }
}
