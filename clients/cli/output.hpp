#pragma once
// One event a line on stdout, as text for people or JSON for scripts; flushed line by line. Field
// names are lower camel case and a promise: add to them, change none. No keys, ever.
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/registry_client.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace iothub::cli {

class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  void connected(std::string_view device_id, std::string_view host, std::string_view transport,
                 bool again);
  void connection_lost(std::string_view cause);
  void telemetry_sent(const Message& message);
  void received(const ReceivedMessage& message);
  void settled(const ReceivedMessage& message, Disposition disposition);
  void settle_failed(const ReceivedMessage& message, std::string_view cause);
  void stopped(std::uint64_t telemetry, std::uint64_t messages);

  void message_sent(std::string_view device_id, const Message& message);
  void feedback(const FeedbackRecord& record);
  void purged(std::string_view device_id, std::uint64_t count);

  void device(std::string_view event, const DeviceIdentity& device);  // event: created, shown, ...
  void device_changed(std::string_view event, std::string_view device_id);
  void connection_string(std::string_view device_id, std::string_view text);

 private:
  bool json_;
};

// `text` on one line: control characters become \n, \t, \xNN; bytes that are not UTF-8 too.
std::string one_line(std::string_view text);

}  // namespace iothub::cli
