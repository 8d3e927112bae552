#include "storage/property_codec.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/model/snapshot_text.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace storage_test;
using hub::Change;
using model_test::to_text;
using storage::SqliteStore;
using test::MemoryStore;

namespace {

// What the store gives back, in this life and in the next, is what the model says.
void check_same(const std::vector<Change>& changes) {
  TempFolder folder;
  MemoryStore model;
  model.apply(changes);
  const auto expected = to_text(model.load());
  {
    auto store = SqliteStore::open(folder.path());
    store->apply(changes);
    CHECK(to_text(store->load()) == expected);
    CHECK(to_text(store->load()) == expected);
  }
  CHECK(to_text(SqliteStore::open(folder.path())->load()) == expected);
  CHECK(to_text(SqliteStore::open(folder.path())->load()) == expected);
}

hub::MessageContent with_id(hub::MessageId::Type type, std::string text) {
  auto content = full_content();
  content.message_id = {type, text};
  content.correlation_id = {type, std::move(text)};
  return content;
}

}  // namespace

TEST_CASE("ST-02 a new folder holds nothing") {
  TempFolder folder;
  CHECK(to_text(SqliteStore::open(folder.path())->load()).empty());
}

TEST_CASE("ST-02 every kind of change comes back with every field, in order") {
  check_same({device("gerät"), device("a"), device("A"), enqueued("gerät", 1), enqueued("a", 2),
              enqueued("gerät", 3), enqueued("", 1), enqueued("", 2),
              hub::change::DeliveryCountSet{{{"gerät"}}, 3, 9}, record(11, "gerät"), record(2, "a"),
              session("gerät"), session("a"), event(3, 0), event(0, 2), event(0, 10), event(0, 9)});
}

TEST_CASE("ST-02 every type of message id comes back as it was") {
  using Type = hub::MessageId::Type;
  check_same({enqueued("d", 1, with_id(Type::none, "")),
              enqueued("d", 2, with_id(Type::string, "")),
              enqueued("d", 3, with_id(Type::string, "1")),
              enqueued("d", 4, with_id(Type::ulong, "18446744073709551615")),
              enqueued("d", 5, with_id(Type::uuid, "00112233-4455-6677-8899-aabbccddeeff")),
              enqueued("d", 6, with_id(Type::binary, "\0\x80\0"s))});
}

TEST_CASE("ST-02 empty values, and values at their limits") {
  std::vector<Change> changes{hub::change::DevicePut{}, enqueued("d", 1, {}),
                              hub::change::MqttSessionPut{{"empty"}, {}}};
  auto message = std::make_shared<hub::Message>();
  message->sequence_number = std::numeric_limits<std::int64_t>::max();
  message->enqueued_time = hub::from_unix_ms(std::numeric_limits<std::int64_t>::min());
  message->expires_at = hub::from_unix_ms(std::numeric_limits<std::int64_t>::max());
  message->content.absolute_expiry = hub::from_unix_ms(0);
  message->content.body.assign(64 * 1024, '\xff');
  changes.push_back(hub::change::MessageEnqueued{{{"d"}}, message});
  changes.push_back(hub::change::DeliveryCountSet{{{"d"}}, 1, 0xffffffff});
  auto bare = std::make_shared<hub::TelemetryMessage>();
  bare->origin = std::make_shared<hub::TelemetryOrigin>();
  changes.push_back(hub::change::EventAppended{7, bare});
  auto huge = std::make_shared<hub::TelemetryMessage>(*bare);
  huge->content.body.assign(256 * 1024, '\0');
  huge->sequence_number = 1;
  changes.push_back(hub::change::EventAppended{7, huge});
  check_same(changes);
}

TEST_CASE("ST-02 every outcome of a record, every ack, every way to authenticate") {
  std::vector<Change> changes;
  for (int i = 0; i <= 4; ++i) {
    auto added = record(static_cast<std::uint64_t>(i), "d");
    added.record.status = static_cast<hub::Outcome::Kind>(i);
    changes.push_back(added);
  }
  for (int i = 0; i <= 3; ++i) {
    auto put = device("d" + std::to_string(i));
    put.identity.authentication.type = static_cast<hub::AuthenticationType>(i);
    put.identity.status = static_cast<hub::DeviceStatus>(i % 2);
    put.identity.status_updated_time.reset();
    changes.push_back(put);
    auto message = std::make_shared<hub::Message>();
    message->sequence_number = static_cast<hub::SequenceNumber>(i + 1);
    message->ack = static_cast<hub::Ack>(i);
    changes.push_back(hub::change::MessageEnqueued{{{"d"}}, message});
  }
  check_same(changes);
}

TEST_CASE("ST-02 what is put again replaces, what is removed is gone") {
  auto again = device("a");
  again.identity.etag = "Mg==";
  check_same({device("a"), again, session("a"),
              hub::change::MqttSessionPut{{"a"}, {{{"other", 0, 1}}}}, session("b"),
              hub::change::MqttSessionRemoved{{"b"}}, record(1, "a"), record(2, "a"),
              record(3, "a"), hub::change::FeedbackRecordsRemoved{{3, 1}}, event(1, 0), event(1, 1),
              event(1, 2), event(2, 0), hub::change::EventsTrimmed{1, 2}});
}

