#include "protocols/mqtt/username.hpp"

#include <utility>

#include "emulator/core/base/encoding.hpp"

namespace mqtt {

namespace {

// M-11: no value of api-version is wrong, nor is its absence.
void read_query(std::string_view query, Username& username) {
  if (query.starts_with('?')) query.remove_prefix(1);
  bool has_model = false, has_type = false;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    const auto equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    // The first of duplicates wins.
    if (name == "model-id" && !std::exchange(has_model, true)) {
      username.model_id = hub::percent_decode(value);
    } else if (name == "DeviceClientType" && !std::exchange(has_type, true)) {
      username.client_type = hub::percent_decode(value);
    }
  }
}

bool is_query(std::string_view segment) {
  return segment.starts_with('?') || segment.find('=') != std::string_view::npos;
}

bool is_client_id(std::string_view client_id, std::string_view device, std::string_view module) {
  return client_id.starts_with(device) && client_id.ends_with(module) &&
         client_id.size() == device.size() + 1 + module.size() && client_id[device.size()] == '/';
}

}  // namespace

std::optional<Username> parse_username(std::string_view text, std::string_view client_id) {
  Username username;
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  username.host = text.substr(0, slash);
  text.remove_prefix(slash + 1);

  slash = text.find('/');
  username.device_id = text.substr(0, slash);
  if (username.host.empty() || username.device_id.empty()) return std::nullopt;
  if (slash == std::string_view::npos) return username;
  text.remove_prefix(slash + 1);

  // A query may hold '/' itself, when a client does not encode it.
  const std::string_view third = text.substr(0, text.find('/'));
  if (third.empty() || (is_query(third) && !is_client_id(client_id, username.device_id, third))) {
    if (third.empty() && !text.empty()) return std::nullopt;
    read_query(text, username);
    return username;
  }
  username.module_id = third;
  text.remove_prefix(third.size());
  if (text.empty()) return username;
  text.remove_prefix(1);
  if (!text.empty() && !is_query(text)) return std::nullopt;
  read_query(text, username);
  return username;
}

}  // namespace mqtt
