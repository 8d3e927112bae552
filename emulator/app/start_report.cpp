#include "emulator/app/start_report.hpp"

#include "emulator/app/json_text.hpp"
#include "emulator/app/version.hpp"

#include <boost/json.hpp>

#include <algorithm>
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

namespace {

constexpr std::size_t devices_max = 1000;
constexpr std::size_t slice_max = 256;  // of devices: the hub serves others in between (CT-154)

std::string of_policy(const std::string& host, const hub::SharedAccessPolicy& policy) {
  return "HostName=" + host + ";SharedAccessKeyName=" + policy.name +
         ";SharedAccessKey=" + policy.primary_key;
}

std::string of_device(const std::string& host, const hub::DeviceIdentity& device) {
  std::string text = "HostName=" + host + ";DeviceId=" + device.id.text;
  if (device.authentication.type == hub::AuthenticationType::sas) {
    return text + ";SharedAccessKey=" + device.authentication.primary_key;
  }
  return text + ";x509=true";
}

}  // namespace

json::object connection_strings(hub::Hub& hub, const HostNames& names, hub::TimePoint now) {
  json::object out, policies, devices, by_address;
  for (const auto& policy : hub.policies()) {
    policies[policy.name] = of_policy(names.by_name, policy);
    if (policy.name != "iothubowner") continue;
    out["hub"] = out["byName"] = of_policy(names.by_name, policy);
    if (!names.by_address.empty()) out["byAddress"] = of_policy(names.by_address, policy);
  }
  std::string last;
  for (std::size_t slice = slice_max; slice > 0;) {
    const auto views = hub.registry().list(last, slice, now);
    for (const auto& view : views) {
      const auto& device = view.identity;
      devices[device.id.text] = of_device(names.by_name, device);
      if (!names.by_address.empty())
        by_address[device.id.text] = of_device(names.by_address, device);
      last = device.id.text;
    }
    slice = views.size() < slice ? 0 : std::min(slice_max, devices_max - devices.size());
  }
  out["policies"] = std::move(policies);
  out["devices"] = std::move(devices);
  if (!names.by_address.empty()) out["devicesByAddress"] = std::move(by_address);
  return out;
}

std::string ca_url(const std::string& listen, std::uint16_t port) {
  const std::string address = host_names("localhost", listen, {}).by_address;
  return "http://" + (address.empty() ? "[" + listen + "]" : address) + ":" + std::to_string(port) +
         "/ca.pem";
}

std::string ready_file_json(const StartReport& report) {
  json::object ports;
  for (const auto& [name, port] : report.ports) ports[name] = port;
  json::object out;
  out["pid"] = ::getpid();
  out["hub"] = report.host_name;
  out["connectionString"] = report.connection_string;
  out["ca"] = report.ca_path;
  if (!report.ca_url.empty()) out["caUrl"] = report.ca_url;
  out["ports"] = std::move(ports);
  out["connectionStrings"] = report.connection_strings;
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
  std::string text =
      "iothub-emulator " + std::string(version().number) + ", hub " + report.host_name;
  const auto line = [&](std::string_view title, const std::string& value) {
    text.append("\n  ").append(title).append(19 - title.size(), ' ').append(value);
  };
  line("connection string", report.connection_string);
  if (const auto* dotted = report.connection_strings.if_contains("byAddress")) {
    line("  for C and Java", json::value_to<std::string>(*dotted));
  }
  std::string machine;
  for (const auto& name : report.names.machine)
    machine.append(machine.empty() ? "" : ", ").append(name);
  if (!machine.empty()) line("HostName elsewhere", machine);
  line("ports", ports);
  line("CA certificate", report.ca_path + (report.ca_url.empty() ? "" : " or " + report.ca_url));
  line("  for Node", "export NODE_EXTRA_CA_CERTS=" + report.ca_path);
  line("  for Python",
       "export SSL_CERT_FILE=" + report.ca_path + " REQUESTS_CA_BUNDLE=" + report.ca_path);
  line("  for others", "README.md, \"Trust, stack by stack\"");
  return text + "\n";
}

}  // namespace app
