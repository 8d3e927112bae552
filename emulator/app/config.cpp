#include "emulator/app/config.hpp"

#include "emulator/app/json_text.hpp"
#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/printable.hpp"
#include "emulator/core/base/spelling.hpp"
#include "emulator/core/settings/setting_list.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <arpa/inet.h>

namespace app {
namespace {

namespace json = boost::json;

constexpr std::string_view environment_prefix = "IOTHUB_EMULATOR_";
constexpr std::array log_levels{
    std::pair{std::string_view{"trace"}, hub::LogLevel::trace},
    std::pair{std::string_view{"debug"}, hub::LogLevel::debug},
    std::pair{std::string_view{"info"}, hub::LogLevel::info},
    std::pair{std::string_view{"warn"}, hub::LogLevel::warn},
    std::pair{std::string_view{"error"}, hub::LogLevel::error},
};

// What is wrong with a value; the caller adds where it came from.
struct BadValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Port parse_port(std::string_view text) {
  if (text == "off") return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw BadValue("is no port: 1 to 65535, 0 for any free one, or off");
  }
  return port;
}

std::size_t parse_threads(std::string_view text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 1 ||
      count > threads_max) {
    throw BadValue("is no number of threads: 1 to 64");
  }
  return count;
}

std::string parse_not_empty(std::string_view text) {
  if (text.empty()) throw BadValue("must not be empty");
  return std::string(text);
}

bool is_host_name(std::string_view text, std::string_view beside_letters) {
  const auto is_label = [&](std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), [&](unsigned char c) {
             return c < 0x80 &&
                    (std::isalnum(c) != 0 ||
                     beside_letters.find(static_cast<char>(c)) != std::string_view::npos);
           });
  };
  if (text.size() > 253) return false;
  for (;;) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// RFC 1123: it is written into connection strings, certificates and SASL user names.
std::string parse_host_name(std::string_view text) {
  if (!is_host_name(text, "-")) {
    throw BadValue(
        "is no host name: letters, digits and - in parts of 1 to 63, with dots between them; no "
        "port");
  }
  return std::string(text);
}

// What others call this machine; containers have names with an underscore, too.
std::string parse_other_name(std::string_view text) {
  if (!is_host_name(text, "-_")) {
    throw BadValue(
        "is no host name: letters, digits, - and _ in parts of 1 to 63, with dots between them; no "
        "port");
  }
  return std::string(text);
}

// What a certificate may be for: a name, perhaps with a wildcard as its first part, or an address.
std::string parse_certificate_name(std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  const std::string name(text);
  if (::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
      ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1) {
    return name;
  }
  parse_other_name(text.starts_with("*.") ? text.substr(2) : text);
  return name;
}

std::string parse_address(std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  const std::string address(text);
  if (address != "localhost" && ::inet_pton(AF_INET, address.c_str(), bytes.data()) != 1 &&
      ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) {
    throw BadValue("is no IP address, nor localhost");
  }
  return address;
}

std::string parse_key(std::string_view text) {
  const auto bytes = hub::base64_decode(text);
  if (!bytes || bytes->size() < 16 || bytes->size() > 64) {
    throw BadValue("is no key: 16 to 64 bytes in base64");
  }
  return std::string(text);
}

std::pair<std::string, std::string> parse_setting(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) throw BadValue("is no NAME=VALUE");
  const auto name = text.substr(0, equals), value = text.substr(equals + 1);
  hub::Settings scratch;
  if (const auto set = scratch.set(name, value); !set) throw BadValue(set.error().detail);
  return {std::string(name), std::string(value)};
}

hub::LogLevel parse_log_level(std::string_view text) {
  for (const auto& [name, level] : log_levels) {
    if (name == text) return level;
  }
  throw BadValue("is no level: trace, debug, info, warn, error");
}

std::string parse_control_token(std::string_view text) {
  if (!is_control_token(text))
    throw BadValue("is no token: printable ASCII without blanks, or file:PATH");
  return std::string(text);
}

