#include "tests/durability/load.hpp"

#include "clients/hub_client/device_client.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/registry_client.hpp"
#include "clients/hub_client/service_client.hpp"

#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace durability {
namespace {

using namespace iothub;

constexpr Duration short_wait{20};
constexpr std::array transports{TransportKind::mqtt, TransportKind::mqtt_ws, TransportKind::amqp,
                                TransportKind::amqp_ws, TransportKind::https};
constexpr std::array acks{"none", "positive", "negative", "full", "full"};

bool is_cut(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::connection_lost:
    case ErrorKind::unreachable:
    case ErrorKind::timeout:
    case ErrorKind::protocol_error:  // a frame cut in the middle
    case ErrorKind::server_error:    // a goodbye
      return true;
    default:
      return false;
  }
}

// What the hub refuses although nothing is wrong comes back as its error, all else ends the worker.
std::optional<Error> attempt(const std::function<void()>& call) {
  try {
    call();
    return std::nullopt;
  } catch (const Error& error) {
    if (is_cut(error)) throw;
    return error;
  }
}

void unexpected(Worker& worker, const std::string& doing, const Error& error) {
  worker.ledger.report(worker.name + ": " + doing + ": " + error.line());
}

ClientOptions with(ClientOptions options, TransportKind transport) {
  options.transport = transport;
  return options;
}

ClientOptions as_device(const ClientOptions& hub, const DeviceIdentity& device,
                        TransportKind transport) {
  auto options = with(hub, transport);
  options.connection = ConnectionString::parse_device(
      make_device_connection_string(hub.connection, device.device_id, device.primary_key));
  return options;
}

// ---- back end -----------------------------------------------------------------------------------

