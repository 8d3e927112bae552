#include "clients/cli/output.hpp"

#include "clients/hub_client/encoding.hpp"

#include <boost/json.hpp>

#include <iostream>

namespace iothub::cli {
namespace {

namespace json = boost::json;

std::string field(std::string_view name, std::string_view value) {
  return " " + std::string{name} + "=" + one_line(value);
}

std::string optional_field(std::string_view name, const std::optional<std::string>& value) {
  return value ? field(name, *value) : std::string{};
}

void print(const std::string& line) { std::cout << line << std::endl; }
void print(const json::object& object) { print(json::serialize(object)); }

json::string text(std::string_view value) { return json::string{value.data(), value.size()}; }

// JSON is UTF-8: other bytes travel as base64 under another name.
void add(json::object& out, const std::string& name, std::string_view value) {
  if (is_utf8(value)) {
    out[name] = text(value);
  } else {
    out[name + "Base64"] = text(base64_encode(value));
  }
}

void add_optional(json::object& out, const std::string& name,
                  const std::optional<std::string>& value) {
  if (value) add(out, name, *value);
}

void add_message(json::object& out, const Message& message) {
  add_optional(out, "messageId", message.message_id);
  add_optional(out, "correlationId", message.correlation_id);
  add_optional(out, "userId", message.user_id);
  add_optional(out, "to", message.to);
  add_optional(out, "contentType", message.content_type);
  add_optional(out, "contentEncoding", message.content_encoding);
  add_optional(out, "ack", message.ack);
  if (message.created_at) out["creationTimeUtc"] = text(format_time(*message.created_at));
  if (message.expires_at) out["expiryTimeUtc"] = text(format_time(*message.expires_at));
  json::object properties;
  for (const auto& [key, value] : message.properties) add(properties, key, value);
  out["properties"] = std::move(properties);
  add(out, "body", message.body);
}

std::string properties_text(const Message& message) {
  std::string out;
  for (const auto& [key, value] : message.properties) {
    out += (out.empty() ? " properties=" : ",") + one_line(key) + ":" + one_line(value);
  }
  return out;
}

json::object device_object(std::string_view event, const DeviceIdentity& device) {
  json::object out{{"event", text(event)},
                   {"deviceId", text(device.device_id)},
                   {"status", text(device.status)},
                   {"connectionState", text(device.connection_state)},
                   {"authenticationType", text(device.authentication_type)},
                   {"cloudToDeviceMessageCount", device.cloud_to_device_message_count},
                   {"generationId", text(device.generation_id)},
                   {"etag", text(device.etag)},
                   {"lastActivityTime", text(device.last_activity_time)}};
  if (!device.primary_thumbprint.empty()) {
    out["primaryThumbprint"] = text(device.primary_thumbprint);
    out["secondaryThumbprint"] = text(device.secondary_thumbprint);
  }
  return out;
}

std::string_view done(Disposition disposition) {
  switch (disposition) {
    case Disposition::complete:
      return "completed";
    case Disposition::abandon:
      return "abandoned";
    case Disposition::reject:
      return "rejected";
  }
  return "";
}

}  // namespace

std::string one_line(std::string_view value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool text_like = is_utf8(value);
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !text_like)) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

void Output::connected(std::string_view device_id, std::string_view host,
                       std::string_view transport, bool again) {
  if (json_) {
    print(json::object{{"event", "connected"},
                       {"deviceId", text(device_id)},
                       {"hostName", text(host)},
                       {"transport", text(transport)},
                       {"again", again}});
    return;
  }
  print("connected" + field("device", device_id) + field("host", host) +
        field("transport", transport) + (again ? " again" : ""));
}

void Output::connection_lost(std::string_view cause) {
  if (json_) {
    print(json::object{{"event", "connectionLost"}, {"cause", text(cause)}});
  } else {
    print("connection lost: " + one_line(cause));
  }
}

void Output::telemetry_sent(const Message& message) {
  if (json_) {
    json::object out{{"event", "telemetrySent"}};
    add_message(out, message);
    print(out);
    return;
  }
  print("telemetry sent" + properties_text(message) + field("body", message.body));
}

