#include "protocols/http/hub_service.hpp"

#include "emulator/core/base/encoding.hpp"
#include "protocols/http/authorization.hpp"
#include "protocols/http/routes.hpp"
#include "protocols/http/service.hpp"

namespace http {

namespace {

// `2021-04-12`, `2018-08-30-preview`: any well-formed one is as good as another (H-47).
bool is_api_version(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-dd";
  if (text.size() < shape.size() || text.size() > 32) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != '-') return false;
  }
  return text.size() == shape.size() || text[shape.size()] == '-';
}

// Java cannot send PATCH and says so in a header (T-07).
Method effective_method(const RequestHead& head) {
  if (head.method == Method::post) {
    const auto wanted = head.find("x-http-method-override");
    if (wanted && hub::iequals(*wanted, "patch")) return Method::patch;
  }
  return head.method;
}

const Rules hub_rules;

class HubService final : public Service {
 public:
  HubService(hub::Hub& hub, protocols::PeerInfo from)
      : Service(hub_rules, hub.log(), std::move(from)), hub_(hub) {}

  std::optional<WireError> admit(const RequestHead& head, const Target& target, Response& response,
                                 hub::TimePoint now) override {
    auto found = match(all_routes(), effective_method(head), target.segments);
    if (found.route == nullptr) return no_route(head, target, std::move(found.allow));
    route_ = found.route;
    const auto version = target.find("api-version");
    if (route_->wants_api_version && !(version && is_api_version(*version))) {
      return to_wire_error(hub::fail(hub::HubErrc::invalid_protocol_version,
                                     "the query key api-version is missing or malformed: add "
                                     "?api-version=2021-04-12"));
    }
    exchange_.emplace(
        Exchange{hub_, peer, head, target, {}, now, response, std::move(found.ids), {}, {}});
    return error_of(authorize(*exchange_, route_->access));
  }

  std::optional<WireError> answer(std::string_view body, hub::TimePoint now) override {
    exchange_->body = body;
    exchange_->now = now;
    return error_of(route_->handler(*exchange_));
  }

 private:
  // `allow`: the methods of the path, if it is one.
  static WireError no_route(const RequestHead& head, const Target& target, std::string allow) {
    const std::string path(head.path());
    if (allow.empty()) {
      return generic_error(404, "this hub has no route " + path +
                                    ": compare it with the REST API, such as /devices/{id}");
    }
    std::string text = path + " takes " + allow + ", not " + std::string(head.method_text);
    std::vector<std::string_view> ids;
    if (fits("/devices/{id}/messages/deviceBound", target.segments, ids)) {
      text +=
          ": here a device receives; a back end sends to it over AMQP, or by POST "
          "/messages/deviceBound with the header iothub-to: " +
          path;
    }
    WireError error = generic_error(405, std::move(text));
    error.allow = std::move(allow);
    return error;
  }

  static std::optional<WireError> error_of(const hub::Result<void>& result) {
    if (result) return std::nullopt;
    return to_wire_error(result.error());
  }

  hub::Hub& hub_;
  const Route* route_ = nullptr;
  std::optional<Exchange> exchange_;  // of the request that was admitted last
};

}  // namespace

std::unique_ptr<Session> make_hub_session(hub::Hub& hub, protocols::PeerInfo peer,
                                          protocols::TimePoint now) {
  return std::make_unique<Session>(std::make_unique<HubService>(hub, std::move(peer)), now);
}

}  // namespace http