Message new_message(Worker& worker, bool may_expire) {
  Message message;
  message.message_id = worker.new_id();
  // Most are small; some are large enough for the log to be written back into the database often.
  message.body = body_of(*message.message_id, worker.below(worker.one_in(8) ? 30'000 : 200));
  message.ack = acks.at(worker.below(acks.size()));
  if (may_expire && worker.one_in(10)) {
    message.expires_at = now() + Duration{static_cast<std::int64_t>(worker.below(400))};
  }
  return message;
}

void send(Worker& worker, ServiceClient& service, const std::string& device, bool may_expire) {
  const auto message = new_message(worker, may_expire);
  worker.ledger.send_begins(device, message);
  if (const auto error = attempt([&] { service.send(device, message); })) {
    if (error->kind() != ErrorKind::queue_full) unexpected(worker, "send", *error);
    return worker.ledger.send_refused(*message.message_id);
  }
  worker.ledger.send_acknowledged(*message.message_id);
}

void send_to_receivers(Worker& worker, const ClientOptions& options) {
  ServiceClient service{options};
  const auto devices = receivers();
  while (!worker.stopping) {
    send(worker, service, devices.at(worker.below(devices.size())).device_id, true);
  }
}

void read_feedback(Worker& worker, const ClientOptions& options) {
  ServiceClient service{options};
  while (!worker.stopping) {
    const auto batch = service.receive_feedback(short_wait);
    if (!batch) continue;
    worker.ledger.batch_received(*batch);
    if (worker.one_in(8)) {
      service.abandon(*batch);
      continue;
    }
    worker.ledger.batch_completion_begins(*batch);
    service.complete(*batch);
    worker.ledger.batch_completed(*batch);
  }
}

// ---- devices ------------------------------------------------------------------------------------

void send_telemetry(Worker& worker, DeviceClient& device) {
  const bool batch = device.can_batch() && worker.one_in(3);
  std::vector<Message> messages(batch ? 2 + worker.below(4) : 1);
  std::vector<std::string> ids;
  for (auto& message : messages) {
    message.message_id = ids.emplace_back(worker.new_id());
    message.body = body_of(*message.message_id, worker.below(200));
  }
  worker.ledger.telemetry_begins(ids);
  device.send_events(messages);
  worker.ledger.telemetry_acknowledged(ids);
}

void settle(Worker& worker, DeviceClient& device, const ReceivedMessage& message) {
  auto disposition = Disposition::complete;
  if (device.can(Disposition::abandon)) {
    const auto choice = worker.below(10);
    if (choice < 3) disposition = Disposition::abandon;
    if (choice == 3) disposition = Disposition::reject;
  }
  const auto& id = *message.message_id;
  worker.ledger.settle_begins(id, disposition);
  if (const auto error = attempt([&] { device.settle(message, disposition); })) {
    if (error->kind() != ErrorKind::lock_lost) unexpected(worker, "settle", *error);
    return worker.ledger.settle_refused(id, disposition);
  }
  if (device.can(Disposition::abandon)) return worker.ledger.settle_acknowledged(id, disposition);
  // A PUBACK has no answer. But what is answered on the same connection after it proves that the
  // hub has seen it; not that it came in time, for one that expires.
  if (message.expires_at || !worker.one_in(2)) return;
  send_telemetry(worker, device);
  worker.ledger.settle_acknowledged(id, disposition);
}

void be_device(Worker& worker, const ClientOptions& options) {
  DeviceClient device{options};
  device.open(true);
  while (!worker.stopping) {
    if (worker.one_in(6)) send_telemetry(worker, device);
    if (worker.one_in(50)) device.wait(short_wait);  // its queue grows
    const auto message = device.receive(short_wait);
    if (!message) continue;
    worker.ledger.delivered(options.connection.device_id, *message);
    settle(worker, device, *message);
  }
}

// ---- registry -----------------------------------------------------------------------------------

class RegistryWork {
 public:
  RegistryWork(Worker& worker, const ClientOptions& hub)
      : worker_(worker), registry_(hub), service_(hub) {}

  void step() {
    const auto id =
        worker_.name.substr(0, worker_.name.find('.')) + std::to_string(worker_.below(4));
    const auto device = get(id);
    if (!device) return create(id);
    switch (worker_.below(6)) {
      case 0:
        return remove(id);
      case 1:
        return update(*device);
      case 2:
        return purge(id);
      default:
        if (device->status == "enabled") send(worker_, service_, id, false);
    }
  }

 private:
  std::optional<DeviceIdentity> get(const std::string& id) {
    std::optional<DeviceIdentity> device;
    if (const auto error = attempt([&] { device = registry_.get(id); })) {
      if (error->kind() != ErrorKind::not_found) unexpected(worker_, "get", *error);
    }
    worker_.ledger.got(id, device);
    return device;
  }

  void create(const std::string& id) {
    worker_.ledger.create_begins(id);
    DeviceSpec spec;
    spec.device_id = id;
    DeviceIdentity made;
    if (const auto error = attempt([&] { made = registry_.create(spec); })) {
      return unexpected(worker_, "create", *error);
    }
    worker_.ledger.put_acknowledged(made);
  }

  void update(DeviceIdentity device) {
    device.status = device.status == "enabled" ? "disabled" : "enabled";
    device.status_reason = worker_.new_id();
    std::swap(device.primary_key, device.secondary_key);
    worker_.ledger.update_begins(device);
    if (const auto error = attempt([&] { device = registry_.update(device); })) {
      return unexpected(worker_, "update", *error);
    }
    worker_.ledger.put_acknowledged(device);
  }

  void remove(const std::string& id) {
    worker_.ledger.delete_begins(id);
    if (const auto error = attempt([&] { registry_.remove(id); })) {
      return unexpected(worker_, "delete", *error);
    }
    worker_.ledger.delete_acknowledged(id);
  }

  void purge(const std::string& id) {
    const auto message_ids = worker_.ledger.purge_begins(id);
    std::uint64_t count = 0;
    if (const auto error = attempt([&] { count = registry_.purge(id); })) {
      return unexpected(worker_, "purge", *error);
    }
    worker_.ledger.purge_acknowledged(message_ids, count);
  }

  Worker& worker_;
  RegistryClient registry_;
  ServiceClient service_;
};

void work_on_registry(Worker& worker, const ClientOptions& hub) {
  RegistryWork work{worker, hub};
  while (!worker.stopping) work.step();
}

std::string name_of(TransportKind transport) { return std::string{to_string(transport)}; }

}  // namespace

std::vector<Receiver> receivers() {
  std::vector<Receiver> out;
  for (const auto transport : transports) {
    for (const auto* number : {"1", "2"}) {
      out.push_back({"device-" + name_of(transport) + "-" + number, transport});
    }
  }
  return out;
}

void prepare(const ClientOptions& hub, Ledger& ledger) {
  RegistryClient registry{hub};
  for (const auto& [device_id, transport] : receivers()) {
    ledger.create_begins(device_id);
    DeviceSpec spec;
    spec.device_id = device_id;
    const auto device = registry.create(spec);
    ledger.put_acknowledged(device);
    DeviceClient client{as_device(hub, device, transport)};
    client.open(true);
  }
}

Load::Load(const ClientOptions& hub, Ledger& ledger, std::uint64_t seed, unsigned round) {
  const auto start = [&](const std::string& who, auto work, ClientOptions options) {
    std::seed_seq sequence{seed, std::uint64_t{round}, std::uint64_t{threads_.size()}};
    Worker worker{ledger, stopping_, may_be_cut_, std::mt19937_64{sequence},
                  who + "." + std::to_string(round)};
    threads_.emplace_back([worker, work, options]() mutable {
      try {
        work(worker, options);
      } catch (const Error& error) {
        if (!worker.may_be_cut || !is_cut(error)) unexpected(worker, "ended", error);
      }
    });
  };
  std::map<std::string, DeviceIdentity> known;
  for (auto& device : ledger.devices()) known.emplace(device.device_id, device);
  for (const auto& [device_id, transport] : receivers()) {
    start(device_id, be_device, as_device(hub, known.at(device_id), transport));
  }
  for (const auto transport : {TransportKind::amqp, TransportKind::amqp_ws}) {
    start("sender-" + name_of(transport), send_to_receivers, with(hub, transport));
    start("feedback-" + name_of(transport), read_feedback, with(hub, transport));
    start("registry-" + name_of(transport) + "-", work_on_registry, with(hub, transport));
  }
}

Load::~Load() {
  stopping_ = true;
  for (auto& thread : threads_) thread.join();
}

void drain(const ClientOptions& hub, Ledger& ledger, Duration limit) {
  const Deadline deadline{limit};
  RegistryClient registry{hub};
  std::map<std::string, TransportKind> transport_of;
  for (const auto& [device_id, transport] : receivers()) transport_of[device_id] = transport;
  for (const auto& device : ledger.devices()) {
    // Those of the registry's workers may be disabled, and nobody has received for them yet.
    if (device.status != "enabled") {
      ledger.put_acknowledged(registry.set_enabled(device.device_id, true));
    }
    const auto found = transport_of.find(device.device_id);
    const auto transport = found == transport_of.end() ? TransportKind::amqp : found->second;
    DeviceClient client{as_device(hub, device, transport)};
    client.open(true);
    while (registry.get(device.device_id).cloud_to_device_message_count != 0) {
      if (deadline.passed()) return ledger.report(device.device_id + " was not drained in time");
      const auto message = client.receive(short_wait);
      if (!message) continue;
      ledger.delivered(device.device_id, *message);
      ledger.settle_begins(*message->message_id, Disposition::complete);
      client.complete(*message);
    }
  }
  ServiceClient service{with(hub, TransportKind::amqp)};
  while (const auto batch = service.receive_feedback(Duration{1'000})) {
    ledger.batch_received(*batch);
    ledger.batch_completion_begins(*batch);
    service.complete(*batch);
    ledger.batch_completed(*batch);
  }
}

void check_over_the_wire(const ClientOptions& hub, Ledger& ledger) {
  RegistryClient registry{hub};
  for (const auto& device : ledger.devices()) {
    const auto answer = registry.get(device.device_id);
    ledger.got(device.device_id, answer);
    const auto [least, most] = ledger.waiting(device.device_id);
    const auto count = answer.cloud_to_device_message_count;
    if (count < least || count > most) {
      ledger.report(device.device_id + " has " + std::to_string(count) + " messages waiting, not " +
                    std::to_string(least) + " to " + std::to_string(most));
    }
  }
}

}  // namespace durability
