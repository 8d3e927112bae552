#pragma once
// Messages <-> headers: `iothub-*` as sent by devices and by our own deviceBound send
// (spec/https.md 2.2), and as a device receives them (2.3).
#include "emulator/core/base/message.hpp"
#include "emulator/core/settings/limits.hpp"
#include "protocols/http/request.hpp"
#include "protocols/http/response.hpp"

#include <string>
#include <string_view>

namespace http {

// What headers, or the `properties` of a batch's message, say.
struct SentHeaders {
  hub::MessageContent content;  // without the body
  std::string ack;              // iothub-ack and iothub-expiry mean something for c2d only
  std::string expiry;
  std::string interface_id;
  std::string subject;
};

// Takes one header if it belongs to the message; ignores all others.
void apply_header(SentHeaders& sent, std::string_view name, std::string_view value);
// All headers of a request. Content-Type and Content-Encoding are the transport's (H-36).
SentHeaders read_headers(const RequestHead& head);
// message-id too long, or too many properties: argument_invalid.
hub::Result<void> check_headers(const SentHeaders& sent, const hub::Limits& limits);

// The answer to a receive: all ten system headers, even if empty (H-37), properties and body.
void write_delivery(Response& response, const hub::Delivery& delivery);

}  // namespace http
