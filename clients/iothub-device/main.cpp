// iothub-device: acts as a device of an IoT hub, Azure's or the emulator.
#include "clients/cli/run_tool.hpp"
#include "clients/iothub-device/commands.hpp"

#include <CLI/CLI.hpp>

#include <functional>

int main(int argc, char** argv) {
  using namespace iothub;
  using namespace iothub::cli;

  DeviceOptions options;
  std::function<int()> command;
  CLI::App app{
      "Acts as a device of an IoT hub: sends telemetry, receives cloud-to-device messages.",
      "iothub-device"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", HUB_VERSION);
  app.footer(
      "Exit: 0 done, 1 refused or failed, 2 usage, 3 nothing came within --timeout.\n"
      "Example:\n  export IOTHUB_DEVICE_CONNECTION_STRING=\"$(iothub-service device "
      "connection-string myDevice)\"\n  iothub-device run");
  add_common_options(app, options.common, kDeviceVariable,
                     {"mqtt", "mqtt-ws", "amqp", "amqp-ws", "https"});
  app.add_option("--cert", options.certificate_file, "X.509: certificate with its chain, PEM")
      ->type_name("FILE");
  app.add_option("--key", options.private_key_file, "X.509: private key, PEM")->type_name("FILE");
  add_duration(app, "--poll-interval", options.poll_interval,
               "HTTPS: how often an empty queue is asked, default 1s");

  const auto add_disposition = [&options](CLI::App& sub) {
    auto* group = sub.add_option_group("Disposition", "What becomes of a message; at most one");
    const auto flag = [&](const char* name, Disposition value, const char* description) {
      group->add_flag_callback(
          name, [&options, value] { options.disposition = value; }, description);
    };
    flag("--complete", Disposition::complete, "Done with it (default)");
    flag("--abandon", Disposition::abandon, "Back into the queue; not over MQTT");
    flag("--reject", Disposition::reject, "To the dead letters; not over MQTT");
    group->require_option(0, 1);
  };

  auto* receive_app = app.add_subcommand("receive", "Receives cloud-to-device messages");
  add_disposition(*receive_app);
  receive_app->add_option("--count", options.count, "Stop after so many messages");
  add_duration(*receive_app, "--timeout", options.timeout,
               "Stop when nothing came for so long, with exit 3 if --count was not reached");
  add_duration(*receive_app, "--delay", options.delay, "Wait between receiving and settling");
  receive_app->footer("Example:\n  iothub-device receive --count 1 --timeout 30s --delay 2s");
  receive_app->callback([&] { command = [&] { return receive(options); }; });

  auto* telemetry_app = app.add_subcommand("telemetry", "Sends telemetry");
  telemetry_app->add_option("body", options.body, "What to send; made-up readings without it");
  add_duration(*telemetry_app, "--interval", options.interval, "Time between two, default 1s");
  telemetry_app->add_option("--count", options.count, "Stop after so many")
      ->check(CLI::PositiveNumber);
  telemetry_app
      ->add_option("--batch", options.batch,
                   "So many at each interval; one batch over AMQP and HTTPS, one by one over MQTT")
      ->check(CLI::Range(1U, 500U));
  add_system_properties(*telemetry_app, options.message, options.created_now);
  add_properties(*telemetry_app, options.message.properties);
  telemetry_app->footer(
      "Example:\n  iothub-device telemetry '{\"temperature\":21}' --count 5 "
      "--interval 500ms --property room=kitchen");
  telemetry_app->callback([&] { command = [&] { return telemetry(options); }; });

  auto* run_app = app.add_subcommand(
      "run", "The tutorial's device: telemetry and cloud-to-device messages until Ctrl-C");
  add_disposition(*run_app);
  add_duration(*run_app, "--interval", options.interval, "Time between two readings, default 1s");
  run_app->add_option("--count", options.count, "Stop after so many messages received")
      ->check(CLI::PositiveNumber);
  add_duration(*run_app, "--timeout", options.timeout,
               "Stop after so long, with exit 3 if --count was not reached");
  add_duration(*run_app, "--delay", options.delay, "Wait between receiving and settling");
  add_properties(*run_app, options.message.properties);
  run_app->footer("Example:\n  iothub-device run --transport amqp --interval 2s --count 1");
  run_app->callback([&] { command = [&] { return run_device(options); }; });

  return run_tool(app, argc, argv, [&] { return command(); });
}
