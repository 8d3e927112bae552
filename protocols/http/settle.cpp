#include "protocols/http/settle.hpp"

#include "protocols/http/etag.hpp"
#include "protocols/http/message_headers.hpp"

namespace http {

namespace {

// The path is the authority; If-Match, which clients write in four ways, is ignored (H-39).
hub::Result<hub::LockToken> parse_lock_token(std::string_view text) {
  if (auto token = hub::LockToken::from_text(bare_etag(text))) return *token;
  return hub::fail(hub::HubErrc::argument_invalid,
                   "'" + std::string(text) +
                       "' is no lock token: take the GUID from the ETag of the "
                       "message that was received");
}

// Three spellings are in the field: `reject`, `reject=...` and Java's `?reject=true` (H-40).
bool asks_to_reject(const Target& target) {
  return target.find("reject").has_value() || target.find("?reject").has_value();
}

hub::Result<void> no_content(Exchange& exchange, hub::Result<void> result) {
  if (result) exchange.response.status = 204;
  return result;
}

}  // namespace

hub::Result<void> receive_from(Exchange& exchange, const hub::QueueId& queue, hub::Duration lock,
                               std::string_view content_type) {
  const auto delivery = exchange.hub.c2d().receive_once(queue, lock, exchange.now);
  if (!delivery) return delivery.error();
  if (!*delivery) {
    exchange.response.status = 204;
    return {};
  }
  write_delivery(exchange.response, **delivery);
  exchange.response.content_type = content_type;
  return {};
}

hub::Result<void> complete_or_reject(Exchange& exchange, const hub::QueueId& queue,
                                     std::string_view text) {
  const auto token = parse_lock_token(text);
  if (!token) return token.error();
  return no_content(exchange, asks_to_reject(exchange.target)
                                  ? exchange.hub.c2d().reject(queue, *token, exchange.now)
                                  : exchange.hub.c2d().complete(queue, *token, exchange.now));
}

hub::Result<void> abandon(Exchange& exchange, const hub::QueueId& queue, std::string_view text) {
  const auto token = parse_lock_token(text);
  if (!token) return token.error();
  return no_content(exchange, exchange.hub.c2d().abandon(queue, *token, exchange.now));
}

}  // namespace http
