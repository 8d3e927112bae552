// scenarios: one list of scenarios, run over each transport against any hub.
//
//   scenarios --connection-string
//   "HostName=...;SharedAccessKeyName=iothubowner;SharedAccessKey=..."
//
// Works by the connection string alone, makes devices of random ids ("scenario-...") and deletes
// them. It reads the hub's feedback, which is one stream: give it a hub where nobody else waits for
// feedback. Against an emulator --control-port says so; more is expected then (how much telemetry
// arrived), and limits are shorter. Writes TAP; exit 0 when nothing failed and something ran.
#include "tests/e2e/scenarios/scenario.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>

namespace {

using namespace scenarios;

struct Options {
  std::string connection_string;
  std::vector<std::string> transports;
  std::vector<std::string> words;
  Target target;
};

struct Counts {
  unsigned passed = 0, failed = 0, skipped = 0;
};

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (const auto& part : {message_scenarios(), settlement_scenarios(), feedback_scenarios(),
                           login_scenarios(), cut_scenarios()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

bool wanted(const Scenario& scenario, const std::vector<std::string>& words) {
  return words.empty() || std::any_of(words.begin(), words.end(), [&](const std::string& word) {
           return scenario.name.find(word) != std::string_view::npos;
         });
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// A number sign would begin a TAP directive.
std::string plain(std::string text) {
  std::replace(text.begin(), text.end(), '#', ' ');
  return text;
}

void run(const Scenario& scenario, const Target& target, TransportKind transport, Counts& counts) {
  const auto number = counts.passed + counts.failed + counts.skipped + 1;
  const auto name = plain(std::string{to_string(transport)} + ": " + std::string{scenario.name});
  const auto before = iothub::now();
  std::string failure;
  try {
    Bench bench{target, transport};
    scenario.run(bench);
  } catch (const Skip& skip) {
    ++counts.skipped;
    std::cout << "ok " << number << " - " << name << " # SKIP " << skip.what() << std::endl;
    return;
  } catch (const iothub::Error& error) {
    failure = error.line();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  ++(failure.empty() ? counts.passed : counts.failed);
  std::cout << (failure.empty() ? "ok " : "not ok ") << number << " - " << name << '\n'
            << "# " << (iothub::now() - before).count() << " ms" << std::endl;
  if (!failure.empty()) std::cout << "# failed: " << one_line(failure) << std::endl;
}

std::vector<TransportKind> chosen_transports(const std::vector<std::string>& names) {
  using enum TransportKind;
  std::vector<TransportKind> chosen;
  for (const auto kind : {mqtt, mqtt_ws, amqp, amqp_ws, https}) {
    const std::string name{to_string(kind)};
    if (names.empty() || std::find(names.begin(), names.end(), name) != names.end()) {
      chosen.push_back(kind);
    }
  }
  return chosen;
}

int run_all(const Options& options) {
  Counts counts;
  std::cout << "TAP version 13\n# seed " << options.target.seed << std::endl;
  for (const auto transport : chosen_transports(options.transports)) {
    for (const auto& scenario : all_scenarios()) {
      if (wanted(scenario, options.words)) run(scenario, options.target, transport, counts);
    }
  }
  std::cout << "1.." << counts.passed + counts.failed + counts.skipped << "\n# pass "
            << counts.passed << "\n# fail " << counts.failed << "\n# skipped " << counts.skipped
            << std::endl;
  return counts.failed == 0 && counts.passed > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.target.seed = std::random_device{}();
  CLI::App app{"Runs one list of scenarios over each transport against any IoT hub.", "scenarios"};
  app.add_option("words", options.words, "Only scenarios with one of these in their name");
  app.add_option("--connection-string", options.connection_string, "Of the hub (iothubowner)")
      ->envname("IOTHUB_REAL_CONNECTION_STRING")
      ->required();
  app.add_option("--transport", options.transports, "Only these; repeatable")
      ->check(CLI::IsMember({"mqtt", "mqtt-ws", "amqp", "amqp-ws", "https"}));
  app.add_option("--ca", options.target.ca_file, "CA certificates to trust beside the default");
  app.add_option("--mqtts-port", options.target.ports.mqtts, "default 8883");
  app.add_option("--amqps-port", options.target.ports.amqps, "default 5671");
  app.add_option("--https-port", options.target.ports.https, "default 443");
  app.add_option("--control-port", options.target.control_port,
                 "Of the emulator that this hub is; without it: the real hub");
  app.add_option("--seed", options.target.seed, "Chooses the cuts; printed, default random");
  app.add_option("--cuts", options.target.cuts_max, "Cuts per scenario at most, default 24");
  app.add_option("--patience", options.target.patience, "Factor on every limit, default 1");
  app.add_flag("--long", options.target.takes_long, "Scenarios of more than a minute too");
  app.footer(
      "Example, the emulator:\n  scenarios --connection-string \"$CS\" --ca ca.pem "
      "--control-port 9400 --transport amqp abandon");
  CLI11_PARSE(app, argc, argv);
  try {
    options.target.connection = iothub::ConnectionString::parse_service(options.connection_string);
    return run_all(options);
  } catch (const iothub::Error& error) {
    std::cerr << error.line() << '\n';
    return 2;
  }
}
