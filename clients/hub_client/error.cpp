#include "clients/hub_client/error.hpp"

namespace iothub {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
      return "invalid argument";
    case ErrorKind::not_supported:
      return "not supported";
    case ErrorKind::unauthorized:
      return "unauthorized";
    case ErrorKind::not_found:
      return "not found";
    case ErrorKind::already_exists:
      return "already exists";
    case ErrorKind::precondition_failed:
      return "precondition failed";
    case ErrorKind::queue_full:
      return "queue full";
    case ErrorKind::quota_exceeded:
      return "quota exceeded";
    case ErrorKind::lock_lost:
      return "lock lost";
    case ErrorKind::message_too_large:
      return "message too large";
    case ErrorKind::throttled:
      return "throttled";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::certificate:
      return "certificate refused";
    case ErrorKind::unreachable:
      return "unreachable";
    case ErrorKind::connection_lost:
      return "connection lost";
    case ErrorKind::server_error:
      return "server error";
    case ErrorKind::protocol_error:
      return "protocol error";
    case ErrorKind::cancelled:
      return "cancelled";
  }
  return "error";
}

std::string_view remedy(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
      return "Correct the value and try again.";
    case ErrorKind::not_supported:
      return "Choose another --transport or option.";
    case ErrorKind::unauthorized:
      return "Check the connection string's key and rights, that the device exists and is enabled, "
             "and this machine's clock.";
    case ErrorKind::not_found:
      return "Check the id (case matters) and that the device is enabled; 'iothub-service device "
             "create ID' makes it.";
    case ErrorKind::already_exists:
      return "Choose another id, or delete the device first.";
    case ErrorKind::precondition_failed:
      return "Read the device again and repeat the change.";
    case ErrorKind::queue_full:
      return "Let the device complete its messages, or empty the queue with 'iothub-service purge "
             "ID'.";
    case ErrorKind::quota_exceeded:
      return "Wait for the quota to renew, or raise it.";
    case ErrorKind::lock_lost:
      return "Settle sooner; the message is delivered again or has left the queue.";
    case ErrorKind::message_too_large:
      return "Keep cloud-to-device messages within 64 KB and telemetry within 256 KB, properties "
             "included.";
    case ErrorKind::throttled:
      return "Send more slowly and try again later.";
    case ErrorKind::timeout:
      return "Check that the hub is running and reachable, or wait longer.";
    case ErrorKind::certificate:
      return "Give the CA with --ca FILE or SSL_CERT_FILE (the emulator serves it at "
             "http://localhost:9400/ca.pem), and use a host name that the certificate names.";
    case ErrorKind::unreachable:
      return "Check the host name and port, and that the hub (or the emulator) is running.";
    case ErrorKind::connection_lost:
      return "Try again; if it repeats, look for another client with the same device id, and into "
             "the hub's log.";
    case ErrorKind::server_error:
      return "Try again later; the hub's log has the cause.";
    case ErrorKind::protocol_error:
      return "Check that host and port belong to an IoT hub and to this transport.";
    case ErrorKind::cancelled:
      return "It was stopped from outside; what was under way may or may not have been done.";
  }
  return "";
}

bool is_transient(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::throttled:
    case ErrorKind::timeout:
    case ErrorKind::unreachable:
    case ErrorKind::connection_lost:
    case ErrorKind::server_error:
      return true;
    case ErrorKind::invalid_argument:
    case ErrorKind::not_supported:
    case ErrorKind::unauthorized:
    case ErrorKind::not_found:
    case ErrorKind::already_exists:
    case ErrorKind::precondition_failed:
    case ErrorKind::queue_full:
    case ErrorKind::quota_exceeded:
    case ErrorKind::lock_lost:
    case ErrorKind::message_too_large:
    case ErrorKind::certificate:
    case ErrorKind::protocol_error:
    case ErrorKind::cancelled:
      return false;
  }
  return false;
}

Error::Error(ErrorKind kind, const std::string& cause, std::optional<int> hub_code)
    : std::runtime_error(cause), kind_(kind), hub_code_(hub_code) {}

std::string Error::line() const {
  std::string text{to_string(kind_)};
  text += ": ";
  text += what();
  if (hub_code_) text += " [hub error " + std::to_string(*hub_code_) + "]";
  if (text.back() != '.' && text.back() != ']') text += '.';
  text += ' ';
  text += remedy(kind_);
  return text;
}

}  // namespace iothub
