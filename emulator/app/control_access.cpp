#include "emulator/app/control_access.hpp"

#include "emulator/app/file_io.hpp"
#include "emulator/app/host_names.hpp"
#include "emulator/core/base/encoding.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace app {
namespace {

constexpr std::string_view file_prefix = "file:";

http::WireError refused(unsigned status, std::string_view name, std::string detail,
                        std::string hint) {
  return {status, status * 1000, name, std::move(detail), {}, std::move(hint)};
}

// `*.x` is any name with one label before x.
bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  const auto dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

std::string_view without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos) return host;
  const auto port = host.substr(colon + 1);
  const bool digits =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? host.substr(0, colon) : host;
}

std::string_view without_default_port(std::string_view host) {
  return host.ends_with(":80") ? host.substr(0, host.size() - 3) : host;
}

}  // namespace

ControlAccess::ControlAccess(const Config& config, const std::vector<std::string>& machine)
    : loopback_(is_loopback(config.control_listen)),
      token_(config.control_token),
      hosts_{"host.docker.internal"},
      cors_origin_(config.control_cors) {
  for (const auto& names : {machine, config.sans, config.control_hosts}) {
    for (const auto& name : names) hosts_.push_back(hub::to_lower(name));
  }
}

bool ControlAccess::is_our_name(const std::string& name) const {
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  // A service name of compose, for one: beyond this machine nobody can own a name without a dot.
  if (!loopback_ && name.find('.') == std::string::npos) return true;
  return std::any_of(hosts_.begin(), hosts_.end(),
                     [&](const std::string& pattern) { return fits(pattern, name); });
}

bool ControlAccess::is_our_host(std::string_view host) const {
  std::string name = hub::to_lower(without_port(host));
  if (name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
    return name.find(':') != std::string::npos && is_ip_address(name);
  }
  if (name.find(':') != std::string::npos) return false;
  if (name.ends_with('.')) name.pop_back();
  return !name.empty() && (is_ip_address(name) || is_our_name(name));
}

bool ControlAccess::is_allowed_origin(std::string_view origin, std::string_view host) const {
  if (!cors_origin_.empty() && hub::iequals(origin, cors_origin_)) return true;
  constexpr std::string_view scheme = "http://";
  return hub::iequals(origin.substr(0, scheme.size()), scheme) &&
         hub::iequals(without_default_port(origin.substr(scheme.size())),
                      without_default_port(host));
}

std::optional<http::WireError> ControlAccess::check(const http::RequestHead& head,
                                                    const http::Target& target, bool open) const {
  // Without a Host (HTTP/1.0) it is no browser.
  const std::string_view host = head.find("host").value_or("localhost");
  if (!is_our_host(host)) {
    return refused(403, "ForbiddenHost",
                   "this control API is not reached by the name " + std::string(host),
                   "start the emulator with --control-host NAME to allow a name, or use localhost "
                   "or an address");
  }
  bool cors = false;
  for (const http::Header& header : head.headers) {
    if (!hub::iequals(header.name, "origin")) continue;
    if (!is_allowed_origin(header.value, host)) {
      return refused(403, "ForbiddenOrigin",
                     "pages of " + std::string(header.value) + " may not use this control API",
                     "start the emulator with --control-cors ORIGIN to allow one origin");
    }
    cors = true;
  }
  const std::string_view site = head.find("sec-fetch-site").value_or("");
  const bool foreign = hub::iequals(site, "cross-site") || hub::iequals(site, "same-site");
  const bool opens_page = target.segments.empty() &&
                          hub::iequals(head.find("sec-fetch-mode").value_or(""), "navigate") &&
                          hub::iequals(head.find("sec-fetch-dest").value_or(""), "document");
  if (foreign && !cors && !opens_page) {
    return refused(403, "ForbiddenOrigin", "a page of another site may not use this control API",
                   "open the address directly, or start the emulator with --control-cors ORIGIN");
  }
  if (!open && !token_.empty() && !is_preflight(head)) {
    const std::string_view given = head.find("authorization").value_or("");
    constexpr std::string_view scheme = "bearer ";
    if (!hub::iequals(given.substr(0, scheme.size()), scheme) ||
        !hub::equal_constant_time(given.substr(scheme.size()), token_)) {
      return token_needed(given.empty() ? "this control API wants a token"
                                        : "the token is not the one of this control API");
    }
  }
  const std::string_view type = head.find("content-type").value_or("");
  if (head.has_body && !hub::iequals(type.substr(0, type.find(';')), "application/json")) {
    return refused(415, "UnsupportedMediaType", "a body is JSON here",
                   "send it with Content-Type: application/json");
  }
  return std::nullopt;
}

bool ControlAccess::is_preflight(const http::RequestHead& head) const {
  return !cors_origin_.empty() && head.method_text == "OPTIONS" && head.find("origin") &&
         head.find("access-control-request-method");
}

http::WireError ControlAccess::token_needed(std::string detail) {
  return refused(401, "ControlTokenNeeded", std::move(detail),
                 "start the emulator with --control-token T, and send Authorization: Bearer T");
}

std::string ControlAccess::headers() const {
  std::string lines =
      "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src "
      "'self' "
      "data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "Cross-Origin-Resource-Policy: same-origin\r\n"
      "Referrer-Policy: no-referrer\r\n"
      "Cache-Control: no-store\r\n";
  if (!cors_origin_.empty()) {
    lines += "Access-Control-Allow-Origin: " + cors_origin_ +
             "\r\nAccess-Control-Allow-Headers: authorization, content-type"
             "\r\nAccess-Control-Allow-Methods: GET, HEAD\r\nVary: Origin\r\n";
  }
  return lines;
}

std::string read_control_token(const std::string& given) {
  if (!given.starts_with(file_prefix)) return given;
  const std::string path = given.substr(file_prefix.size());
  auto token = read_file(path);
  if (!token) throw std::runtime_error(path + " is not there");
  while (token->ends_with('\n') || token->ends_with('\r')) token->pop_back();
  if (!is_control_token(*token)) {
    throw std::runtime_error(path + " holds no token: one line of printable ASCII without blanks");
  }
  return *token;
}

}  // namespace app
