#include "clients/cli/run_tool.hpp"
#include "clients/iothub-service/commands.hpp"

#include <algorithm>
#include <functional>
#include <iostream>
#include <set>
#include <span>
#include <vector>

namespace iothub::cli {
namespace {

Output output_of(const ServiceOptions& options) { return Output{options.common.json()}; }

// Several devices, 100 to a request; a line for each that was done, one on stderr for the others.
int in_bulk(const ServiceOptions& options, std::string_view event,
            const std::function<std::vector<BulkFailure>(std::span<const std::string>)>& call) {
  constexpr std::size_t kAtOnce = 100;
  auto out = output_of(options);
  const std::span<const std::string> ids{options.device_ids};
  bool all_done = true;
  for (std::size_t at = 0; at < ids.size(); at += kAtOnce) {
    const auto part = ids.subspan(at, std::min(kAtOnce, ids.size() - at));
    std::set<std::string> failed;
    for (const auto& failure : call(part)) {
      all_done = false;
      failed.insert(failure.device_id);
      std::cerr << "iothub-service: device " << one_line(failure.device_id) << ": "
                << one_line(failure.error) << " (" << one_line(failure.text) << ")"
                << (failure.hub_code ? " [hub error " + std::to_string(*failure.hub_code) + "]"
                                     : "")
                << "\n";
    }
    for (const auto& id : part) {
      if (!failed.contains(id)) out.device_changed(event, id);
    }
    show_progress(event, at + part.size(), ids.size());
  }
  return all_done ? exit_done : exit_failed;
}

}  // namespace

ClientOptions options_of(const ServiceOptions& options) {
  return client_options(options.common, connection_string(options.common, kServiceVariable,
                                                          ConnectionString::parse_service));
}

int create_devices(const ServiceOptions& options) {
  if (options.device.primary_thumbprint.empty() && !options.device.secondary_thumbprint.empty()) {
    throw UsageError{"--secondary-thumbprint needs --thumbprint"};
  }
  RegistryClient registry{options_of(options)};
  auto spec = options.device;
  if (options.device_ids.size() == 1) {
    spec.device_id = options.device_ids.front();
    output_of(options).device("created", registry.create(spec));
    return exit_done;
  }
  return in_bulk(options, "created", [&](std::span<const std::string> ids) {
    std::vector<DeviceSpec> specs(ids.size(), spec);
    for (std::size_t i = 0; i < ids.size(); ++i) specs[i].device_id = ids[i];
    return registry.create(specs);
  });
}

int show_device(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  output_of(options).device("device", registry.get(options.device.device_id));
  return exit_done;
}

int list_devices(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  auto out = output_of(options);
  if (options.top && *options.top <= 1000) {
    for (const auto& device : registry.list(static_cast<unsigned>(*options.top))) {
      out.device("device", device);
    }
    return exit_done;
  }
  std::uint64_t left = options.top.value_or(UINT64_MAX);
  registry.for_each([&](const DeviceIdentity& device) {
    if (left > 0) out.device("device", device);
    return left > 0 && --left > 0;
  });
  return exit_done;
}

int delete_devices(const ServiceOptions& options) {
  RegistryClient registry{options_of(options)};
  if (!options.etag.empty() && options.device_ids.size() != 1) {
    throw UsageError{"--etag is of one device"};
  }
  if (options.device_ids.size() == 1) {
    registry.remove(options.device_ids.front(), options.etag);
    output_of(options).device_changed("deleted", options.device_ids.front());
    return exit_done;
  }
  return in_bulk(options, "deleted",
                 [&](std::span<const std::string> ids) { return registry.remove(ids); });
}

int enable_device(const ServiceOptions& options, bool enabled) {
  RegistryClient registry{options_of(options)};
  auto device = registry.get(options.device.device_id);
  if (!options.etag.empty()) device.etag = options.etag;
  device.status = enabled ? "enabled" : "disabled";
  output_of(options).device(device.status, registry.update(device));
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
