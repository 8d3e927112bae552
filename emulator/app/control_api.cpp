#include "emulator/app/control_api.hpp"

#include "emulator/app/start_report.hpp"
#include "emulator/app/version.hpp"
#include "protocols/http/router.hpp"
#include "protocols/http/session.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

namespace app {
namespace {

namespace json = boost::json;

// A handler answers, or says why not.
struct Call {
  const ControlSources& sources;
  http::Response& response;
  hub::TimePoint now;

  void answer(const json::object& object) { response.json(json::serialize(object)); }
};
using Refused = std::optional<http::WireError>;

Refused health(Call& call) {
  call.answer({{"status", "ok"}});
  return {};
}

Refused ready(Call& call) {
  const auto missing = call.sources.not_ready();
  if (missing.empty()) {
    call.answer({{"status", "ready"}});
  } else {
    call.response.status = 503;
    call.answer({{"status", "not ready"}, {"missing", json::value_from(missing)}});
  }
  return {};
}

Refused metrics(Call& call) {
  call.response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  call.response.body = metrics_text(call.sources.hub.metrics());
  return {};
}

Refused ca(Call& call) {
  call.response.content_type = "application/x-pem-file";
  call.response.body = call.sources.ca_pem;
  return {};
}

// Takes out the connection strings with a key that is not the well-known one; how many there were.
std::size_t withhold_keys(json::object& strings) {
  std::size_t withheld = 0;
  for (auto it = strings.begin(); it != strings.end();) {
    if (auto* inner = it->value().if_object()) withheld += withhold_keys(*inner);
    const auto* text = it->value().if_string();
    const bool secret = text != nullptr && text->find("SharedAccessKey=") != json::string::npos &&
                        !text->ends_with("SharedAccessKey=" + std::string(well_known_key));
    withheld += secret ? 1 : 0;
    it = secret ? strings.erase(it) : std::next(it);
  }
  return withheld;
}

Refused strings(Call& call) {
  const ControlSources& sources = call.sources;
  json::object out = connection_strings(sources.hub, sources.names, call.now);
  out["caUrl"] = sources.ca_url;
  if (!sources.access.may_show_keys()) {
    const std::size_t withheld = withhold_keys(out);
    auto needed = ControlAccess::token_needed(
        "this control API listens beyond loopback and shows no key but the well-known one without "
        "a token");
    if (!out.contains("hub")) return needed;
    if (withheld > 0) out["withheld"] = json::object{{"count", withheld}, {"hint", needed.hint}};
  }
  call.answer(out);
  return {};
}

Refused version_answer(Call& call) {
  call.answer({{"name", "iothub-emulator"},
               {"version", version().number},
               {"commit", version().commit},
               {"build", version().build}});
  return {};
}

struct Route {
  std::optional<http::Method> method;
  std::string_view path;
  bool open;  // without the token, too (CT-153)
  Refused (*handler)(Call&);
};
constexpr std::array routes{
    Route{http::Method::get, "/health", true, health},
    Route{http::Method::get, "/ready", true, ready},
    Route{http::Method::get, "/ca.pem", true, ca},
    Route{http::Method::get, "/metrics", false, metrics},
    Route{http::Method::get, "/version", false, version_answer},
    Route{http::Method::get, "/connection-strings", false, strings},
};

// What exists, the nearest spelling first: it has the most in common at both ends.
std::string known_routes(std::string_view wanted) {
  std::vector<std::string_view> paths;
  for (const Route& route : routes) paths.push_back(route.path);
  const auto in_common = [&](std::string_view path) {
    const auto front = std::mismatch(path.begin(), path.end(), wanted.begin(), wanted.end()).first;
    const auto back =
        std::mismatch(path.rbegin(), path.rend(), wanted.rbegin(), wanted.rend()).first;
    return (front - path.begin()) + (back - path.rbegin());
  };
  std::ranges::stable_sort(paths, std::ranges::greater{}, in_common);
  std::string text;
  for (const auto path : paths) text.append(text.empty() ? "" : ", ").append(path);
  return text;
}

class ControlService final : public http::Service {
 public:
  ControlService(const ControlSources& sources, protocols::PeerInfo from)
      : Service(sources.rules, sources.hub.log(), std::move(from)), sources_(sources) {}

  Refused admit(const http::RequestHead& head, const http::Target& target, http::Response& response,
                hub::TimePoint) override {
    const bool is_head = head.method == http::Method::head;
    const auto found = http::match(std::span<const Route>(routes),
                                   is_head ? http::Method::get : head.method, target.segments);
    const bool open = found.route != nullptr && found.route->open;
    if (auto refused = sources_.access.check(head, target, open)) return refused;
    response_ = &response;
    route_ = found.route;
    if (found.route != nullptr || sources_.access.is_preflight(head)) return std::nullopt;
    if (!found.path_known) {
      const std::string path(head.path());
      return http::WireError{404,        404000,
                             "NotFound", "there is no route " + path,
                             {},         "there are: " + known_routes(path)};
    }
    http::WireError error = http::generic_error(405, "this route takes GET and HEAD");
    error.allow = "GET, HEAD";
    return error;
  }

