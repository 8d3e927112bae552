#include "emulator/app/start_report.hpp"

#include "emulator/app/json_text.hpp"
#include "emulator/app/version.hpp"

#include <boost/json.hpp>

#include <array>

#include <unistd.h>

namespace app {

namespace json = boost::json;

std::uint16_t StartReport::port(std::string_view name) const {
  for (const auto& [listener, port] : ports) {
    if (listener == name) return port;
  }
  return 0;
}

std::string policy_connection_string(const std::string& host,
                                     const hub::SharedAccessPolicy& policy) {
  return "HostName=" + host + ";SharedAccessKeyName=" + policy.name +
         ";SharedAccessKey=" + policy.primary_key;
}

std::string device_connection_string(const std::string& host, const hub::DeviceIdentity& device) {
  std::string text = "HostName=" + host + ";DeviceId=" + device.id.text;
  if (device.authentication.type == hub::AuthenticationType::sas) {
    return text + ";SharedAccessKey=" + device.authentication.primary_key;
  }
  return text + ";x509=true";
}

std::vector<std::pair<std::string, std::string>> device_connection_strings(hub::Hub& hub,
                                                                           std::size_t count,
                                                                           hub::TimePoint now) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& device : hub.list_devices({}, count, now)) {
    out.emplace_back(device.identity.id.text,
                     device_connection_string(hub.host_name(), device.identity));
  }
  return out;
}

std::string ready_file_json(const StartReport& report) {
  json::object ports;
  for (const auto& [name, port] : report.ports) ports[name] = port;
  json::object devices;
  for (const auto& [id, text] : report.devices) devices[id] = text;
  json::object out;
  out["pid"] = ::getpid();
  out["hub"] = report.host_name;
  out["connectionString"] = report.connection_string;
  out["ca"] = report.ca_path;
  out["ports"] = std::move(ports);
  out["connectionStrings"] =
      json::object{{"hub", report.connection_string}, {"devices", std::move(devices)}};
  return pretty(out);
}

std::string start_block(const StartReport& report) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{{
      {"mqtts", "MQTT"},
      {"amqps", "AMQP"},
      {"https", "HTTPS and WebSocket"},
      {"mqtt", "MQTT without TLS"},
      {"amqp", "AMQP without TLS"},
      {"http", "HTTP without TLS"},
      {"control", "control API"},
  }};
  std::string ports;
  for (const auto& [name, shown] : names) {
    const auto port = report.port(name);
    if (port == 0) continue;
    ports.append(ports.empty() ? "" : ", ").append(shown).append(" ").append(std::to_string(port));
  }
  return "iothub-emulator " + std::string(version().number) + ", hub " + report.host_name +
         "\n  connection string  " + report.connection_string +
         "\n  ports              " + ports +
         "\n  CA certificate     " + report.ca_path +
         "\n  for Node           export NODE_EXTRA_CA_CERTS=" + report.ca_path + "\n";
}

}  // namespace app
