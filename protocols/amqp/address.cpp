#include "protocols/amqp/address.hpp"

#include "emulator/core/base/encoding.hpp"

namespace amqp {

namespace {

constexpr std::size_t address_bytes_max = 2048;

// Without scheme, host, query and outer slashes.
std::string_view path_of(std::string_view text) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    const auto slash = text.find('/', scheme + 3);
    text = slash == std::string_view::npos ? std::string_view{} : text.substr(slash);
  }
  // Only behind the last slash: `?` is legal in a device id.
  const auto last_slash = text.rfind('/');
  const auto query = text.find('?', last_slash == std::string_view::npos ? 0 : last_slash);
  text = text.substr(0, query);
  while (!text.empty() && text.front() == '/') text.remove_prefix(1);
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  return text;
}

// Up to the next slash, which is taken along.
std::string_view take_segment(std::string_view& path) {
  const auto slash = path.find('/');
  const auto segment = path.substr(0, slash);
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  return segment;
}

struct DevicePath {
  Target target;
  std::string_view rest;  // behind the device or module
};

std::optional<DevicePath> device_path(std::string_view path) {
  DevicePath out;
  if (!hub::iequals(take_segment(path), "devices")) return std::nullopt;
  out.target.raw.text = take_segment(path);
  out.rest = path;
  if (hub::iequals(take_segment(path), "modules")) {
    out.target.raw.module = take_segment(path);
    if (out.target.raw.module.empty()) return std::nullopt;
    out.rest = path;
  }
  if (out.target.raw.text.empty()) return std::nullopt;
  out.target.id = {hub::percent_decode(out.target.raw.text),
                   hub::percent_decode(out.target.raw.module)};
  return out;
}

}  // namespace

Address parse_address(std::string_view text) {
  using Kind = Address::Kind;
  if (text.size() > address_bytes_max) return {};
  const auto path = path_of(text);
  const auto is = [&](std::string_view address) { return hub::iequals(path, address); };
  if (is("$cbs")) return {Kind::cbs, {}};
  if (is("messages/devicebound")) return {Kind::service_devicebound, {}};
  if (is("messages/servicebound/feedback")) return {Kind::feedback, {}};
  if (is("messages/servicebound/filenotifications")) return {Kind::file_notifications, {}};
  auto rest = path;
  const auto first = take_segment(rest);
  const auto second = take_segment(rest);
  if (hub::iequals(path.substr(path.rfind('/') + 1), "$management")) return {Kind::management, {}};
  if ((hub::iequals(first, "messages") && hub::iequals(second, "events")) ||
      hub::iequals(second, "consumergroups")) {
    return {Kind::events, {}};
  }
  auto device = device_path(path);
  if (!device) return {};
  const auto is_of_device = [&](std::string_view node) { return hub::iequals(device->rest, node); };
  const auto of_device = [&](Kind kind) { return Address{kind, std::move(device->target)}; };
  if (is_of_device("messages/events")) return of_device(Kind::telemetry);
  if (is_of_device("messages/devicebound")) return of_device(Kind::devicebound);
  if (is_of_device("twin")) return of_device(Kind::twin);
  if (is_of_device("methods/devicebound")) return of_device(Kind::methods);
  return {};
}

std::optional<Target> parse_c2d_to(std::string_view text) {
  if (text.size() > address_bytes_max) return std::nullopt;
  auto device = device_path(path_of(text));
  if (!device || !hub::iequals(device->rest, "messages/devicebound")) return std::nullopt;
  return std::move(device->target);
}

}  // namespace amqp
