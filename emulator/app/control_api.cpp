#include "emulator/app/control_api.hpp"

#include "emulator/app/start_report.hpp"
#include "emulator/app/version.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>

#include <array>
#include <sstream>
#include <utility>

namespace app {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;

constexpr std::size_t request_bytes_max = 16 * 1024;
constexpr auto idle_timeout = std::chrono::seconds{60};

struct Answer {
  http::status status = http::status::ok;
  std::string type = "application/json; charset=utf-8";
  std::string body;
};

Answer json_answer(const json::object& object, http::status status = http::status::ok) {
  Answer answer;
  answer.status = status;
  answer.body = json::serialize(object);
  return answer;
}

Answer health(const ControlSources&, hub::TimePoint) { return json_answer(json::object{{"status", "ok"}}); }

Answer ready(const ControlSources& sources, hub::TimePoint) {
  const auto missing = sources.not_ready();
  if (missing.empty()) return json_answer(json::object{{"status", "ready"}});
  return json_answer(json::object{{"status", "not ready"}, {"missing", json::value_from(missing)}},
                     http::status::service_unavailable);
}

Answer metrics(const ControlSources& sources, hub::TimePoint) {
  return {http::status::ok, "text/plain; version=0.0.4; charset=utf-8",
          metrics_text(sources.hub.metrics())};
}

Answer ca(const ControlSources& sources, hub::TimePoint) {
  return {http::status::ok, "application/x-pem-file", sources.ca_pem};
}

Answer strings(const ControlSources& sources, hub::TimePoint now) {
  json::object out = connection_strings(sources.hub, sources.names, now);
  out["caUrl"] = sources.ca_url;
  return json_answer(out);
}

Answer version_answer(const ControlSources&, hub::TimePoint) {
  return json_answer(json::object{{"name", "iothub-emulator"},
                                  {"version", version().number},
                                  {"commit", version().commit},
                                  {"build", version().build}});
}

struct Route {
  std::string_view path;
  Answer (*answer)(const ControlSources&, hub::TimePoint);
};
constexpr std::array routes{
    Route{"/health", health},   Route{"/ready", ready},
    Route{"/metrics", metrics}, Route{"/ca.pem", ca},
    Route{"/version", version_answer}, Route{"/connection-strings", strings},
};

class ControlSession final : public protocols::Session {
 public:
  ControlSession(const ControlSources& sources, hub::TimePoint now)
      : sources_(sources), idle_since_(now) {}

  void on_bytes(std::string_view bytes, hub::TimePoint now) override {
    idle_since_ = now;
    input_.append(bytes);
    while (!closing_ && !input_.empty() && answer_one(now)) {
    }
  }
  void on_wake(hub::TimePoint) override {}
  void on_time(hub::TimePoint now) override {
    if (now >= idle_since_ + idle_timeout) closing_ = true;
  }
  void on_peer_closed(hub::TimePoint) override { closing_ = true; }
  void on_shutdown(hub::TimePoint) override { closing_ = true; }

  std::string_view output() const override { return output_; }
  void consume_output(std::size_t size) override { output_.erase(0, size); }
  std::optional<hub::TimePoint> next_deadline() const override { return idle_since_ + idle_timeout; }
  bool wants_close() const override { return closing_; }

 private:
  // False: the request is not there yet as a whole.
  bool answer_one(hub::TimePoint now) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(request_bytes_max);
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(input_), error);
    if (error == http::error::need_more && input_.size() < request_bytes_max) return false;
    if (error || !parser.is_done()) {
      closing_ = true;  // where the next request would begin is anyone's guess
      write(refusal(http::status::bad_request, "not a request this API understands"), 11, false);
      return true;
    }
    input_.erase(0, used);
    const auto& request = parser.get();
    closing_ = !request.keep_alive();
    write(answer_to(request, now), request.version(), request.method() == http::verb::head);
    return true;
  }

  Answer answer_to(const http::request<http::empty_body>& request, hub::TimePoint now) const {
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      return refusal(http::status::method_not_allowed, "GET only");
    }
    const std::string_view target(request.target().data(), request.target().size());
    const auto path = target.substr(0, target.find('?'));
    for (const auto& route : routes) {
      if (route.path == path) return route.answer(sources_, now);
    }
    std::string known;
    for (const auto& route : routes) known.append(known.empty() ? "" : " ").append(route.path);
    return refusal(http::status::not_found, "no such route; there are: " + known);
  }

  static Answer refusal(http::status status, const std::string& reason) {
    return json_answer(json::object{{"error", reason}}, status);
  }

  void write(Answer answer, unsigned version, bool head) {
    http::response<http::string_body> response(answer.status, version);
    response.set(http::field::content_type, answer.type);
    response.set(http::field::cache_control, "no-store");
    response.keep_alive(!closing_);
    response.content_length(answer.body.size());
    if (!head) response.body() = std::move(answer.body);
    std::ostringstream text;
    text << response;
    output_ += text.str();
  }

  const ControlSources& sources_;
  hub::TimePoint idle_since_;
  std::string input_;
  std::string output_;
  bool closing_ = false;
};

}  // namespace

std::unique_ptr<protocols::Session> make_control_session(const ControlSources& sources,
                                                         hub::TimePoint now) {
  return std::make_unique<ControlSession>(sources, now);
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
       "c2d.commands.ingress.success: cloud-to-device messages accepted", metrics.c2d_ingress_success},
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
      {"iothub_emulator_feedback_batches", "counter", "Feedback messages", metrics.feedback_batches},
      {"iothub_emulator_connections_opened", "counter", "Connections accepted since the start",
       metrics.connections_opened},
      {"iothub_emulator_connections_open", "gauge", "Connections open now", metrics.connections_open},
      {"iothub_emulator_authentication_failures", "counter", "Refused logins and tokens",
       metrics.authentication_failures},
      {"iothub_emulator_throttled", "counter", "Operations refused by the tier's throttles",
       metrics.throttled},
      {"dailyMessageQuotaUsed", "gauge", "dailyMessageQuotaUsed: messages charged that day, as of the last one",
       metrics.daily_message_quota_used},
  };
  std::ostringstream out;
  for (const auto& row : rows) {
    out << "# HELP " << row.name << ' ' << row.help << "\n# TYPE " << row.name << ' ' << row.type
        << '\n' << row.name << ' ' << row.value.load(std::memory_order_relaxed) << '\n';
  }
  return out.str();
}

}  // namespace app
