// Rows that no emulator wrote: any value in any column is refused, or is one that a hub can live
// with.
#include "emulator/core/store/snapshot_check.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/test_hub.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>

using namespace storage_test;
using namespace test;
using storage::SqliteStore;

namespace {

// One of everything that a hub stores.
void make_folder(const std::filesystem::path& dir) {
  const auto store = SqliteStore::open(dir);
  TestHub t({}, true);
  t.create("d");
  t.create_module("d", "m");
  t.create("e");
  for (const char* body : {"one", "two"}) REQUIRE(t.send("d", body));
  REQUIRE(t.send("e", "three"));
  auto lock = t.get("e")->lock_token;
  REQUIRE(t.hub.c2d().complete({{"e"}}, lock, t.now));
  REQUIRE(t.hub.connections().store_mqtt_session(
      {"d"}, {{{"devices/d/messages/devicebound/#", 1, 1}}}, t.now));
  REQUIRE(t.telemetry({"d"}));
  store->apply(t.hub.monitor().take_changes().first);
}

// All that follows a start: everything is looked at, delivered, settled, sent and stored again.
void live_on(hub::Snapshot snapshot, SqliteStore& store) {
  TestHub t({}, true);
  t.hub.restore(std::move(snapshot), t.now);
  for (const auto& view : t.hub.registry().list({}, 100, t.now)) {
    const hub::DeviceId& id = view.identity.id;
    (void)t.hub.registry().modules_of(id, t.now);
    (void)t.hub.connections().mqtt_session(id);
    (void)t.hub.c2d().peek({id});
    (void)hub::to_iso8601(view.identity.created_time);
    (void)t.send(id.text, "new");
    (void)t.telemetry(id);
    for (auto next = t.hub.c2d().receive_once({id}, 60s, t.now); next && *next;
         next = t.hub.c2d().receive_once({id}, 60s, t.now)) {
      (void)hub::to_iso8601((*next)->message->enqueued_time);
      (void)t.hub.c2d().complete({id}, (*next)->lock_token, t.now);
    }
  }
  t.create("new");
  t.advance(1h);
  (void)t.feedback();
  for (std::uint32_t p = 0; p < t.hub.events().partition_count(); ++p) {
    for (const auto& event : t.hub.events().read(p, 0, 100))
      (void)hub::to_iso8601(event->enqueued_time);
  }
  store.apply(t.hub.monitor().take_changes().first);
}

std::vector<std::string> texts_in(const std::filesystem::path& file, const std::string& sql) {
  storage::Database database{file};
  storage::Statement select{database, sql};
  std::vector<std::string> out;
  while (select.next()) out.push_back(select.take_string());
  return out;
}

}  // namespace

TEST_CASE("ST-17 any value in any column of any row is refused with a line, or one to live with") {
  TempFolder folder;
  const auto whole = folder.path() / "whole";
  make_folder(whole);
  int refused = 0, lived = 0;
  for (const auto& table : texts_in(whole / "hub.db",
                                    "SELECT name FROM sqlite_schema WHERE type = 'table'"
                                    " AND name <> 'migration'")) {
    REQUIRE(number_in(whole / "hub.db", "SELECT count(*) FROM " + table) > 0);
    for (const auto& column :
         texts_in(whole / "hub.db", "SELECT name FROM pragma_table_info('" + table + "')")) {
      for (const char* value : {"-5",
                                "0",
                                "1",
                                "2",
                                "7",
                                "300",
                                "2147483648",
                                "4294967295",
                                "4294967297",
                                "9007199254740993",
                                "4611686018427387905",
                                "9223372036854775807",
                                "-9223372036854775808",
                                "''",
                                "'x'",
                                "'-5'",
                                "'12x'",
                                "'99999999999999999999'",
                                "x''",
                                "x'00ff'",
                                "NULL"}) {
        CAPTURE(table);
        CAPTURE(column);
        CAPTURE(value);
        const auto dir = folder.path() / "damaged";
        std::filesystem::remove_all(dir);
        std::filesystem::copy(whole, dir);
        {
          storage::Database database{dir / "hub.db"};
          database.tidy_on_close();
          // Of another type, empty or there already: SQLite itself says no.
          if (!refusal([&] {
                 database.run("UPDATE " + table + " SET " + column + " = " + value);
               }).empty()) {
            continue;
          }
        }
        const auto why = refusal([&] {
          const auto store = SqliteStore::open(dir);
          auto snapshot = store->load();
          if (const auto damage = hub::find_damage(snapshot)) throw std::runtime_error(*damage);
          live_on(std::move(snapshot), *store);
        });
        (why.empty() ? lived : refused) += 1;
        CHECK_FALSE(contains(why, ".cpp"));
        CHECK_FALSE(contains(why, "stoull"));
      }
    }
  }
  MESSAGE(refused << " refused, " << lived << " to live with");
  CHECK(refused > 100);
  CHECK(lived > 100);
}

TEST_CASE("ST-17 a row is named with what is wrong about it") {
  struct Row {
    const char* sql;
    const char* says;
  };
  for (const auto& [sql, says] : {
           Row{"UPDATE message SET sequence_number = -5 WHERE sequence_number = 1",
               "a message of queue 'd' has the sequence number -5"},
           Row{"UPDATE device SET generation_id = 'x' WHERE module = 'm'",
               "module m of device d has the generation id 'x'"},
           Row{"DELETE FROM device WHERE id = 'd' AND module = ''",
               "module m of device d is there without its device"},
           Row{"UPDATE message SET queue = 'nobody' WHERE sequence_number = 1",
               "a message of queue 'nobody' is there without its device"},
           Row{"UPDATE sequence_counter SET last = 9223372036854775807 WHERE queue = 'd'",
               "the counter of queue 'd' has the last number 9223372036854775807"},
           Row{"UPDATE event SET enqueued_time = 9223372036854775807",
               "an event of device 'd' has a time (enqueued) of 9223372036854775807 ms since 1970"},
           Row{"UPDATE feedback_record SET message_id_type = 2",
               "a feedback record of device 'e' has a message id that is not of its type"},
           Row{"UPDATE mqtt_subscription SET qos = 2", "a subscription of device d has the QoS 2"},
       }) {
    CAPTURE(sql);
    TempFolder folder;
    make_folder(folder.path() / "data");
    storage::Database{folder.path() / "data/hub.db"}.run(sql);
    CHECK(hub::find_damage(SqliteStore::open(folder.path() / "data")->load()) == says);
  }
}

TEST_CASE("ST-17 a schema of a version that cannot be is refused") {
  for (const char* version : {"-3", "0"}) {
    TempFolder folder;
    make_folder(folder.path() / "data");
    storage::Database{folder.path() / "data/hub.db"}.run(
        std::string("DELETE FROM migration; INSERT INTO migration VALUES (") + version + ", 'x')");
    CHECK(contains(refusal([&] { SqliteStore::open(folder.path() / "data"); }),
                   "is damaged: it has the schema"));
  }
}