TEST_CASE("C2D-28 the sequence counter outlives its messages, the removal in the same batch too") {
  for (const bool same_batch : {true, false}) {
    CAPTURE(same_batch);
    TempFolder folder;
    auto store = SqliteStore::open(folder.path());
    const std::vector<Change> arrival{enqueued("d", 1), enqueued("d", 2), enqueued("", 9)};
    const std::vector<Change> removal{hub::change::MessageRemoved{{{"d"}}, 1},
                                      hub::change::MessageRemoved{{{"d"}}, 2},
                                      hub::change::MessageRemoved{{}, 9}};
    auto both = arrival;
    both.insert(both.end(), removal.begin(), removal.end());
    store->apply(same_batch ? both : arrival);
    if (!same_batch) store->apply(removal);
    const auto snapshot = store->load();
    CHECK(snapshot.messages.empty());
    REQUIRE(snapshot.counters.size() == 2);
    CHECK(snapshot.counters[0].queue.is_feedback());
    CHECK(snapshot.counters[0].last == 9);
    CHECK(snapshot.counters[1].last == 2);
  }
}

TEST_CASE("C2D-16 a deleted device leaves nothing behind, the others keep everything") {
  std::vector<Change> changes;
  for (const auto* id : {"gone", "stays"}) {
    changes.push_back(device(id));
    changes.push_back(enqueued(id, 1));
    changes.push_back(enqueued(id, 2));
    changes.push_back(hub::change::DeliveryCountSet{{{id}}, 1, 2});
    changes.push_back(session(id));
  }
  changes.push_back(record(1, "gone"));
  changes.push_back(record(2, "stays"));
  changes.push_back(enqueued("", 1));
  changes.push_back(hub::change::DeviceDeleted{{"gone"}});
  check_same(changes);

  TempFolder folder;
  auto store = SqliteStore::open(folder.path());
  store->apply(changes);
  CHECK_FALSE(contains(to_text(store->load()), "gone"));
}

TEST_CASE("MOD-11 modules and their sessions come back with every field, behind their devices") {
  const auto module = [](std::string id, std::string module_id) {
    auto put = device(std::move(id));
    put.identity.id.module = std::move(module_id);
    put.identity.managed_by = "somebody";
    return put;
  };
  const auto session_of = [](hub::DeviceId id) {
    return hub::change::MqttSessionPut{std::move(id), {{{"$iothub/twin/res/#", 0, 0}}}};
  };
  check_same({device("b"), device("a"), module("a", "m"), module("b", "m"), module("a", "$n"),
              device("a!"), module("a!", "m"), session("a"), session_of({"a", "m"}),
              session_of({"b", "m"})});
}

TEST_CASE("MOD-11 a deleted module leaves nothing behind, and its device everything") {
  auto module = device("d");
  module.identity.id.module = "gone";
  const hub::change::MqttSessionPut its_session{{"d", "gone"}, {{{"#", 1, 1}}}};
  const std::vector<Change> changes{device("d"),
                                    enqueued("d", 1),
                                    record(1, "d"),
                                    session("d"),
                                    module,
                                    its_session,
                                    hub::change::DeviceDeleted{{"d", "gone"}}};
  check_same(changes);
  TempFolder folder;
  auto store = SqliteStore::open(folder.path());
  store->apply(changes);
  const auto left = store->load();
  CHECK_FALSE(contains(to_text(left), "gone"));
  CHECK(left.devices.size() == 1);
  CHECK(left.messages.size() == 1);
  CHECK(left.counters.size() == 1);
  CHECK(left.feedback_records.size() == 1);
  CHECK(left.mqtt_sessions.size() == 1);
}

TEST_CASE("ST-08 a device deleted and made again within one batch starts anew") {
  const hub::change::MessageRemoved removed{{{"d"}}, 1};
  check_same({device("d"), enqueued("d", 1), removed, hub::change::DeviceDeleted{{"d"}},
              device("d"), enqueued("d", 1)});
  check_same({device("d"), enqueued("d", 1), hub::change::DeviceDeleted{{"d"}}, device("d"),
              enqueued("d", 1), removed});
  check_same({device("d"), enqueued("d", 1), enqueued("d", 2), hub::change::DeviceDeleted{{"d"}}});
}

TEST_CASE("ST-01 of a batch that fails nothing is stored") {
  TempFolder folder;
  auto store = SqliteStore::open(folder.path());
  store->apply(std::vector<Change>{device("d"), enqueued("d", 1)});
  const auto before = to_text(store->load());
  const auto why = refusal([&] {
    store->apply(std::vector<Change>{enqueued("d", 2), device("other"), enqueued("d", 1)});
  });
  CHECK(contains(why, (folder.path() / "hub.db").string()));
  CHECK(contains(why, "UNIQUE"));
  CHECK(to_text(store->load()) == before);
  store->apply(std::vector<Change>{enqueued("d", 2)});
  CHECK(store->load().messages.size() == 2);
}

TEST_CASE("ST-02 properties: what cannot be decoded is refused") {
  const std::vector<hub::Property> properties{
      {"name", "value"}, {"", ""}, {"\0"s, "\xff"s}, {"n", std::nullopt}};
  const auto bytes = storage::encode_properties(properties);
  CHECK(storage::decode_properties(bytes) == properties);
  CHECK(storage::decode_properties("") == std::vector<hub::Property>{});
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    const bool whole = cut == 17 || cut == 25 || cut == 35;  // the end of a property
    CHECK(storage::decode_properties(bytes.substr(0, cut)).has_value() == whole);
  }
  CHECK_FALSE(storage::decode_properties("\xff\xff\xff\xffname").has_value());
}
