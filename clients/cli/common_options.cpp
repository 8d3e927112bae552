#include "clients/cli/common_options.hpp"

#include "clients/cli/run_tool.hpp"
#include "clients/hub_client/error.hpp"

#include <CLI/CLI.hpp>

namespace iothub::cli {
namespace {

CLI::Validator duration_check() {
  return CLI::Validator{[](const std::string& text) {
                          return parse_duration(text)
                                     ? std::string{}
                                     : "'" + text + "' is not a duration: write 100ms, 30s, 2m, 1h";
                        },
                        ""};
}

CLI::Option* add_port(CLI::App& app, const std::string& name, std::optional<std::uint16_t>& target,
                      const std::string& description) {
  return app
      .add_option_function<unsigned>(
          name, [&target](unsigned port) { target = static_cast<std::uint16_t>(port); },
          description)
      ->check(CLI::Range(1U, 65535U))
      ->type_name("PORT");
}

}  // namespace

CLI::Option* add_duration(CLI::App& app, const std::string& name, Duration& target,
                          const std::string& description) {
  return app
      .add_option_function<std::string>(
          name, [&target](const std::string& text) { target = *parse_duration(text); }, description)
      ->check(duration_check())
      ->type_name("DURATION");
}

CLI::Option* add_duration(CLI::App& app, const std::string& name, std::optional<Duration>& target,
                          const std::string& description) {
  return app
      .add_option_function<std::string>(
          name, [&target](const std::string& text) { target = parse_duration(text); }, description)
      ->check(duration_check())
      ->type_name("DURATION");
}

void add_properties(CLI::App& app, Properties& target) {
  app.add_option_function<std::vector<std::string>>(
         "--property",
         [&target](const std::vector<std::string>& pairs) {
           for (const auto& pair : pairs) {
             const auto equals = pair.find('=');
             target.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
         },
         "Application property NAME=VALUE; repeatable")
      ->check(CLI::Validator{[](const std::string& text) {
                               const auto equals = text.find('=');
                               return equals == std::string::npos || equals == 0
                                          ? "'" + text + "' is not NAME=VALUE"
                                          : std::string{};
                             },
                             ""})
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

void add_system_properties(CLI::App& app, Message& target, bool& created_now) {
  app.add_option("--message-id", target.message_id, "With more than one: -1, -2 ... is added");
  app.add_option("--correlation-id", target.correlation_id,
                 "Goes with the message, for your own use");
  app.add_option("--user-id", target.user_id, "Who sent it, as the sender says");
  app.add_option("--content-type", target.content_type, "e.g. application/json");
  app.add_option("--content-encoding", target.content_encoding, "e.g. utf-8");
  app.add_flag("--creation-time", created_now, "Say in the message when it was made");
}

void add_common_options(CLI::App& app, CommonOptions& options, const char* environment_variable,
                        const std::vector<std::string>& transports) {
  app.add_option("--connection-string", options.connection_string,
                 "Where and as whom to connect (a secret: the variable keeps it out of ps)")
      ->envname(environment_variable);
  app.add_option("--transport", options.transport, "Protocol, default " + transports.front())
      ->check(CLI::IsMember(transports));
  app.add_option("--output", options.output, "text, or json: one object a line; default text")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--ca", options.ca_file,
                 "CA certificates to trust beside OpenSSL's default store and SSL_CERT_FILE")
      ->type_name("FILE");
  add_port(app, "--mqtts-port", options.ports.mqtts, "default 8883");
  add_port(app, "--amqps-port", options.ports.amqps, "default 5671");
  add_port(app, "--https-port", options.ports.https,
           "HTTPS and WebSocket; default HostName's port, else 443");
  add_duration(app, "--token-ttl", options.token_ttl,
               "Life of the SAS tokens made, default 1h; renewed at 85 %");
  add_duration(app, "--connect-timeout", options.connect_timeout, "default 20s");
  options.transport = transports.front();
}

ClientOptions client_options(const CommonOptions& common, ConnectionString connection) {
  ClientOptions out;
  out.connection = std::move(connection);
  out.transport = parse_transport(common.transport).value_or(TransportKind::https);
  out.ports = common.ports;
  out.tls.ca_file = common.ca_file;
  out.token_ttl = common.token_ttl;
  out.connect_timeout = common.connect_timeout;
  out.cancelled = stop_requested;
  return out;
}

ConnectionString connection_string(const CommonOptions& common, const char* environment_variable,
                                   ConnectionString (*parse)(std::string_view)) {
  if (common.connection_string.empty()) {
    throw UsageError{std::string{"no connection string: give --connection-string or set "} +
                     environment_variable};
  }
  try {
    return parse(common.connection_string);
  } catch (const Error& error) {
    throw UsageError{error.what()};
  }
}

}  // namespace iothub::cli
