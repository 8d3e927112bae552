#include "protocols/mqtt/topic.hpp"

#include <array>

#include "protocols/mqtt/topic_filter.hpp"

namespace mqtt {

namespace {

constexpr std::string_view devices = "devices/";
constexpr std::string_view modules = "/modules/";
constexpr std::string_view events = "/messages/events";
constexpr std::string_view devicebound = "/messages/devicebound/";
constexpr std::string_view twin = "$iothub/twin/";
constexpr std::string_view twin_get = "$iothub/twin/GET/";
constexpr std::string_view twin_patch = "$iothub/twin/PATCH/properties/reported/";
constexpr std::string_view method_response = "$iothub/methods/res/";

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

PublishTopic classify_device_topic(std::string_view rest, const hub::DeviceId& device) {
  const PublishTopic other{PublishKind::other_identity, {}, {}};
  if (!take_prefix(rest, device.text) || (!rest.empty() && rest.front() != '/')) return other;
  if (take_prefix(rest, modules)) {
    if (!device.is_module() || !take_prefix(rest, device.module) ||
        (!rest.empty() && rest.front() != '/')) {
      return other;
    }
  } else if (device.is_module()) {
    return other;
  }
  if (!take_prefix(rest, events)) return {};
  if (rest.empty()) return {PublishKind::telemetry, {}, {}};
  if (!take_prefix(rest, "/")) return {};
  if (rest.ends_with('/')) rest.remove_suffix(1);
  return {PublishKind::telemetry, rest, {}};
}

// `query` is `?$rid=…`; other parameters may follow it (M-51).
std::string_view request_id_of(std::string_view query) {
  if (!take_prefix(query, "?$rid=")) return {};
  return query.substr(0, query.find('&'));
}

std::string_view take_level(std::string_view& rest) {
  const auto slash = rest.find('/');
  const std::string_view level = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

// A literal id where that of `self` would stand. The device is another identity to its module, and
// each module to it (MOD-13).
bool names_other(std::string_view filter, const hub::DeviceId& self) {
  const auto is_literal = [](std::string_view level) {
    return !level.empty() && level != "+" && level != "#";
  };
  if (!take_prefix(filter, devices)) return false;
  const std::string_view device = take_level(filter);
  if (!is_literal(device)) return false;
  if (device != self.text) return true;
  const std::string_view below = take_level(filter);
  if (!is_literal(below)) return false;
  if (below != "modules") return self.is_module();
  const std::string_view module = take_level(filter);
  return is_literal(module) && module != self.module;
}

}  // namespace

PublishTopic classify_publish(std::string_view topic, const hub::DeviceId& device) {
  if (take_prefix(topic, devices)) return classify_device_topic(topic, device);
  if (topic.starts_with(twin)) {
    PublishTopic out;
    if (take_prefix(topic, twin_get)) {
      out.kind = PublishKind::twin_get;
    } else if (take_prefix(topic, twin_patch)) {
      out.kind = PublishKind::twin_patch;
    }
    out.request_id = request_id_of(topic);
    if (out.request_id.empty()) out.kind = PublishKind::bad_twin_request;
    return out;
  }
  if (topic.starts_with(method_response)) return {PublishKind::method_response, {}, {}};
  return {};
}

bool is_odd_bag(std::string_view bag) {
  return bag.starts_with('?') || bag.substr(0, bag.find('=')).find('/') != std::string_view::npos;
}

FilterKind classify_filter(std::string_view filter, const hub::DeviceId& device) {
  if (names_other(filter, device)) return FilterKind::other_identity;
  // The bag is one level and always different, so only a wildcard can stand in its place: no filter
  // has a level with U+0000.
  const std::string any_message =
      std::string(devices) + device.text + std::string(devicebound) + '\0';
  if (!device.is_module() && matches(filter, any_message)) {
    return FilterKind::devicebound;
  }
  constexpr std::array<std::string_view, 3> subtrees = {
      "$iothub/twin/res/", "$iothub/twin/PATCH/properties/desired/", "$iothub/methods/POST/"};
  for (const std::string_view subtree : subtrees) {
    // Below a subtree, or a wildcard somewhere above it.
    if (filter.starts_with(subtree) || matches(filter, std::string(subtree) + "x/y")) {
      return FilterKind::iothub;
    }
  }
  return FilterKind::inert;
}

std::string twin_response_topic(int status, std::string_view request_id) {
  std::string topic = "$iothub/twin/res/" + std::to_string(status) + "/?$rid=";
  topic.append(request_id);
  return topic;
}

std::string twin_response_topic(int status, std::string_view request_id, std::uint64_t version) {
  return twin_response_topic(status, request_id) + "&$version=" + std::to_string(version);
}

}  // namespace mqtt
