// The connection ends at each step of the exchange: connect, telemetry, receive, complete. What
// must hold whatever was cut:
//   - telemetry that was acknowledged has arrived, at least once;
//   - each message arrives, and comes again only when its completion was not yet known to the hub;
//   - each message has exactly one feedback record.
#include "tests/e2e/scenarios/cutting_proxy.hpp"
#include "tests/e2e/scenarios/scenario.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace scenarios {
namespace {

using namespace iothub;

constexpr int kMessages = 2;

// Where the exchange is cut: every record in both directions, after it and within it; a seeded
// choice of these when they are too many.
std::vector<Cut> plan(const std::array<unsigned, 2>& records, const Target& target) {
  std::mt19937_64 random{target.seed};
  std::vector<Cut> cuts;
  for (const auto direction : {Direction::to_hub, Direction::to_client}) {
    const auto count = records[direction == Direction::to_hub ? 0 : 1];
    for (unsigned record = 1; record <= count; ++record) {
      for (const bool within : {false, true}) {
        cuts.push_back({direction, record, within, random() % 2 == 0});
      }
    }
  }
  std::shuffle(cuts.begin(), cuts.end(), random);
  if (cuts.size() > target.cuts_max) cuts.resize(target.cuts_max);
  return cuts;
}

// Through the proxy to wherever `options` would go.
ClientOptions through(const CuttingProxy& proxy, ClientOptions options) {
  options.ports = {proxy.port(), proxy.port(), proxy.port()};
  if (options.connection.connect_host() != "localhost") {
    // The certificate is verified for the name that is connected to.
    throw Skip{"the hub's certificate does not name localhost, where the cutting proxy listens"};
  }
  return options;
}

// One device over all cuts: it subscribed before the first message, so that none is too early.
class DeviceExchange {
 public:
  explicit DeviceExchange(Bench& bench)
      : bench_(bench),
        identity_(bench.make_device()),
        options_(bench.options(identity_)),
        proxy_(options_.endpoint(options_.transport)) {
    options_ = through(proxy_, options_);
    DeviceClient device{bench.options(identity_)};
    device.open(true);
  }

  // Returns the records that passed on the connection that was to be cut.
  std::array<unsigned, 2> run(std::optional<Cut> cut) {
    for (int i = 0; i < kMessages; ++i) {
      const auto id = bench_.new_message_id();
      bench_.back_end().send(identity_.device_id, message_of(id, "body of " + id, "full"));
      messages_[id] = {};
    }
    const auto telemetry_before = bench_.telemetry_accepted();
    std::uint64_t acknowledged = 0;

    proxy_.cut_next(cut);
    DeviceClient device{options_};
    device.on_connection([this](ConnectionEvent event, std::string_view) {
      if (event == ConnectionEvent::lost) completions_unknown();
    });
    open(device);
    device.send_event({}), ++acknowledged;
    do {
      receive_all(device);
      // Acknowledged after the completions: those of this connection are known to the hub.
      device.send_event({}), ++acknowledged;
      for (auto& [id, entry] : messages_) {
        if (entry.state == State::completing) entry.state = State::completed;
      }
    } while (waiting() > 0);
    const auto records = proxy_.records();
    device.close();

    if (const auto after = bench_.telemetry_accepted()) {
      expect(*after - *telemetry_before >= acknowledged, "telemetry that was acknowledged");
    }
    return records;
  }

  // Exactly one record each. Records come in the order of the outcomes: those of a message settled
  // twice would be there before the last one's.
  void expect_feedback() {
    const auto last = bench_.new_message_id();
    DeviceClient device{bench_.options(identity_)};
    device.open(true);
    bench_.back_end().send(identity_.device_id, message_of(last, "the last one", "full"));
    device.complete(bench_.receive(device, last));
    bench_.back_end().record(last);
    for (auto& [id, entry] : messages_) {
      take_record(id, entry);
      expect(bench_.back_end().records_waiting(id) == 0, "no second record about " + id);
    }
  }

  bool was_cut() const { return proxy_.was_cut(); }

 private:
  enum class State {
    sent,
    completing,  // told the hub, and not known whether it heard
    completed,
  };
  struct Entry {
    State state = State::sent;
    bool recorded = false;  // its record was taken
  };

  // open() connects once; what comes after it tries again.
  void open(DeviceClient& device) {
    try {
      device.open(true);
    } catch (const Error& error) {
      if (!is_transient(error.kind())) throw;
      expect(device.ensure_connected(bench_.limit()), "a connection after the cut");
    }
  }

  void receive_all(DeviceClient& device) {
    const Deadline deadline{bench_.limit()};
    while (waiting() > 0) {
      expect(!deadline.passed(), "every message, and its completion");
      const auto message = device.receive(Duration{100});
      if (message) {
        complete(device, *message);
      } else if (bench_.https()) {
        purge_locked();
      }
    }
  }

  void complete(DeviceClient& device, const ReceivedMessage& message) {
    const auto found = messages_.find(message.message_id.value_or(""));
    expect(found != messages_.end(), "a message that was sent");
    expect_equal(message.body, "body of " + found->first, "the body");
    auto& state = found->second.state;
    expect(state == State::sent, "no message again that was completed: " + found->first);
    try {
      device.complete(message);
      // Over MQTT nothing answers; over AMQP and HTTPS the hub has said that it knows.
      state = bench_.mqtt() ? State::completing : State::completed;
    } catch (const Error& error) {
      if (!is_transient(error.kind()) && error.kind() != ErrorKind::lock_lost) throw;
    }
  }

