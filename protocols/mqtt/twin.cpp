// Twins before the hub has them: the smallest answers that keep SDKs going (spec/mqtt.md 5). A
// patch is checked and counted, not kept.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "protocols/mqtt/session.hpp"
#include "protocols/mqtt/topic.hpp"

namespace mqtt {

namespace {

constexpr int status_ok = 200;
constexpr int status_no_content = 204;
constexpr int status_bad_request = 400;
constexpr int status_throttled = 429;

bool is_json_object(std::string_view text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse({text.data(), text.size()}, error);
  return !error && value.is_object();
}

// What SDKs read of a refusal: Node fails a call only if there is an errorCode.
std::string error_body(const hub::HubError& error) {
  const boost::json::value body = {{"errorCode", hub::number_of(error.code)},
                                   {"message", error.detail}};
  return boost::json::serialize(body);
}

}  // namespace

void Session::on_twin_get(std::string_view request_id, TimePoint now) {
  if (const auto admitted = hub_.admission().admit(hub::Operation::twin_read, 1, now); !admitted) {
    return answer(twin_response_topic(status_throttled, request_id), error_body(admitted.error()));
  }
  answer(twin_response_topic(status_ok, request_id),
         R"({"desired":{"$version":1},"reported":{"$version":)" +
             std::to_string(extras_ ? extras_->reported_version : 1) + "}}");
}

void Session::on_twin_patch(std::string_view request_id, std::string_view patch, TimePoint now) {
  if (!is_json_object(patch)) {
    return answer(twin_response_topic(status_bad_request, request_id),
                  error_body(hub::fail(hub::HubErrc::argument_invalid,
                                       "reported properties must be a JSON object")));
  }
  if (const auto admitted = hub_.admission().admit(hub::Operation::twin_update, 1, now);
      !admitted) {
    return answer(twin_response_topic(status_throttled, request_id), error_body(admitted.error()));
  }
  if (hub_.connections().first_reported_properties(device_)) {
    hub_.log().warn("reported properties are answered and not kept: the hub has no twins yet",
                    {{"device", device_.name()}});
  }
  const std::uint64_t version = ++extras().reported_version;
  answer(twin_response_topic(status_no_content, request_id, version), {});
}

// M-50: QoS 0 whatever was granted, never RETAIN or DUP, dropped when nobody subscribes.
void Session::answer(const std::string& topic, std::string_view body) {
  constexpr std::size_t topic_bytes_max = 0xFFFF;
  if (!is_subscribed_to(topic) || topic.size() > topic_bytes_max) return;
  Publish packet;
  packet.topic = topic;
  packet.payload = body;
  encode(output_, packet);
}

}  // namespace mqtt
