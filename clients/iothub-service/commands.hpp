#pragma once
// The commands of the service tool. Each returns the exit code, and throws Error or UsageError.
#include "clients/cli/common_options.hpp"
#include "clients/cli/output.hpp"
#include "clients/hub_client/registry_client.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace iothub::cli {

struct ServiceOptions {
  CommonOptions common;
  DeviceSpec device;                    // device_id: of every command that takes an ID
  std::vector<std::string> device_ids;  // of those that take several
  std::string etag;                     // only if the device still has it
  std::optional<std::uint64_t> top;

  std::optional<std::string> body, body_file;
  Message message;
  std::string ack;
  bool created_now = false;
  std::optional<Duration> expiry;
  std::uint64_t count = 1;
  bool wait_feedback = false;
  Duration timeout{30'000};

  std::optional<std::uint64_t> feedback_count;
  bool abandon = false;
};

inline constexpr const char* kServiceVariable = "IOTHUB_CONNECTION_STRING";

ClientOptions options_of(const ServiceOptions& options);

int create_devices(const ServiceOptions& options);
int show_device(const ServiceOptions& options);
int list_devices(const ServiceOptions& options);
int delete_devices(const ServiceOptions& options);
int enable_device(const ServiceOptions& options, bool enabled);
int print_connection_string(const ServiceOptions& options);
int purge(const ServiceOptions& options);

int send(const ServiceOptions& options);
int feedback(const ServiceOptions& options);

}  // namespace iothub::cli
