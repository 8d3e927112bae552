#pragma once
// The one exception of this library. A client is a chain of steps of which each may fail for the
// same few reasons, and a caller seldom acts on more than the kind: hence an exception, not a
// result type as in the emulator's core.
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace iothub {

enum class ErrorKind {
  invalid_argument,     // the caller's mistake: a malformed connection string, body, option
  not_supported,        // this protocol, or this client, has no such operation
  unauthorized,         // key, token, certificate or policy refused
  not_found,            // no such device
  already_exists,       // a device of this id exists
  precondition_failed,  // changed by someone else meanwhile (etag)
  queue_full,           // 50 messages wait for the device
  quota_exceeded,       // daily quota or another limit of the hub
  lock_lost,            // settled too late: the message is not ours any more
  message_too_large,
  throttled,
  timeout,          // no answer in time
  certificate,      // the server's certificate is not trusted, or not for this host name
  unreachable,      // no connection could be made
  connection_lost,  // it was made, and ended
  server_error,     // the hub failed
  protocol_error,   // the peer does not speak the protocol
  cancelled,        // the caller's own ClientOptions::cancelled said so
};

std::string_view to_string(ErrorKind kind);

// What a person can do about it: one sentence.
std::string_view remedy(ErrorKind kind);

// True when trying again later can help.
bool is_transient(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& cause, std::optional<int> hub_code = std::nullopt);

  ErrorKind kind() const { return kind_; }

  // The hub's own number, e.g. 403004, when the answer named it.
  std::optional<int> hub_code() const { return hub_code_; }

  // One line: kind, cause, the hub's number, remedy.
  std::string line() const;

 private:
  ErrorKind kind_;
  std::optional<int> hub_code_;
};

}  // namespace iothub
