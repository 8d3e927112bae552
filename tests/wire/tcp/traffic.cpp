#include "tests/wire/tcp/traffic.hpp"

#include "clients/hub_client/error.hpp"

#include <array>
#include <limits>

namespace net_test {
namespace {

using iothub::Duration;
using iothub::TransportKind;

constexpr std::array transports{TransportKind::mqtt, TransportKind::mqtt_ws, TransportKind::amqp,
                                TransportKind::amqp_ws, TransportKind::https};
constexpr std::size_t devices = 2 * transports.size();
constexpr std::size_t back_ends = 2;

std::string device_name(std::size_t number) { return "t" + std::to_string(number); }

// Of a message `device/sender/number`.
std::string line_of(const std::string& id) { return id.substr(0, id.rfind('/')); }
int number_of(const std::string& id) { return std::stoi(id.substr(id.rfind('/') + 1)); }

}  // namespace

iothub::ClientOptions client_options(FrontDoors& doors, TransportKind transport,
                                     const std::string& device) {
  iothub::ClientOptions options;
  options.connection = iothub::ConnectionString::parse_service((*doors).report().connection_string);
  if (!device.empty()) {
    options.connection = iothub::ConnectionString::parse_device(
        iothub::make_device_connection_string(options.connection, device, device_key));
  }
  options.transport = transport;
  options.ports = {doors.port("mqtts"), doors.port("amqps"), doors.port("https")};
  options.tls.ca_file = (*doors).report().ca_path;
  options.retry.attempts = 0;
  options.poll_interval = Duration{5};
  return options;
}

// ---- the auditor
// -----------------------------------------------------------------------------------

void Auditor::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  complaints_.push_back(what);
}

void Auditor::sent(const std::string& id) {
  const std::lock_guard lock(mutex_);
  messages_[id].acknowledged = true;
  ++sent_;
}

void Auditor::event_sent(const std::string& device) {
  const std::lock_guard lock(mutex_);
  ++events_[device];
}

bool Auditor::received(const std::string& device, const iothub::ReceivedMessage& message,
                       bool may_return) {
  const std::lock_guard lock(mutex_);
  const std::string id = message.message_id.value_or("");
  if (id != message.body || !id.starts_with(device + "/")) {
    complaints_.push_back(device + " received what is not its own: " + id);
    return true;
  }
  Fate& fate = messages_[id];
  if (fate.received++ != fate.returned) complaints_.push_back(id + " was received twice");
  if (message.delivery_count.value_or(fate.returned) != fate.returned) {
    complaints_.push_back(id + " has another delivery count");
  }
  if (fate.received == 1) {
    const auto [newest, first] = newest_.emplace(line_of(id), -1);
    if (number_of(id) <= std::exchange(newest->second, number_of(id))) {
      complaints_.push_back(id + " is out of order");
    }
  }
  if (!may_return || fate.received > 1 || number_of(id) % 4 != 0) return true;
  ++fate.returned;
  return false;
}

void Auditor::told(const iothub::FeedbackRecord& record) {
  const std::lock_guard lock(mutex_);
  if (messages_[record.original_message_id].told++ > 0 || record.status_code != "Success") {
    complaints_.push_back(record.original_message_id + ": " + record.status_code + " told again");
  }
  ++told_;
}

void Auditor::check_all_arrived() {
  for (const auto& [id, fate] : messages_) {
    INFO(id);
    CHECK(fate.acknowledged);
    CHECK(fate.received == fate.returned + 1);
    CHECK(fate.told == 1);
  }
}

void Auditor::check_nothing_lost(hub::Hub& hub) {
  for (std::size_t i = 0; i < devices; ++i) {
    for (const auto& entry : hub.c2d().peek({{device_name(i)}})) {
      ++messages_[entry.message->content.message_id.text].received;
    }
  }
  for (const auto& [id, fate] : messages_) {
    INFO(id);
    CHECK((fate.received > 0 || !fate.acknowledged));
  }
}