// Scheme, host and port, as a browser says it: http://localhost:5173
std::string parse_origin(std::string_view text) {
  const auto colon = text.find("://");
  const auto host = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 3);
  if (!is_control_token(text) || colon == 0 || host.empty() ||
      host.find_first_of("/*?#@") != host.npos) {
    throw BadValue("is no origin, as http://localhost:5173");
  }
  return std::string(text);
}

LogFormat parse_log_format(std::string_view text) {
  if (text == "text") return LogFormat::text;
  if (text == "json") return LogFormat::json;
  throw BadValue("is no format: text or json");
}

// One option: its flag, and what a value does to a Config.
struct Option {
  std::string_view name;
  std::string_view placeholder;
  std::string_view help;
  void (*apply)(Config&,
                const std::vector<std::string>&);  // throws BadValue; one value unless list
  bool list = false;
  bool secret = false;  // the value is in no message
};

template <auto Member, auto Parse>
void assign(Config& config, const std::vector<std::string>& values) {
  config.*Member = Parse(values.back());
}

template <auto Member, auto Parse = parse_not_empty>
void assign_list(Config& config, const std::vector<std::string>& values) {
  (config.*Member).clear();
  for (const auto& value : values) (config.*Member).push_back(Parse(value));
}

void merge_settings(Config& config, const std::vector<std::string>& values) {
  for (const auto& value : values) {
    auto setting = parse_setting(value);
    std::erase_if(config.settings,
                  [&](const auto& old) { return hub::iequals(old.first, setting.first); });
    config.settings.push_back(std::move(setting));
  }
}

constexpr std::array options{
    Option{"hub", "NAME", "The hub's host name; its first label is the hub's name [localhost]",
           assign<&Config::hub, parse_host_name>},
    Option{"listen", "ADDR", "Address of the SDK listeners [127.0.0.1, and ::1]",
           assign<&Config::listen, parse_address>},
    Option{"mqtts-port", "N", "MQTT over TLS; 0: any free port, off: none [8883]",
           assign<&Config::mqtts_port, parse_port>},
    Option{"amqps-port", "N", "AMQP over TLS [5671]", assign<&Config::amqps_port, parse_port>},
    Option{"https-port", "N", "HTTPS, MQTT and AMQP over WebSocket [443, else 8443]",
           assign<&Config::https_port, parse_port>},
    Option{"mqtt-port", "N", "MQTT without TLS [off]", assign<&Config::mqtt_port, parse_port>},
    Option{"amqp-port", "N", "AMQP without TLS [off]", assign<&Config::amqp_port, parse_port>},
    Option{"http-port", "N", "HTTP and WebSocket without TLS [off]",
           assign<&Config::http_port, parse_port>},
    Option{"control-port", "N", "Control API: health, metrics, CA, connection strings [9400]",
           assign<&Config::control_port, parse_port>},
    Option{"control-listen", "ADDR", "Address of the control API [127.0.0.1, and ::1]",
           assign<&Config::control_listen, parse_address>},
    Option{"control-token", "T",
           "Token that the control API wants, or file:PATH that holds it [none]",
           assign<&Config::control_token, parse_control_token>, false, true},
    Option{"control-host", "NAME",
           "One more host name that the control API is reached by; repeatable",
           assign_list<&Config::control_hosts, parse_other_name>, true},
    Option{"control-cors", "ORIGIN", "Origin whose pages may use the control API [none]",
           assign<&Config::control_cors, parse_origin>},
    Option{"threads", "N", "Threads that serve connections, 1 to 64 [1]",
           assign<&Config::threads, parse_threads>},
    Option{"data", "DIR", "Keep everything in DIR; what was acknowledged survives kill -9 [memory]",
           assign<&Config::data, parse_not_empty>},
    Option{"tls-dir", "DIR", "Development CA and server certificate, made on first start",
           assign<&Config::tls_dir, parse_not_empty>},
    Option{"tls-cert", "FILE",
           "PEM: your own server certificate, its issuers behind it; needs --tls-key",
           assign<&Config::tls_cert, parse_not_empty>},
    Option{"tls-key", "FILE", "PEM: the private key of --tls-cert",
           assign<&Config::tls_key, parse_not_empty>},
    Option{"san", "NAME",
           "One more name or address in the server certificate; repeatable. As a variable: "
           "IOTHUB_EMULATOR_SAN=a,b",
           assign_list<&Config::sans, parse_certificate_name>, true},
    Option{"device-ca", "FILE", "PEM: CAs whose certificates open their devices; repeatable",
           assign_list<&Config::device_cas>, true},
    Option{"key", "BASE64", "Key of the shared access policies [the well-known key]",
           assign<&Config::key, parse_key>, false, true},
    Option{
        "seed", "FILE",
        "JSON: devices, policies, settings to start with; or the JSON itself, if it starts with {",
        assign<&Config::seed, parse_not_empty>},
    Option{"set", "NAME=VALUE",
           "A setting of the hub, as cloudToDevice.maxDeliveryCount=3; repeatable. --help settings "
           "lists "
           "them. As a variable: IOTHUB_EMULATOR_SET=a=1,b=2",
           merge_settings, true},
    Option{"ready-file", "FILE",
           "Written when every listener accepts: ports, CA, connection strings",
           assign<&Config::ready_file, parse_not_empty>},
    Option{"log-level", "LEVEL", "trace, debug, info, warn, error [info]",
           assign<&Config::log_level, parse_log_level>},
    Option{"log-format", "FORMAT", "text or json, on stderr [text]",
           assign<&Config::log_format, parse_log_format>},
};