  // What was on its way may have got lost, or not.
  void completions_unknown() {
    for (auto& [id, entry] : messages_) {
      if (entry.state == State::completing) entry.state = State::sent;
    }
  }

  // How many messages the hub still has for this device. Those whose completion arrived although
  // its answer was cut are complete, too: with an empty queue all are.
  std::uint64_t waiting() {
    const auto open = [](const auto& item) { return item.second.state == State::sent; };
    if (std::none_of(messages_.begin(), messages_.end(), open)) return 0;
    const auto depth = bench_.registry().get(identity_.device_id).cloud_to_device_message_count;
    for (auto& item : messages_) {
      if (depth == 0 && open(item)) item.second.state = State::completed;
    }
    return depth;
  }

  // Over HTTPS a lock has no connection: a message whose answer was cut stays locked for its
  // minute. It is not lost: the purge finds it and the record says so.
  void purge_locked() {
    const auto purged = bench_.registry().purge(identity_.device_id);
    std::uint64_t recorded = 0;
    for (auto& [id, entry] : messages_) {
      if (entry.state != State::sent) continue;
      recorded += take_record(id, entry) == "Purged" ? 1 : 0;
      entry.state = State::completed;
    }
    expect(purged == recorded, "a record of each message that was locked and purged");
  }

  std::string take_record(const std::string& id, Entry& entry) {
    if (std::exchange(entry.recorded, true)) return {};
    const auto status = bench_.back_end().record(id).status_code;
    expect(status == "Success" || (status == "Purged" && bench_.https()),
           "a record of success about " + id + ", not " + status);
    return status;
  }

  Bench& bench_;
  DeviceIdentity identity_;
  ClientOptions options_;
  CuttingProxy proxy_;
  std::map<std::string, Entry> messages_;
};

// Runs the exchange whole, and then once for each cut that its records allow.
template <class Exchange>
void cut_at_each_step(Bench& bench, Exchange& exchange) {
  const auto records = exchange.run(std::nullopt);
  unsigned seen = 0;
  for (const auto& cut : plan(records, bench.target())) {
    try {
      exchange.run(cut);
    } catch (const Error& error) {
      throw Failure{"cut " + to_string(cut) + ": " + error.line()};
    } catch (const Failure& failure) {
      throw Failure{"cut " + to_string(cut) + ": " + failure.what()};
    }
    seen += exchange.was_cut() ? 1 : 0;
  }
  expect(seen > 0, "a connection that was cut");
  exchange.expect_feedback();
}

void device_cut(Bench& bench) {
  DeviceExchange exchange{bench};
  cut_at_each_step(bench, exchange);
}

// The back end's connection: a send that returned has stored one message, one that failed at most
// one, and a feedback batch that was not completed comes again.
class BackEndExchange {
 public:
  explicit BackEndExchange(Bench& bench)
      : bench_(bench),
        identity_(bench.make_device()),
        options_(bench.service_options()),
        proxy_(options_.endpoint(options_.transport)),
        device_(bench.options(identity_)) {
    options_ = through(proxy_, options_);
    device_.open(true);
  }

  std::array<unsigned, 2> run(std::optional<Cut> cut) {
    proxy_.cut_next(cut);
    ServiceClient client{options_};
    const auto id = bench_.new_message_id();
    bool stored = false;
    int attempts = 0;
    const Deadline deadline{bench_.limit()};
    while (!stored) {
      expect(!deadline.passed(), "a connection after the cut");
      stored = attempt([&] {
        ++attempts;
        client.open_feedback();
        client.send(identity_.device_id, message_of(id, "body of " + id, "full"));
      });
    }
    // One copy for each attempt at most, one for the last in any case.
    const auto copies = bench_.registry().get(identity_.device_id).cloud_to_device_message_count;
    expect(copies >= 1 && copies <= static_cast<unsigned>(attempts),
           std::to_string(copies) + " copies after " + std::to_string(attempts) + " sends");
    for (std::uint64_t i = 0; i < copies; ++i) device_.complete(bench_.receive(device_, id));
    // At least once: a batch comes again when its completion was cut on the way there.
    std::uint64_t records = 0;
    while (records < copies) {
      expect(!deadline.passed(), "a record of each copy");
      attempt([&] {
        const auto batch = client.receive_feedback(Duration{1'000});
        if (!batch) return;
        records += static_cast<std::uint64_t>(
            std::count_if(batch->records.begin(), batch->records.end(),
                          [&](const auto& record) { return record.original_message_id == id; }));
        client.complete(*batch);
      });
    }
    const auto passed = proxy_.records();
    client.close();
    return passed;
  }

  void expect_feedback() {}  // run() has seen it
  bool was_cut() const { return proxy_.was_cut(); }

 private:
  // False when the connection ended in between.
  bool attempt(const std::function<void()>& step) {
    try {
      step();
      return true;
    } catch (const Error& error) {
      if (!is_transient(error.kind()) && error.kind() != ErrorKind::lock_lost) throw;
      return false;
    }
  }

  Bench& bench_;
  DeviceIdentity identity_;
  ClientOptions options_;
  CuttingProxy proxy_;
  DeviceClient device_;
};

void back_end_cut(Bench& bench) {
  if (!bench.target().emulator() && !bench.target().takes_long) {
    throw Skip{"each cut waits for the hub's feedback window of 15 s; --long does so"};
  }
  BackEndExchange exchange{bench};
  cut_at_each_step(bench, exchange);
}

}  // namespace

std::vector<Scenario> cut_scenarios() {
  return {{"a device cut at each step loses nothing and repeats nothing that was completed",
           device_cut},
          {"a back end cut at each step knows what was stored", back_end_cut}};
}

}  // namespace scenarios
