#include "clients/hub_client/message.hpp"

#include "clients/hub_client/error.hpp"

#include <boost/json.hpp>

namespace iothub {
namespace {

std::string text_of(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return {value->get_string().data(), value->get_string().size()};
  return boost::json::serialize(*value);  // old hubs sent statusCode as a number
}

}  // namespace

std::string_view to_string(Disposition disposition) {
  switch (disposition) {
    case Disposition::complete:
      return "complete";
    case Disposition::abandon:
      return "abandon";
    case Disposition::reject:
      return "reject";
  }
  return "";
}

std::vector<FeedbackRecord> parse_feedback(std::string_view body) {
  boost::system::error_code ec;
  const auto value = boost::json::parse(boost::json::string_view{body.data(), body.size()}, ec);
  if (ec || !value.is_array()) {
    throw Error{ErrorKind::protocol_error, "the feedback message's body is not a JSON array"};
  }
  std::vector<FeedbackRecord> records;
  for (const auto& item : value.get_array()) {
    const auto* object = item.if_object();
    if (object == nullptr) {
      throw Error{ErrorKind::protocol_error, "a feedback record is not a JSON object"};
    }
    FeedbackRecord record;
    record.original_message_id = text_of(*object, "originalMessageId");
    record.device_id = text_of(*object, "deviceId");
    record.device_generation_id = text_of(*object, "deviceGenerationId");
    record.status_code = text_of(*object, "statusCode");
    record.description = text_of(*object, "description");
    record.enqueued_time_utc = text_of(*object, "enqueuedTimeUtc");
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace iothub
