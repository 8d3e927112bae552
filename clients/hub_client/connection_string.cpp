#include "clients/hub_client/connection_string.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

#include <charconv>

namespace iothub {
namespace {

[[noreturn]] void fail(const std::string& cause) {
  throw Error{ErrorKind::invalid_argument, "connection string: " + cause};
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "host", "host:8443", "[::1]:8443".
void read_host(std::string_view text, ConnectionString& out) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) fail("HostName has '[' without ']'");
    host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') fail("HostName has text after ']'");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    if (host.find(':') != std::string_view::npos) {
      fail("write an IPv6 HostName in brackets: HostName=[::1]");
    }
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (host.empty()) fail("HostName is empty");
  if (host.find_first_of("/ ") != std::string_view::npos) {
    fail("HostName must be a host name, without scheme or path");
  }
  out.host_name = host;
  if (!has_port) return;
  unsigned number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (read.ec != std::errc{} || read.ptr != port.data() + port.size() || number == 0 ||
      number > 65535) {
    fail("the port after HostName must be 1 to 65535");
  }
  out.port = static_cast<std::uint16_t>(number);
}

void check_key(const ConnectionString& cs) {
  if (cs.shared_access_key.empty()) return;
  const auto key = base64_decode(cs.shared_access_key);
  if (!key || key->empty()) fail("SharedAccessKey is not base64");
}

}  // namespace

const std::string& ConnectionString::connect_host() const {
  return gateway_host_name.empty() ? host_name : gateway_host_name;
}

std::string ConnectionString::hub_name() const { return host_name.substr(0, host_name.find('.')); }

ConnectionString ConnectionString::parse(std::string_view text) {
  ConnectionString out;
  text = trim(text);
  if (text.empty()) fail("it is empty");
  bool has_host = false;
  while (!text.empty()) {
    const auto end = text.find(';');
    const auto part = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    // The text before "=" may be a key pasted alone, so the part itself is not shown.
    if (equals == std::string_view::npos) fail("a part between semicolons has no '='");
    const auto name = trim(part.substr(0, equals));
    const auto value = trim(part.substr(equals + 1));
    const auto is = [name](std::string_view known) { return equal_ignoring_case(name, known); };
    if (is("HostName")) {
      if (has_host) fail("HostName is given twice");
      has_host = true;
      read_host(value, out);
    } else if (is("GatewayHostName")) {
      out.gateway_host_name = value;
    } else if (is("DeviceId")) {
      out.device_id = value;
    } else if (is("SharedAccessKeyName")) {
      out.shared_access_key_name = value;
    } else if (is("SharedAccessKey")) {
      out.shared_access_key = value;
    } else if (is("SharedAccessSignature")) {
      out.shared_access_signature = value;
    } else if (is("x509")) {
      out.x509 = equal_ignoring_case(value, "true");
    } else if (is("ModuleId")) {
      fail("it is a module's (ModuleId); these tools act as devices");
    }
    // Other names are for other tools.
  }
  if (!has_host) fail("HostName is missing");
  check_key(out);
  return out;
}

ConnectionString ConnectionString::parse_device(std::string_view text) {
  auto out = parse(text);
  if (out.device_id.empty()) {
    fail(
        "DeviceId is missing: this is not a device's connection string; 'iothub-service device "
        "connection-string ID' prints one");
  }
  if (out.device_id.size() > 128) fail("DeviceId is longer than 128 characters");
  return out;
}

ConnectionString ConnectionString::parse_service(std::string_view text) {
  auto out = parse(text);
  if (out.shared_access_key_name.empty() && out.shared_access_signature.empty()) {
    fail(out.device_id.empty()
             ? "SharedAccessKeyName is missing"
             : "this is a device's; the service side needs one with SharedAccessKeyName");
  }
  if (out.shared_access_key.empty() && out.shared_access_signature.empty()) {
    fail("SharedAccessKey is missing");
  }
  return out;
}

std::string make_device_connection_string(const ConnectionString& hub, std::string_view device_id,
                                          std::string_view primary_key) {
  const bool is_ipv6 = hub.host_name.find(':') != std::string::npos;
  std::string text = "HostName=" + (is_ipv6 ? "[" + hub.host_name + "]" : hub.host_name);
  if (hub.port) text += ":" + std::to_string(*hub.port);
  text += ";DeviceId=" + std::string{device_id};
  // A device without a symmetric key proves itself by certificate.
  text += primary_key.empty() ? ";x509=true" : ";SharedAccessKey=" + std::string{primary_key};
  return text;
}

}  // namespace iothub
