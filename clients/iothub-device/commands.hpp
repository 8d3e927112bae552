#pragma once
// The three commands of the device tool.
#include "clients/cli/common_options.hpp"
#include "clients/cli/output.hpp"
#include "clients/hub_client/device_client.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace iothub::cli {

struct DeviceOptions {
  CommonOptions common;
  std::string certificate_file, private_key_file;
  Disposition disposition = Disposition::complete;
  std::optional<std::uint64_t> count;
  std::optional<Duration> timeout;
  Duration delay{0};
  Duration interval{1000};
  Duration poll_interval{1000};
  std::string body;  // empty: a made-up reading
  Message message;   // system and application properties of each
  bool created_now = false;
  std::uint64_t batch = 1;
};

// Each returns the exit code, and throws Error or UsageError.
int receive(const DeviceOptions& options);
int telemetry(const DeviceOptions& options);
int run_device(const DeviceOptions& options);

inline constexpr const char* kDeviceVariable = "IOTHUB_DEVICE_CONNECTION_STRING";

}  // namespace iothub::cli