std::string environment_name(std::string_view option) {
  std::string name(environment_prefix);
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

struct Fail : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void apply(const Option& option, Config& config, const std::vector<std::string>& values,
           std::string_view source) {
  for (const auto& value : values) {
    if (!hub::is_valid_utf8(value)) throw Fail(std::string(source) + ": the value is not UTF-8");
  }
  try {
    option.apply(config, values);
  } catch (const BadValue& bad) {
    std::string shown;
    for (const auto& value : values) shown += (shown.empty() ? "" : ",") + value;
    throw Fail(std::string(source) + ": " + (option.secret ? "the value " : "\"" + shown + "\" ") +
               bad.what());
  }
}

std::vector<std::string> split_by_comma(std::string_view text) {
  std::vector<std::string> parts;
  std::stringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, ',');) {
    part.erase(0, part.find_first_not_of(' '));  // "a=1, b=2"
    parts.push_back(part);
  }
  return parts;
}

// What may have been meant by an option's name, in whichever of its spellings.
std::string did_you_mean_option(std::string_view wrong, std::string (*spelling)(std::string_view)) {
  std::vector<std::string> names;
  for (const auto& option : options) names.push_back(spelling(option.name));
  const std::vector<std::string_view> known(names.begin(), names.end());
  return hub::did_you_mean(wrong, known);
}

std::string as_key(std::string_view option) { return std::string(option); }
std::string as_flag(std::string_view option) { return "--" + std::string(option); }

std::string settings_help() {
  std::string out =
      "Settings, for --set NAME=VALUE, IOTHUB_EMULATOR_SET=NAME=VALUE,NAME=VALUE, \"set\" of the "
      "config file and\n\"settings\" of a seed; case does not count:\n";
  for (const auto& [name, standard, range, meaning] : hub::all_settings()) {
    out.append("  ")
        .append(name)
        .append("\n      ")
        .append(meaning)
        .append("\n      ")
        .append(range);
    out.append("; default ").append(standard).append("\n");
  }
  return out;
}

const Option* find_option(std::string_view name) {
  const auto it = std::find_if(options.begin(), options.end(),
                               [&](const Option& option) { return option.name == name; });
  return it == options.end() ? nullptr : &*it;
}