void Auditor::check_events(hub::Hub& hub, bool exact) {
  std::map<std::string, std::size_t> kept;
  for (std::uint32_t partition = 0; partition < hub.events().partition_count(); ++partition) {
    for (const auto& event :
         hub.events().read(partition, 0, std::numeric_limits<std::size_t>::max())) {
      CHECK(event->content.body == std::to_string(kept[event->origin->device.text]++));
    }
  }
  for (const auto& [device, acknowledged] : events_) {
    INFO(device);
    CHECK(kept[device] >= acknowledged);
    if (exact) CHECK(kept[device] == acknowledged);
  }
}

void Auditor::check_no_complaints() {
  for (const auto& complaint : complaints_) FAIL_CHECK(complaint);
}

// ---- the clients
// -----------------------------------------------------------------------------------

Traffic::Traffic(FrontDoors& doors, int messages)
    : doors_(doors), messages_(messages), devices_ready_(devices) {
  const auto start = [&](auto be) {
    clients_.push_back(std::async(std::launch::async, [this, be] {
      try {
        be();
      } catch (const iothub::Error& error) {
        if (!ending_) auditor_.complain(error.line());
      }
    }));
  };
  for (std::size_t i = 0; i < devices; ++i) {
    hub::DeviceSpec spec;
    spec.id = {device_name(i)};
    spec.primary_key = device_key;
    REQUIRE((*doors_).hub().registry().create(spec, doors_.now()));
    start([this, i] { be_device(i); });
  }
  for (std::size_t i = 0; i < back_ends; ++i) start([this, i] { be_back_end(i); });
  start([this] { read_feedback(); });
}

void Traffic::wait() {
  for (auto& client : std::exchange(clients_, {})) client.get();
}

void Traffic::be_device(std::size_t number) {
  const std::string name = device_name(number);
  iothub::DeviceClient device(
      client_options(doors_, transports.at(number % transports.size()), name));
  try {
    device.open(true);
  } catch (...) {
    devices_ready_.count_down();
    throw;
  }
  devices_ready_.count_down();
  const int expected = messages_ * static_cast<int>(back_ends);
  for (int completed = 0, event = 0; (completed < expected || event < messages_) && !ending_;) {
    if (event < messages_) {
      device.send_event({.body = std::to_string(event++)});
      auditor_.event_sent(name);
    }
    const auto message = device.receive(Duration{completed < expected ? 200 : 0});
    if (!message) continue;
    const bool may_return = device.can(iothub::Disposition::abandon);
    if (auditor_.received(name, *message, may_return)) {
      device.complete(*message);
      ++completed;
    } else {
      device.abandon(*message);
    }
  }
}

void Traffic::be_back_end(std::size_t number) {
  iothub::ServiceClient service(
      client_options(doors_, number == 0 ? TransportKind::amqp : TransportKind::amqp_ws));
  devices_ready_.wait();
  for (int n = 0; n < messages_ && !ending_; ++n) {
    for (std::size_t i = 0; i < devices && !ending_; ++i) {
      const std::string id =
          device_name(i) + "/" + std::to_string(number) + "/" + std::to_string(n);
      for (bool full = true; std::exchange(full, false);) {
        try {
          service.send(device_name(i), {.body = id, .message_id = id, .ack = "full"});
        } catch (const iothub::Error& error) {
          if (error.kind() != iothub::ErrorKind::queue_full) throw;
          full = true;
        }
      }
      auditor_.sent(id);
    }
  }
}

void Traffic::read_feedback() {
  iothub::ServiceClient service(client_options(doors_, TransportKind::amqp));
  service.open_feedback();
  const std::size_t expected = static_cast<std::size_t>(messages_) * devices * back_ends;
  while (auditor_.told_count() < expected && !ending_) {
    const auto batch = service.receive_feedback(Duration{200});
    if (!batch) continue;
    for (const auto& record : batch->records) auditor_.told(record);
    service.complete(*batch);
  }
}

}  // namespace net_test
