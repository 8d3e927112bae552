#include "clients/cli/run_tool.hpp"
#include "clients/iothub-service/commands.hpp"

namespace iothub::cli {
namespace {

Output output_of(const ServiceOptions& options) { return Output{options.common.json()}; }

}  // namespace

ClientOptions options_of(const ServiceOptions& options) {
  return client_options(options.common, ConnectionString::parse_service(required_connection_string(
                                            options.common, kServiceVariable)));
}

int create_device(const ServiceOptions& options) {
  if (options.device.primary_thumbprint.empty() && !options.device.secondary_thumbprint.empty()) {
    throw UsageError{"--secondary-thumbprint needs --thumbprint"};
  }
  RegistryClient registry{options_of(options)};
  output_of(options).device("created", registry.create(options.device));
  return exit_done;
}

int show_device(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  output_of(options).device("device", registry.get(options.device.device_id));
  return exit_done;
}

int list_devices(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  for (const auto& device : registry.list(options.top)) output_of(options).device("device", device);
  return exit_done;
}

int delete_device(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  registry.remove(options.device.device_id);
  output_of(options).device_deleted(options.device.device_id);
  return exit_done;
}

int enable_device(const ServiceOptions& options, bool enabled) {
  RegistryClient registry{options_of(options)};
  output_of(options).device(enabled ? "enabled" : "disabled",
                            registry.set_enabled(options.device.device_id, enabled));
  return exit_done;
}

int print_connection_string(const ServiceOptions& options) {
  const auto client = options_of(options);
  RegistryClient registry{client};
  const auto device = registry.get(options.device.device_id);
  output_of(options).connection_string(
      device.device_id,
      make_device_connection_string(client.connection, device.device_id, device.primary_key));
  return exit_done;
}

int purge(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  output_of(options).purged(options.device.device_id, registry.purge(options.device.device_id));
  return exit_done;
}

}  // namespace iothub::cli