// A JSON value as the text that the flag would have; an array or object becomes several.
std::vector<std::string> values_of(const json::value& value) {
  if (const auto* array = value.if_array()) {
    std::vector<std::string> texts;
    for (const auto& item : *array) texts.push_back(scalar_text(item));
    return texts;
  }
  if (const auto* object = value.if_object()) {  // "set": {"feedback.window": "PT1S"}
    std::vector<std::string> texts;
    for (const auto& [name, item] : *object) {
      texts.push_back(std::string(name) + "=" + scalar_text(item));
    }
    return texts;
  }
  return {scalar_text(value)};
}

void apply_file(Config& config, const std::string& path) {
  json::value document;
  try {
    document = parse_json_file(path);
  } catch (const std::exception& error) {
    throw Fail("--config: " + std::string(error.what()));
  }
  const auto* object = document.if_object();
  if (object == nullptr) throw Fail("--config: " + path + ": is no JSON object");
  for (const auto& [key, value] : *object) {
    const std::string source = path + ": " + std::string(key);
    const Option* option = find_option(key);
    if (option == nullptr) {
      throw Fail(path + ": unknown key \"" + std::string(key) + "\"" +
                 did_you_mean_option(key, as_key));
    }
    if (key == "seed" && value.is_object()) {  // the seed itself
      apply(*option, config, {json::serialize(value)}, source);
      continue;
    }
    const bool many = value.is_array() || value.is_object();
    if (value.is_null() || (many && !option->list)) throw Fail(source + ": is no text or number");
    std::vector<std::string> values;
    try {
      values = values_of(value);
    } catch (const std::exception& error) {
      throw Fail(source + ": " + error.what());
    }
    apply(*option, config, values, source);
  }
}

void apply_environment(Config& config, const std::vector<std::string>& environment,
                       std::vector<std::string>& warnings) {
  for (const auto& variable : environment) {
    const auto equals = variable.find('=');
    if (!variable.starts_with(environment_prefix) || equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    const std::string value = variable.substr(equals + 1);
    if (name == environment_name("config")) continue;
    const auto it = std::find_if(options.begin(), options.end(), [&](const Option& option) {
      return environment_name(option.name) == name;
    });
    // Not an error: Kubernetes makes such names for a service that is called iothub-emulator.
    if (it == options.end()) {
      warnings.push_back("environment variable " + name + " means nothing here" +
                         did_you_mean_option(name, environment_name));
    } else {
      apply(*it, config, it->list ? split_by_comma(value) : std::vector{value}, name);
    }
  }
}

std::string value_in(const std::vector<std::string>& environment, std::string_view name) {
  for (const auto& variable : environment) {
    if (variable.starts_with(name) && variable.size() > name.size() &&
        variable[name.size()] == '=') {
      return variable.substr(name.size() + 1);
    }
  }
  return {};
}

Invocation parse(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment) {
  CLI::App command{
      "A whole Azure IoT Hub on this machine, for tests.\n"
      "Each flag is also an environment variable (--hub: IOTHUB_EMULATOR_HUB) and a key "
      "of the config file. Of a flag that is given again the last value holds, unless it is "
      "repeatable."};
  command.name("iothub-emulator");
  command.get_formatter()->column_width(34);
  std::array<std::vector<std::string>, options.size()> given;
  for (std::size_t i = 0; i < options.size(); ++i) {
    command.add_option("--" + std::string(options[i].name), given[i], std::string(options[i].help))
        ->type_name(std::string(options[i].placeholder))
        ->expected(1)
        ->allow_extra_args(false)  // one value each time
        ->multi_option_policy(options[i].list ? CLI::MultiOptionPolicy::TakeAll
                                              : CLI::MultiOptionPolicy::TakeLast);
  }
  std::string config_file = value_in(environment, environment_name("config"));
  command.add_option("--config", config_file, "JSON with any of the options above")
      ->type_name("FILE");
  Invocation invocation;
  const auto action = [&](const char* flag, Action value, const char* help) {
    command.add_flag_callback(
        flag, [&invocation, value] { invocation.action = value; }, help);
  };
  action("--health", Action::health,
         "Ask the emulator on --control-port whether it serves; exit 0 or 1");
  action("--print-config", Action::print_config, "Print what would be used, as a config file");
  action("--version", Action::version, "Print the version");
  try {
    command.parse(
        std::vector<std::string>{arguments.rbegin(), arguments.rend()});  // last one first
  } catch (const CLI::CallForHelp&) {
    invocation.action = Action::help;
    invocation.help = command.remaining() == std::vector<std::string>{"settings"} ? settings_help()
                                                                                  : command.help();
    return invocation;
  } catch (const CLI::ExtrasError& error) {
    throw Fail(error.what() + did_you_mean_option(command.remaining().front(), as_flag));
  } catch (const CLI::ParseError& error) {
    throw Fail(error.what());
  }
  if (invocation.action == Action::version) return invocation;

  if (!config_file.empty()) apply_file(invocation.config, config_file);
  apply_environment(invocation.config, environment, invocation.warnings);
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (given[i].empty()) continue;
    apply(options[i], invocation.config, given[i], "--" + std::string(options[i].name));
  }
  const std::string &cert = invocation.config.tls_cert, &key = invocation.config.tls_key;
  if (cert.empty() != key.empty()) {
    throw Fail(cert.empty() ? "--tls-key: needs --tls-cert, the certificate of that key"
                            : "--tls-cert: needs --tls-key, the certificate's private key");
  }
  return invocation;
}

}  // namespace

