#pragma once
// A folder of its own for each test, the files in it, and changes with something in every field.
#include "emulator/core/store/change.hpp"
#include "storage/sqlite.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace storage_test {

class TempFolder {
 public:
  TempFolder() {
    // In memory where that is possible: nothing here depends on what a real disk's sync costs.
    const std::filesystem::path memory = "/dev/shm";
    const auto parent =
        ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
    auto name = (parent / "hub-storage-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline void write_bytes(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream{file, std::ios::binary}.write(bytes.data(),
                                              static_cast<std::streamsize>(bytes.size()));
}

// What `action` threw; empty if it did not.
inline std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline std::int64_t number_in(const std::filesystem::path& file, std::string_view sql) {
  storage::Database database{file};
  storage::Statement select{database, sql};
  return select.next() ? select.take_int() : -1;
}

inline std::string integrity(const std::filesystem::path& file) {
  storage::Database database{file};
  storage::Statement check{database, "PRAGMA integrity_check"};
  return check.next() ? check.take_string() : "no answer";
}

using namespace std::string_literals;

inline hub::MessageContent full_content() {
  hub::MessageContent content;
  content.message_id = hub::MessageId::of("My Message ID");
  content.correlation_id = {hub::MessageId::Type::binary, "\0\xff\x01"s};
  content.user_id = "\xfe\0user"s;
  content.to = "/devices/gerät/messages/devicebound";
  content.content_type = "application/json";
  content.content_encoding = "utf-8";
  content.absolute_expiry = hub::from_unix_ms(1'800'000'000'123);
  content.properties = {{"b", "2"},     {"a", ""},
                        {"", "v"},      {"ключ\0"s, "знач\0\n"s},
                        {"b", "again"}, {"null", std::nullopt}};
  content.body = "\0\x01\x02\xff\xfe body \xc3\x28"s;
  return content;
}

inline hub::change::MessageEnqueued enqueued(std::string device, hub::SequenceNumber sequence,
                                             hub::MessageContent content = full_content()) {
  auto message = std::make_shared<hub::Message>();
  message->sequence_number = sequence;
  message->enqueued_time = hub::from_unix_ms(1'700'000'000'001);
  message->expires_at = hub::from_unix_ms(1'700'003'600'001);
  message->ack = hub::Ack::full;
  message->ack_given = true;
  message->content = std::move(content);
  return {{{std::move(device)}}, std::move(message)};
}

inline hub::change::DevicePut device(std::string id) {
  hub::DeviceIdentity identity;
  identity.id.text = std::move(id);
  identity.generation_id = "637123456789012345";
  identity.etag = "MTIzNA==";
  identity.status = hub::DeviceStatus::disabled;
  identity.status_reason = "gestört";
  identity.status_updated_time = hub::from_unix_ms(1'700'000'000'002);
  identity.authentication = {hub::AuthenticationType::self_signed, "cHJpbWFyeQ==", "c2Vjb25kYXJ5",
                             "AABB", "CCDD"};
  identity.iot_edge = true;
  identity.device_scope = "ms-azure-iot-edge://edge-1";
  identity.parent_scope = "ms-azure-iot-edge://above-2";
  identity.created_time = hub::from_unix_ms(1'700'000'000'000);
  return {identity};
}

inline hub::change::FeedbackRecordAdded record(std::uint64_t id, std::string device_id) {
  hub::FeedbackRecord record;
  record.record_id = id;
  record.original_message_id = hub::MessageId::of("id " + std::to_string(id));
  record.enqueued_time = hub::from_unix_ms(1'700'000'000'003);
  record.status = hub::Outcome::Kind::rejected;
  record.device_id.text = std::move(device_id);
  record.device_generation_id = "637123456789012345";
  return {record};
}

inline hub::change::MqttSessionPut session(std::string id) {
  return {{std::move(id)}, {{{"devices/d/messages/devicebound/#", 1, 7}, {"\0\xff"s, 0, 0}}}};
}

inline hub::change::EventAppended event(std::uint32_t partition, std::uint64_t sequence) {
  auto message = std::make_shared<hub::TelemetryMessage>();
  message->content = full_content();
  message->origin = std::make_shared<hub::TelemetryOrigin>(hub::TelemetryOrigin{
      {"gerät", "module"}, "637123456789012345", R"({"scope":"device"})", "dtmi:com:example;1"});
  message->message_source = "Telemetry";
  message->interface_id = "interface";
  message->subject = "subject";
  message->enqueued_time = hub::from_unix_ms(1'700'000'000'004);
  message->sequence_number = sequence;
  message->offset = sequence * 100;
  return {partition, std::move(message)};
}

}  // namespace storage_test