  Refused answer(std::string_view, hub::TimePoint now) override {
    Call call{sources_, *response_, now};
    if (route_ != nullptr) return route_->handler(call);
    response_->status = 204;  // to a browser that asks whether a page may
    return std::nullopt;
  }

 private:
  const ControlSources& sources_;
  const Route* route_ = nullptr;
  http::Response* response_ = nullptr;
};

http::Rules rules_of(const ControlAccess& access) {
  http::Rules rules;
  rules.head_timeout = std::chrono::seconds{20};  // of the whole request (CT-154)
  rules.body_timeout = hub::Duration{0};
  rules.body_bytes_max = 1024 * 1024;
  rules.websockets = false;
  rules.answers_promise = false;  // it looks, and changes nothing
  rules.errors = http::ErrorStyle::control;
  rules.headers = access.headers();
  return rules;
}

}  // namespace

ControlSources::ControlSources(hub::Hub& shown, std::string ca_text,
                               std::function<std::vector<std::string>()> missing,
                               HostNames host_names, std::string url, ControlAccess may)
    : hub(shown),
      ca_pem(std::move(ca_text)),
      not_ready(std::move(missing)),
      names(std::move(host_names)),
      ca_url(std::move(url)),
      access(std::move(may)),
      rules(rules_of(access)) {}

std::unique_ptr<protocols::Session> make_control_session(const ControlSources& sources,
                                                         protocols::PeerInfo peer,
                                                         hub::TimePoint now) {
  return std::make_unique<http::Session>(std::make_unique<ControlService>(sources, std::move(peer)),
                                         now);
}

std::string metrics_text(const hub::Metrics& metrics) {
  struct Row {
    const char* name;
    const char* type;
    const char* help;
    const hub::Metrics::Counter& value;
  };
  const Row rows[] = {
      {"c2d_commands_ingress_success", "counter",
       "c2d.commands.ingress.success: cloud-to-device messages accepted",
       metrics.c2d_ingress_success},
      {"c2d_commands_egress_complete_success", "counter",
       "c2d.commands.egress.complete.success: completed by the device",
       metrics.c2d_egress_complete_success},
      {"c2d_commands_egress_abandon_success", "counter",
       "c2d.commands.egress.abandon.success: abandoned by the device",
       metrics.c2d_egress_abandon_success},
      {"c2d_commands_egress_reject_success", "counter",
       "c2d.commands.egress.reject.success: rejected by the device",
       metrics.c2d_egress_reject_success},
      {"C2DMessagesExpired", "counter", "C2DMessagesExpired: dead-lettered by their expiry",
       metrics.c2d_messages_expired},
      {"d2c_telemetry_ingress_success", "counter",
       "d2c.telemetry.ingress.success: telemetry messages accepted",
       metrics.d2c_telemetry_ingress_success},
      {"iothub_emulator_c2d_messages_purged", "counter", "Messages removed by a purge",
       metrics.c2d_messages_purged},
      {"iothub_emulator_c2d_delivery_count_exceeded", "counter",
       "Messages dead-lettered by their delivery count", metrics.c2d_delivery_count_exceeded},
      {"iothub_emulator_c2d_deliveries", "counter", "Deliveries to devices, repeated ones included",
       metrics.c2d_deliveries},
      {"iothub_emulator_d2c_telemetry_ingress_bytes", "counter", "Bytes of telemetry accepted",
       metrics.d2c_telemetry_ingress_bytes},
      {"iothub_emulator_feedback_records", "counter", "Feedback records", metrics.feedback_records},
      {"iothub_emulator_feedback_batches", "counter", "Feedback messages",
       metrics.feedback_batches},
      {"iothub_emulator_connections_opened", "counter", "Connections accepted since the start",
       metrics.connections_opened},
      {"iothub_emulator_connections_open", "gauge", "Connections open now",
       metrics.connections_open},
      {"iothub_emulator_authentication_failures", "counter", "Refused logins and tokens",
       metrics.authentication_failures},
      {"iothub_emulator_throttled", "counter", "Operations refused by the tier's throttles",
       metrics.throttled},
      {"dailyMessageQuotaUsed", "gauge",
       "dailyMessageQuotaUsed: messages charged that day, as of the last one",
       metrics.daily_message_quota_used},
  };
  std::ostringstream out;
  for (const auto& row : rows) {
    out << "# HELP " << row.name << ' ' << row.help << "\n# TYPE " << row.name << ' ' << row.type
        << '\n'
        << row.name << ' ' << row.value.load(std::memory_order_relaxed) << '\n';
  }
  return out.str();
}

}  // namespace app
