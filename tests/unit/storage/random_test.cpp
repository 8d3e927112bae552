// Random sequences of changes, in batches of any size, with restarts: the store says what the naive
// model says. A failure prints its seed; HUB_SEED=N replays it.
#include "storage/sqlite_store.hpp"
#include "tests/model/snapshot_text.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace storage_test;
using hub::Change;
using storage::SqliteStore;

namespace {

// Makes changes as a hub would: sequence numbers grow, only what is there is removed.
class RandomChanges {
 public:
  explicit RandomChanges(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t count) { return random_() % count; }

  Change next() {
    switch (below(16)) {
      case 0:
        return put_device();
      case 1:
        return delete_device();
      case 2:
      case 3:
      case 4:
      case 5:
        return enqueue();
      case 6:
      case 7:
      case 8:
        return remove();
      case 9:
        return set_count();
      case 10:
        return add_record();
      case 11:
        return remove_records();
      case 12:
        return put_session();
      case 13:
        return hub::change::MqttSessionRemoved{some_identity()};
      case 14:
        return append_event();
      default:
        return trim();
    }
  }

 private:
  hub::DeviceId some_device() { return {"d" + std::to_string(below(4))}; }
  hub::DeviceId some_identity() {
    auto id = some_device();
    if (below(2) == 0) id.module = "m" + std::to_string(below(2));
    return id;
  }
  hub::QueueId some_queue() {
    return below(5) == 0 ? hub::QueueId::feedback() : hub::QueueId{some_device()};
  }
  std::string some_bytes() {
    std::string bytes(below(60) == 0 ? below(9000) : below(20), '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }
  hub::MessageId some_id() {
    const auto type = static_cast<hub::MessageId::Type>(below(5));
    return {type, type == hub::MessageId::Type::none ? std::string{} : some_bytes()};
  }
  hub::TimePoint some_time() {
    return hub::from_unix_ms(static_cast<std::int64_t>(random_() >> 20));
  }
  std::optional<hub::TimePoint> maybe_time() {
    return below(2) == 0 ? std::optional{some_time()} : std::nullopt;
  }
  hub::MessageContent some_content() {
    hub::MessageContent content{some_id(),    some_id(),    some_bytes(), some_bytes(),
                                some_bytes(), some_bytes(), maybe_time(), {},
                                some_bytes(), "not stored"};
    for (auto left = below(4); left > 0; --left) {
      auto& property = content.properties.emplace_back(some_bytes(), std::nullopt);
      if (below(4) != 0) property.second = some_bytes();
    }
    return content;
  }

  Change put_device() {
    hub::DeviceIdentity identity;
    identity.id = some_identity();
    identity.managed_by = std::to_string(below(3));
    identity.generation_id = std::to_string(random_());
    identity.etag = std::to_string(random_());
    identity.status = static_cast<hub::DeviceStatus>(below(2));
    identity.status_updated_time = maybe_time();
    identity.authentication.type = static_cast<hub::AuthenticationType>(below(4));
    identity.device_scope = std::to_string(below(3));
    identity.parent_scope = std::to_string(below(3));
    identity.created_time = some_time();
    return hub::change::DevicePut{identity};
  }
  Change delete_device() {
    const hub::DeviceId id = some_identity();
    last_.erase(hub::QueueId{id});
    live_.erase(hub::QueueId{id});
    return hub::change::DeviceDeleted{id};
  }
  Change enqueue() {
    const auto queue = some_queue();
    hub::Message message;
    message.sequence_number = ++last_[queue];
    message.enqueued_time = some_time();
    message.expires_at = some_time();
    message.ack = static_cast<hub::Ack>(below(4));
    message.ack_given = below(2) == 0;
    message.content = some_content();
    live_[queue].push_back(message.sequence_number);
    return hub::change::MessageEnqueued{queue, std::make_shared<hub::Message>(message)};
  }
  Change remove() {
    const auto queue = some_queue();
    auto& live = live_[queue];
    if (live.empty()) return enqueue();
    const auto victim = live.begin() + static_cast<std::ptrdiff_t>(below(live.size()));
    const auto number = *victim;
    live.erase(victim);
    return hub::change::MessageRemoved{queue, number};
  }
  Change set_count() {
    const auto queue = some_queue();
    const auto& live = live_[queue];
    if (live.empty()) return enqueue();
    return hub::change::DeliveryCountSet{queue, live[below(live.size())],
                                         static_cast<std::uint32_t>(random_())};
  }
  Change add_record() {
    return hub::change::FeedbackRecordAdded{{++last_record_, some_id(), some_time(),
                                             static_cast<hub::Outcome::Kind>(below(5)),
                                             some_device(), some_bytes()}};
  }
  Change remove_records() {
    hub::change::FeedbackRecordsRemoved removed;
    for (auto left = below(5); left > 0; --left) {
      removed.record_ids.push_back(1 + below(last_record_ + 1));
    }
    return removed;
  }
  Change put_session() {
    hub::MqttSessionState state;
    for (auto left = below(4); left > 0; --left) {
      state.subscriptions.push_back({some_bytes(), static_cast<std::uint8_t>(below(2)), below(99)});
    }
    return hub::change::MqttSessionPut{some_identity(), state};
  }
  Change append_event() {
    const auto partition = static_cast<std::uint32_t>(below(3));
    hub::TelemetryMessage event;
    event.content = some_content();
    event.origin = std::make_shared<hub::TelemetryOrigin>(
        hub::TelemetryOrigin{some_device(), "637", "{}", some_bytes()});
    event.subject = some_bytes();
    event.enqueued_time = some_time();
    event.sequence_number = next_event_[partition]++;
    event.offset = random_() >> 1;
    return hub::change::EventAppended{partition, std::make_shared<hub::TelemetryMessage>(event)};
  }
  Change trim() {
    const auto partition = static_cast<std::uint32_t>(below(3));
    return hub::change::EventsTrimmed{partition, below(next_event_[partition] + 1)};
  }

  std::mt19937_64 random_;
  std::map<hub::QueueId, hub::SequenceNumber> last_;
  std::map<hub::QueueId, std::vector<hub::SequenceNumber>> live_;
  std::map<std::uint32_t, std::uint64_t> next_event_;
  std::uint64_t last_record_ = 0;
};

void run(std::uint64_t seed) {
  CAPTURE(seed);
  TempFolder folder;
  RandomChanges changes{seed};
  test::MemoryStore model;
  auto store = SqliteStore::open(folder.path());
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    std::vector<Change> batch;
    const auto size = changes.below(4) == 0 ? changes.below(60) : changes.below(4);
    while (batch.size() < size) batch.push_back(changes.next());
    model.apply(batch);
    store->apply(batch);
    if (changes.below(6) == 0) {
      store.reset();
      store = SqliteStore::open(folder.path());
    } else if (changes.below(3) != 0) {
      continue;
    }
    REQUIRE(model_test::to_text(store->load()) == model_test::to_text(model.load()));
  }
  store.reset();
  CHECK(integrity(folder.path() / "hub.db") == "ok");
}

}  // namespace

TEST_CASE("ST-02 any sequence of changes: the store says what the model says") {
  if (const char* seed = std::getenv("HUB_SEED")) {
    run(std::stoull(seed));
  } else {
    for (std::uint64_t i = 1; i <= 12; ++i) run(i);
  }
}
