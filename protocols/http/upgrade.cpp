#include "protocols/http/upgrade.hpp"

#include "emulator/core/base/encoding.hpp"

#include <boost/beast/http/rfc7230.hpp>

namespace http {

namespace {

using boost::beast::http::token_list;

bool is_path(const Target& target, std::string_view first) {
  return target.segments.size() == 2 && hub::iequals(target.segments[0], first) &&
         hub::iequals(target.segments[1], "websocket");
}

bool has_token(std::string_view list, std::string_view token) {
  for (const auto item : token_list{boost::beast::string_view(list.data(), list.size())}) {
    if (hub::iequals({item.data(), item.size()}, token)) return true;
  }
  return false;
}

}  // namespace

bool wants_upgrade(const RequestHead& head) {
  return head.connection_upgrade &&
         has_token(head.find("upgrade").value_or(std::string_view{}), "websocket");
}

std::variant<protocols::Upgrade, Refusal> decide_upgrade(const RequestHead& head,
                                                         const Target& target,
                                                         std::string_view raw_head) {
  const bool amqp_only = is_path(target, "$servicebus");
  if (!amqp_only && !is_path(target, "$iothub")) {
    return Refusal{400,
                   "there is no WebSocket at " + std::string(head.path()) +
                       ": MQTT and AMQP are at /$iothub/websocket, with the subprotocol mqtt or "
                       "AMQPWSB10"};
  }
  if (head.method != Method::get || head.http_1_0 || head.has_body) {
    return Refusal{400, "a WebSocket upgrade is a GET of HTTP/1.1 without a body"};
  }
  if (head.find("sec-websocket-version").value_or(std::string_view{}) != "13" ||
      head.find("sec-websocket-key").value_or(std::string_view{}).empty()) {
    return Refusal{400, "a WebSocket upgrade needs Sec-WebSocket-Version: 13 and a key"};
  }
  for (const Header& header : head.headers) {
    if (!hub::iequals(header.name, "sec-websocket-protocol")) continue;
    // The client's order decides; its spelling goes back to it (M-02).
    for (const auto item : token_list{{header.value.data(), header.value.size()}}) {
      const std::string_view offered(item.data(), item.size());
      for (const std::string_view known : {"mqtt", "AMQPWSB10"}) {
        if (!hub::iequals(offered, known) || (amqp_only && known == "mqtt")) continue;
        return protocols::Upgrade{
            std::string(raw_head), {}, std::string(known), std::string(offered)};
      }
    }
  }
  return Refusal{400, amqp_only
                          ? "this path offers the subprotocol AMQPWSB10: name it in "
                            "Sec-WebSocket-Protocol"
                          : "this path offers the subprotocols mqtt and AMQPWSB10: name one in "
                            "Sec-WebSocket-Protocol"};
}

}  // namespace http
