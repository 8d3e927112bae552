#pragma once
// The options that both tools take, and how they become ClientOptions.
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/options.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace iothub::cli {

struct CommonOptions {
  std::string connection_string;
  std::string transport;
  std::string output = "text";
  std::string ca_file;
  Duration token_ttl{3'600'000};
  Duration connect_timeout{20'000};
  Ports ports;

  bool json() const { return output == "json"; }
};

// Adds them to the tool itself, so that they may stand before or after the command.
void add_common_options(CLI::App& app, CommonOptions& options, const char* environment_variable,
                        const std::vector<std::string>& transports);

// An option whose value is a duration such as 30s.
CLI::Option* add_duration(CLI::App& app, const std::string& name, Duration& target,
                          const std::string& description);
CLI::Option* add_duration(CLI::App& app, const std::string& name, std::optional<Duration>& target,
                          const std::string& description);

// --property k=v, repeatable.
void add_properties(CLI::App& app, Properties& target);

// The system properties that both directions have; `created_now`: creation-time-utc is asked for.
void add_system_properties(CLI::App& app, Message& target, bool& created_now);

// Connection string not parsed in: the tools differ there.
ClientOptions client_options(const CommonOptions& common, ConnectionString connection);

// The connection string, parsed by `parse`; a usage error when there is none or it is malformed.
ConnectionString connection_string(const CommonOptions& common, const char* environment_variable,
                                   ConnectionString (*parse)(std::string_view));

}  // namespace iothub::cli
