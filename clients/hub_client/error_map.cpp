#include "clients/hub_client/error_map.hpp"

#include "clients/hub_client/encoding.hpp"

#include <boost/json.hpp>

#include <array>
#include <utility>

namespace iothub {
namespace {

using NamedCode = std::pair<std::string_view, int>;

// The names these tools can meet; the hub's full list is in troubleshoot-error-codes.
constexpr std::array<NamedCode, 34> kCodes{{
    {"InvalidProtocolVersion", 400001},
    {"ArgumentInvalid", 400004},
    {"ArgumentNull", 400005},
    {"IotHubFormatError", 400006},
    {"GenericUnauthorized", 401000},
    {"IotHubNotFound", 401001},
    {"IotHubUnauthorizedAccess", 401002},
    {"IotHubUnauthorized", 401003},
    {"GenericForbidden", 403000},
    {"IotHubSuspended", 403001},
    {"IotHubQuotaExceeded", 403002},
    {"DeviceMaximumQueueDepthExceeded", 403004},
    {"DeviceMaximumQueueSizeExceeded", 403007},
    {"InvalidMessageExpiryTime", 403009},
    {"BulkRegistryOperationFailure", 400013},
    {"InvalidDeviceScope", 400028},
    {"OperationNotAvailableInCurrentTier", 403010},
    {"DeviceDisabled", 403012},
    {"GenericNotFound", 404000},
    {"DeviceNotFound", 404001},
    {"AmqpAddressNotFound", 404006},
    {"ModuleNotFound", 404010},
    {"FeatureNotSupported", 404013},
    {"DeviceNotOnline", 404103},
    {"GenericConflict", 409000},
    {"DeviceAlreadyExists", 409001},
    {"LinkCreationConflict", 409002},
    {"PreconditionFailed", 412001},
    {"DeviceMessageLockLost", 412002},
    {"MessageTooLarge", 413001},
    {"TooManyDevices", 413002},
    {"ThrottlingException", 429001},
    {"ServerError", 500001},
    {"ServiceUnavailable", 503001},
}};

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A few numbers mean more than their HTTP status.
std::optional<ErrorKind> kind_of_code(std::optional<int> code) {
  if (!code) return std::nullopt;
  switch (*code) {
    case 403004:
    case 403007:
      return ErrorKind::queue_full;
    case 403002:
    case 403003:
      return ErrorKind::quota_exceeded;
    case 403009:
      return ErrorKind::invalid_argument;
    case 403012:
      return ErrorKind::unauthorized;
    case 404013:
      return ErrorKind::not_supported;
    case 412002:
      return ErrorKind::lock_lost;
    case 413002:
      return ErrorKind::quota_exceeded;
    default:
      return std::nullopt;
  }
}

ErrorKind kind_of_status(int status) {
  switch (status) {
    case 401:
      return ErrorKind::unauthorized;
    case 403:
      return ErrorKind::quota_exceeded;
    case 404:
      return ErrorKind::not_found;
    case 408:
      return ErrorKind::timeout;
    case 409:
      return ErrorKind::already_exists;
    case 412:
      return ErrorKind::precondition_failed;
    case 413:
      return ErrorKind::message_too_large;
    case 429:
      return ErrorKind::throttled;
    default:
      break;
  }
  if (status >= 500) return ErrorKind::server_error;
  if (status >= 400) return ErrorKind::invalid_argument;
  return ErrorKind::protocol_error;
}

struct Body {
  std::string name, text;
  std::optional<int> code;
};

// Two forms are in use: {"Message":"ErrorCode:<Name>;<text>",...}, and the same with a Message that
// is JSON itself: {"errorCode":404103,"message":"<text>",...}.
Body read_body(std::string_view body) {
  Body out;
  boost::system::error_code ec;
  const auto value = boost::json::parse(boost::json::string_view{body.data(), body.size()}, ec);
  const auto* object = ec ? nullptr : value.if_object();
  const auto* field = object == nullptr ? nullptr : object->if_contains("Message");
  const auto* message = field == nullptr ? nullptr : field->if_string();
  if (message == nullptr) return out;
  const std::string text{message->data(), message->size()};
  const auto inner = boost::json::parse(text, ec);
  if (!ec && inner.is_object()) {
    const auto& fields = inner.get_object();
    if (const auto* code = fields.if_contains("errorCode"); code != nullptr && code->is_int64()) {
      out.code = static_cast<int>(code->get_int64());
    }
    if (const auto* said = fields.if_contains("message"); said != nullptr && said->is_string()) {
      out.text = std::string{said->get_string().data(), said->get_string().size()};
    }
    return out;
  }
  constexpr std::string_view kPrefix = "ErrorCode:";
  if (!text.starts_with(kPrefix)) {
    out.text = text;
    return out;
  }
  const auto semicolon = text.find(';');
  out.name =
      text.substr(kPrefix.size(),
                  semicolon == std::string::npos ? std::string::npos : semicolon - kPrefix.size());
  if (semicolon != std::string::npos) out.text = text.substr(semicolon + 1);
  return out;
}

ErrorKind kind_of_condition(std::string_view condition, std::string_view description) {
  using enum ErrorKind;
  constexpr std::array<std::pair<std::string_view, ErrorKind>, 27> kConditions{{
      {"amqp:not-found", not_found},
      {"amqp:unauthorized-access", unauthorized},
      {"amqp:resource-limit-exceeded", queue_full},
      {"amqp:link:message-size-exceeded", message_too_large},
      {"amqp:link:transfer-limit-exceeded", quota_exceeded},
      {"amqp:not-allowed", invalid_argument},
      {"amqp:invalid-field", invalid_argument},
      {"amqp:not-implemented", not_supported},
      {"amqp:precondition-failed", precondition_failed},
      {"amqp:internal-error", server_error},
      {"amqp:connection:forced", connection_lost},
      {"amqp:link:detach-forced", connection_lost},
      {"amqp:link:stolen", connection_lost},
      {"amqp:connection:framing-error", protocol_error},
      {"amqp:decode-error", protocol_error},
      {"amqp:frame-size-too-small", protocol_error},
      {"amqp:session:unattached-handle", protocol_error},
      {"amqp:resource-locked", lock_lost},
      {"com.microsoft:message-lock-lost", lock_lost},
      {"com.microsoft:device-container-throttled", throttled},
      {"com.microsoft:timeout", timeout},
      {"com.microsoft:argument-error", invalid_argument},
      {"com.microsoft:argument-out-of-range", invalid_argument},
      {"com.microsoft:quota-exceeded", quota_exceeded},
      {"com.microsoft:iot-hub-suspended", quota_exceeded},
      {"com.microsoft:link-creation-conflict", connection_lost},
      {"com.microsoft:device-already-exists", already_exists},
  }};
  for (const auto& [name, kind] : kConditions) {
    if (condition != name) continue;
    // One condition, two meanings: the number or the text tells a full queue from a spent quota.
    if (kind == queue_full && description.find("403002") != std::string_view::npos) {
      return quota_exceeded;
    }
    return kind;
  }
  return condition.starts_with("amqp:") ? server_error : protocol_error;
}

}  // namespace

std::optional<int> hub_code_of(std::string_view error_name) {
  for (const auto& [name, code] : kCodes) {
    if (equal_ignoring_case(name, error_name)) return code;
  }
  return std::nullopt;
}

std::optional<int> find_hub_code(std::string_view text) {
  for (std::size_t i = 0; i + 6 <= text.size(); ++i) {
    if (text[i] != '4' && text[i] != '5') continue;
    if (i > 0 && is_alphanumeric(text[i - 1])) continue;
    if (i + 6 < text.size() && is_alphanumeric(text[i + 6])) continue;
    int code = 0;
    std::size_t k = 0;
    for (; k < 6 && text[i + k] >= '0' && text[i + k] <= '9'; ++k) {
      code = code * 10 + (text[i + k] - '0');
    }
    if (k == 6) return code;
  }
  return std::nullopt;
}

Error error_from_http(int status, std::string_view error_code, std::string_view body,
                      std::string_view doing) {
  Body said = read_body(body);
  if (said.name.empty()) said.name = error_code;
  if (!said.code) said.code = hub_code_of(said.name);
  std::string cause{doing};
  cause += ": HTTP " + std::to_string(status);
  if (!said.name.empty()) cause += " " + said.name;
  if (!said.text.empty()) cause += " (" + said.text + ")";
  const auto kind = kind_of_code(said.code).value_or(kind_of_status(status));
  return Error{kind, cause, said.code};
}

Error error_from_amqp(std::string_view condition, std::string_view description,
                      std::string_view doing) {
  const auto code = find_hub_code(description);
  std::string cause{doing};
  cause += ": ";
  cause += condition.empty() ? "refused without a condition" : condition;
  if (!description.empty()) cause += " (" + std::string{description} + ")";
  const auto kind = kind_of_code(code).value_or(kind_of_condition(condition, description));
  return Error{kind, cause, code};
}

Error error_from_connack(int code, std::string_view doing) {
  const std::string cause =
      std::string{doing} + ": the hub answered CONNACK " + std::to_string(code);
  switch (code) {
    case 1:
      return Error{ErrorKind::protocol_error, cause + " (protocol version refused)"};
    case 2:
      return Error{ErrorKind::unauthorized, cause + " (client id refused)"};
    case 3:
      return Error{ErrorKind::server_error, cause + " (server unavailable)"};
    case 4:
      return Error{ErrorKind::unauthorized, cause + " (bad user name or password)"};
    case 5:
      return Error{ErrorKind::unauthorized, cause + " (not authorised)"};
    default:
      return Error{ErrorKind::protocol_error, cause};
  }
}

}  // namespace iothub