std::variant<Invocation, ConfigError> parse_invocation(
    const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  try {
    return parse(arguments, environment);
  } catch (const Fail& fail) {
    return ConfigError{hub::printable(fail.what())};
  }
}

std::string to_json(const Config& config) {
  json::object out;
  const auto text = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  const auto port = [&](std::string_view name, const Port& value) {
    if (value) {
      out[name] = *value;
    } else {
      out[name] = "off";
    }
  };
  text("hub", config.hub);
  text("listen", config.listen);
  port("mqtts-port", config.mqtts_port);
  port("amqps-port", config.amqps_port);
  port("https-port", config.https_port);
  port("mqtt-port", config.mqtt_port);
  port("amqp-port", config.amqp_port);
  port("http-port", config.http_port);
  port("control-port", config.control_port);
  text("control-listen", config.control_listen);
  const bool token_is_file = config.control_token.starts_with("file:");
  text("control-token",
       config.control_token.empty() || token_is_file ? config.control_token : "(not shown)");
  out["threads"] = config.threads;
  text("data", config.data);
  text("tls-dir", config.tls_dir);
  text("tls-cert", config.tls_cert);
  text("tls-key", config.tls_key);
  const auto list = [&](const char* name, const std::vector<std::string>& values) {
    if (!values.empty()) out[name] = json::array(values.begin(), values.end());
  };
  list("control-host", config.control_hosts);
  text("control-cors", config.control_cors);
  list("san", config.sans);
  list("device-ca", config.device_cas);
  if (!config.key.empty()) out["key"] = config.key == well_known_key ? config.key : "(not shown)";
  text("seed", is_json_object(config.seed) ? "(not shown)" : config.seed);  // it may hold keys
  json::object settings;
  for (const auto& [name, value] : config.settings) settings[name] = value;
  if (!settings.empty()) out["set"] = std::move(settings);
  text("ready-file", config.ready_file);
  for (const auto& [name, level] : log_levels) {
    if (level == config.log_level) out["log-level"] = name;
  }
  out["log-format"] = config.log_format == LogFormat::json ? "json" : "text";
  return pretty(out);
}

bool is_loopback(std::string_view address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

bool is_control_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace app
