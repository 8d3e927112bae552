#include "protocols/amqp/address.hpp"

#include <vector>

#include "emulator/core/encoding.hpp"

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

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (true) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

struct DevicePath {
  Target target;
  std::vector<std::string_view> rest;
};

std::optional<DevicePath> device_path(const std::vector<std::string_view>& segments) {
  if (segments.size() < 3 || !hub::iequals(segments[0], "devices") || segments[1].empty()) {
    return std::nullopt;
  }
  DevicePath out;
  out.target.raw.text = segments[1];
  std::size_t next = 2;
  if (segments.size() > 4 && hub::iequals(segments[2], "modules")) {
    if (segments[3].empty()) return std::nullopt;
    out.target.raw.module = segments[3];
    next = 4;
  }
  out.target.id = {hub::percent_decode(out.target.raw.text),
                   hub::percent_decode(out.target.raw.module)};
  out.rest.assign(segments.begin() + static_cast<std::ptrdiff_t>(next), segments.end());
  return out;
}

bool matches(const std::vector<std::string_view>& segments,
             std::initializer_list<std::string_view> words) {
  if (segments.size() != words.size()) return false;
  auto segment = segments.begin();
  for (const std::string_view word : words) {
    if (!hub::iequals(*segment++, word)) return false;
  }
  return true;
}

}  // namespace

Address parse_address(std::string_view text) {
  using Kind = Address::Kind;
  if (text.size() > address_bytes_max) return {};
  const auto segments = split(path_of(text));
  if (matches(segments, {"$cbs"})) return {Kind::cbs, {}};
  if (matches(segments, {"messages", "devicebound"})) return {Kind::service_devicebound, {}};
  if (matches(segments, {"messages", "servicebound", "feedback"})) return {Kind::feedback, {}};
  if (matches(segments, {"messages", "servicebound", "filenotifications"})) {
    return {Kind::file_notifications, {}};
  }
  if (hub::iequals(segments.back(), "$management")) return {Kind::management, {}};
  if (segments.size() >= 2 &&
      ((hub::iequals(segments[0], "messages") && hub::iequals(segments[1], "events")) ||
       hub::iequals(segments[1], "consumergroups"))) {
    return {Kind::events, {}};
  }
  auto device = device_path(segments);
  if (!device) return {};
  const auto of_device = [&](Kind kind) { return Address{kind, std::move(device->target)}; };
  if (matches(device->rest, {"messages", "events"})) return of_device(Kind::telemetry);
  if (matches(device->rest, {"messages", "devicebound"})) return of_device(Kind::devicebound);
  if (matches(device->rest, {"twin"})) return of_device(Kind::twin);
  if (matches(device->rest, {"methods", "devicebound"})) return of_device(Kind::methods);
  return {};
}

std::optional<Target> parse_c2d_to(std::string_view text) {
  if (text.size() > address_bytes_max) return std::nullopt;
  auto device = device_path(split(path_of(text)));
  if (!device || !matches(device->rest, {"messages", "devicebound"})) return std::nullopt;
  return std::move(device->target);
}

}  // namespace amqp