void Output::received(const ReceivedMessage& message) {
  if (json_) {
    json::object out{{"event", "received"}};
    add_message(out, message);
    if (message.sequence_number) out["sequenceNumber"] = *message.sequence_number;
    if (message.delivery_count) out["deliveryCount"] = *message.delivery_count;
    add_optional(out, "enqueuedTimeUtc", message.enqueued_time);
    if (!message.lock_token.empty()) add(out, "lockToken", message.lock_token);
    out["redelivered"] = message.redelivered;
    print(out);
    return;
  }
  print("received message" + field("id", message.message_id.value_or("")) +
        optional_field("correlation-id", message.correlation_id) + properties_text(message) +
        (message.redelivered ? " redelivered" : "") + field("body", message.body));
}

void Output::settled(const ReceivedMessage& message, Disposition disposition) {
  if (json_) {
    json::object out{{"event", text(done(disposition))}};
    add_optional(out, "messageId", message.message_id);
    print(out);
    return;
  }
  print(std::string{done(disposition)} + " message" + field("id", message.message_id.value_or("")));
}

void Output::settle_failed(const ReceivedMessage& message, std::string_view cause) {
  if (json_) {
    json::object out{{"event", "settleFailed"}, {"cause", text(cause)}};
    add_optional(out, "messageId", message.message_id);
    print(out);
    return;
  }
  print("not settled: message" + field("id", message.message_id.value_or("")) + " (" +
        one_line(cause) + ")");
}

void Output::stopped(std::uint64_t telemetry, std::uint64_t messages) {
  if (json_) {
    print(json::object{
        {"event", "stopped"}, {"telemetrySent", telemetry}, {"messagesReceived", messages}});
    return;
  }
  print("stopped after " + std::to_string(telemetry) + " telemetry sent, " +
        std::to_string(messages) + " messages received");
}

void Output::message_sent(std::string_view device_id, const Message& message) {
  if (json_) {
    json::object out{{"event", "sent"}, {"deviceId", text(device_id)}};
    add_message(out, message);
    print(out);
    return;
  }
  print("sent message" + field("id", message.message_id.value_or("")) + field("device", device_id) +
        field("ack", message.ack.value_or("none")) + field("body", message.body));
}

void Output::feedback(const FeedbackRecord& record) {
  if (json_) {
    print(json::object{{"event", "feedback"},
                       {"originalMessageId", text(record.original_message_id)},
                       {"deviceId", text(record.device_id)},
                       {"deviceGenerationId", text(record.device_generation_id)},
                       {"statusCode", text(record.status_code)},
                       {"description", text(record.description)},
                       {"enqueuedTimeUtc", text(record.enqueued_time_utc)}});
    return;
  }
  print("feedback message" + field("id", record.original_message_id) +
        field("device", record.device_id) + field("status", record.status_code) +
        field("description", record.description) + field("at", record.enqueued_time_utc) +
        field("generation", record.device_generation_id));
}

void Output::purged(std::string_view device_id, std::uint64_t count) {
  if (json_) {
    print(json::object{
        {"event", "purged"}, {"deviceId", text(device_id)}, {"totalMessagesPurged", count}});
  } else {
    print("purged " + std::to_string(count) + " messages" + field("device", device_id));
  }
}

void Output::device(std::string_view event, const DeviceIdentity& device) {
  if (json_) {
    print(device_object(event, device));
    return;
  }
  print(std::string{event} + field("device", device.device_id) + field("status", device.status) +
        field("connection", device.connection_state) +
        field("authentication", device.authentication_type) +
        field("messages", std::to_string(device.cloud_to_device_message_count)) +
        field("generation", device.generation_id) + field("etag", device.etag));
}

void Output::device_changed(std::string_view event, std::string_view device_id) {
  if (json_) {
    print(json::object{{"event", text(event)}, {"deviceId", text(device_id)}});
  } else {
    print(std::string{event} + field("device", device_id));
  }
}

void Output::connection_string(std::string_view device_id, std::string_view value) {
  if (json_) {
    print(json::object{{"deviceId", text(device_id)}, {"connectionString", text(value)}});
  } else {
    print(std::string{value});  // alone on its line: for $(...)
  }
}

}  // namespace iothub::cli
