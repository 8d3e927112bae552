// iothub-service: the back end of an IoT hub, Azure's or the emulator: devices, messages, feedback.
#include "clients/cli/run_tool.hpp"
#include "clients/iothub-service/commands.hpp"

#include <CLI/CLI.hpp>

#include <functional>

namespace {

using namespace iothub::cli;

struct Tool {
  ServiceOptions options;
  std::function<int()> command;
};

using Command = int (*)(const ServiceOptions&);

// A command that takes one device id or more.
CLI::App* add_bulk_command(CLI::App& parent, Tool& tool, const char* name, const char* description,
                           Command call) {
  auto* app = parent.add_subcommand(name, description);
  app->add_option("ids", tool.options.device_ids, "Device ids; several go 100 to a request")
      ->required();
  app->callback([&tool, call] { tool.command = [&tool, call] { return call(tool.options); }; });
  return app;
}

// A command that takes a device id.
CLI::App* add_command(CLI::App& parent, Tool& tool, const char* name, const char* description,
                      Command call) {
  auto* app = parent.add_subcommand(name, description);
  app->add_option("id", tool.options.device.device_id, "Device id")->required();
  app->callback([&tool, call] { tool.command = [&tool, call] { return call(tool.options); }; });
  return app;
}

void add_device_commands(CLI::App& app, Tool& tool) {
  auto& options = tool.options;
  auto* device = app.add_subcommand("device", "Device identities");
  device->require_subcommand(1);
  device->footer("Example:\n  iothub-service device create myDevice");

  auto* create = add_bulk_command(*device, tool, "create", "Makes devices", create_devices);
  create->add_option("--primary-key", options.device.primary_key, "Base64; made when not given");
  create->add_option("--secondary-key", options.device.secondary_key, "Base64");
  create
      ->add_option("--thumbprint", options.device.primary_thumbprint,
                   "X.509: SHA-1 or SHA-256 of the certificate, hex")
      ->excludes("--primary-key")
      ->excludes("--secondary-key");
  create->add_option("--secondary-thumbprint", options.device.secondary_thumbprint, "X.509");
  create->footer(
      "Example:\n  iothub-service device create myDevice\n"
      "  iothub-service device create sensor-{1..250}");

  add_command(*device, tool, "show", "Prints a device", show_device)
      ->footer("Example:\n  iothub-service device show myDevice --output json");
  auto* list = device->add_subcommand("list", "Prints the devices, one a line");
  list->add_option("--top", options.top, "At most so many; all of them without")
      ->check(CLI::PositiveNumber);
  list->footer("Example:\n  iothub-service device list");
  list->callback([&tool] { tool.command = [&tool] { return list_devices(tool.options); }; });
  const auto add_etag = [&options](CLI::App* sub) {
    sub->add_option("--etag", options.etag, "Only if the device still has this etag");
    return sub;
  };
  add_etag(add_bulk_command(*device, tool, "delete", "Deletes devices and their messages",
                            delete_devices))
      ->footer("Example:\n  iothub-service device delete myDevice");
  add_etag(add_command(*device, tool, "enable", "Lets a device connect",
                       [](const ServiceOptions& o) { return enable_device(o, true); }))
      ->footer("Example:\n  iothub-service device enable myDevice");
  add_etag(add_command(*device, tool, "disable", "Keeps a device from connecting",
                       [](const ServiceOptions& o) { return enable_device(o, false); }))
      ->footer("Example:\n  iothub-service device disable myDevice");
  add_command(*device, tool, "connection-string", "Prints a device's connection string (a secret)",
              print_connection_string)
      ->footer(
          "Example:\n  export IOTHUB_DEVICE_CONNECTION_STRING=\"$(iothub-service device "
          "connection-string myDevice)\"");
}

void add_message_commands(CLI::App& app, Tool& tool) {
  auto& options = tool.options;
  auto* send_app = add_command(app, tool, "send", "Sends a message to a device", send);
  send_app->add_option("body", options.body, "What to send; - reads standard input");
  send_app->add_option("--file", options.body_file, "Sends a file's content")->type_name("FILE");
  send_app->add_option("--ack", options.ack, "Which feedback is wanted")
      ->check(CLI::IsMember({"none", "positive", "negative", "full"}));
  add_system_properties(*send_app, options.message, options.created_now);
  add_duration(*send_app, "--expiry", options.expiry, "How long it may wait, e.g. 30s");
  add_properties(*send_app, options.message.properties);
  send_app->add_option("--count", options.count, "Send it so many times")
      ->check(CLI::PositiveNumber);
  send_app->add_flag("--wait-feedback", options.wait_feedback,
                     "Print the feedback record; asks for --ack full if not said otherwise");
  add_duration(*send_app, "--timeout", options.timeout, "Of --wait-feedback, default 30s");
  send_app->footer(
      "Example:\n  iothub-service send myDevice 'Cloud to device message.' "
      "--message-id 'My Message ID' --ack full --wait-feedback");

  auto* feedback_app = app.add_subcommand("feedback", "Receives feedback, one record a line");
  feedback_app
      ->add_option("--count", options.feedback_count,
                   "Stop after so many records; a batch is always printed whole")
      ->check(CLI::PositiveNumber);
  add_duration(*feedback_app, "--timeout", options.timeout,
               "Stop when nothing came for so long, default 30s");
  feedback_app->add_flag("--abandon", options.abandon, "Give the records back when done");
  feedback_app->footer("Example:\n  iothub-service feedback --count 1 --timeout 30s");
  feedback_app->callback([&tool] { tool.command = [&tool] { return feedback(tool.options); }; });

  add_command(app, tool, "purge", "Removes all messages waiting for a device", purge)
      ->footer("Example:\n  iothub-service purge myDevice");
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool;
  CLI::App app{"The back end of an IoT hub: devices, cloud-to-device messages, feedback.",
               "iothub-service"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", HUB_VERSION);
  app.footer(
      "Exit: 0 done, 1 refused or failed, 2 usage, 3 nothing came within --timeout.\n"
      "Example:\n  export IOTHUB_CONNECTION_STRING='HostName=localhost;SharedAccessKeyName="
      "iothubowner;SharedAccessKey=...'\n  iothub-service device create myDevice");
  add_common_options(app, tool.options.common, kServiceVariable, {"amqp", "amqp-ws"});
  add_device_commands(app, tool);
  add_message_commands(app, tool);
  return run_tool(app, argc, argv, [&] { return tool.command(); });
}
