#pragma once
// What the emulator is started with (contract.md 2). Every option is a flag (--mqtts-port), an
// environment variable (IOTHUB_EMULATOR_MQTTS_PORT) and a key of the config file ("mqtts-port");
// the earlier in this order wins, then the default. A list (--san) is replaced as a whole; settings
// (--set) are merged by name. In the environment both are separated by commas.
#include "emulator/core/base/log.hpp"
#include "emulator/core/settings/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace app {

inline constexpr std::string_view well_known_key = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";

using Port = std::optional<std::uint16_t>;  // nullopt: no listener; 0: any that is free

inline constexpr std::size_t threads_max = 64;

enum class LogFormat : std::uint8_t { text, json };

struct Config {
  std::string hub = "localhost";
  std::string listen = "127.0.0.1";
  Port mqtts_port = 8883, amqps_port = 5671, https_port = 443;
  Port mqtt_port, amqp_port, http_port;
  Port control_port = 9400;
  std::string control_listen = "127.0.0.1";
  std::string control_token;  // or file:PATH; empty: none is asked for
  std::vector<std::string> control_hosts;
  std::string control_cors;       // empty: no page of another origin
  std::size_t threads = 1;        // of connections, 1 to threads_max
  std::string data;               // empty: in memory
  std::string tls_dir;            // empty: DIR/tls of data, else the user's state folder
  std::string tls_cert, tls_key;  // files; both or none
  std::vector<std::string> sans;
  std::vector<std::string> device_cas;  // files
  std::string key;                      // empty: see effective_key in server.hpp
  std::string seed;
  std::vector<std::pair<std::string, std::string>> settings;  // each accepted by hub::Settings
  std::string ready_file;
  hub::LogLevel log_level = hub::LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

enum class Action : std::uint8_t { serve, print_config, version, help, health };

struct Invocation {
  Action action = Action::serve;
  Config config;
  std::string help;                   // for Action::help
  std::vector<std::string> warnings;  // for the log
};

struct ConfigError {
  std::string line;  // names the flag, variable or key, and what is wrong
};

// `environment`: all variables, as NAME=VALUE. Reads the file of --config, nothing else.
std::variant<Invocation, ConfigError> parse_invocation(const std::vector<std::string>& arguments,
                                                       const std::vector<std::string>& environment);

// As JSON, in the form of a config file; a key that is not the well-known one is not shown.
std::string to_json(const Config& config);

bool is_loopback(std::string_view address);
bool is_control_token(std::string_view text);  // may be sent in a header

}  // namespace app
