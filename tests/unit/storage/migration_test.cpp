#include "storage/migrations.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/model/snapshot_text.hpp"
#include "tests/unit/storage/support.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace storage_test;
using storage::Database;
using storage::Migration;
using storage::SqliteStore;

namespace {

// What an emulator of schema 1 left behind: written by hand and never to be changed. Whatever the
// schema becomes, these rows must still be read.
constexpr auto rows_of_schema_1 = R"(
  INSERT INTO device VALUES ('dev1', '637', 'etag', 1, 'why', 5, 1, 'pk', 'sk', 'pt', 'st', 1,
                             'scope', 6);
  INSERT INTO sequence_counter VALUES ('', 4), ('dev1', 8);
  INSERT INTO message VALUES ('dev1', 7, 3, 10, 20, 3, 1, 1, CAST('mid' AS BLOB), 2, x'3432',
    x'ff00', CAST('/devices/dev1/messages/devicebound' AS BLOB), x'6374', x'6365', x'', 30,
    x'01000000610200000062FF', x'00ff');
  INSERT INTO feedback_record VALUES (12, 3, CAST('uuid' AS BLOB), 11, 4, 'dev1', '637');
  INSERT INTO mqtt_session VALUES ('dev1');
  INSERT INTO mqtt_subscription VALUES ('dev1', 0, CAST('devices/dev1/#' AS BLOB), 1, 7);
  INSERT INTO event VALUES (3, 100, 2000, 12, 'dev1', 'mod', '637', '{}', 'Telemetry', x'69',
    x'64', x'73', 0, x'', 0, x'', x'', x'', x'', x'', x'', NULL, x'', x'e0');
)";

std::string as_text_of_schema_1() {
  hub::Snapshot snapshot;
  auto& device = snapshot.devices.emplace_back();
  device.id.text = "dev1";
  device.generation_id = "637";
  device.etag = "etag";
  device.status = hub::DeviceStatus::disabled;
  device.status_reason = "why";
  device.status_updated_time = hub::from_unix_ms(5);
  device.authentication = {hub::AuthenticationType::self_signed, "pk", "sk", "pt", "st"};
  device.iot_edge = true;
  device.device_scope = "ms-azure-iot-edge://dev1-637";  // each edge device has one since schema 3
  device.created_time = hub::from_unix_ms(6);
  snapshot.counters = {{{}, 4}, {{{"dev1"}}, 8}};
  hub::Message message;
  message.sequence_number = 7;
  message.enqueued_time = hub::from_unix_ms(10);
  message.expires_at = hub::from_unix_ms(20);
  message.ack = hub::Ack::full;
  message.ack_given = true;
  message.content.message_id = hub::MessageId::of("mid");
  message.content.correlation_id = {hub::MessageId::Type::ulong, "42"};
  message.content.user_id = "\xff\0"s;
  message.content.to = "/devices/dev1/messages/devicebound";
  message.content.content_type = "ct";
  message.content.content_encoding = "ce";
  message.content.absolute_expiry = hub::from_unix_ms(30);
  message.content.properties = {{"a", "b\xff"}};
  message.content.body = "\0\xff"s;
  snapshot.messages.push_back({{{"dev1"}}, std::make_shared<hub::Message>(message), 3});
  snapshot.feedback_records = {{12,
                                {hub::MessageId::Type::uuid, "uuid"},
                                hub::from_unix_ms(11),
                                hub::Outcome::Kind::purged,
                                {"dev1"},
                                "637"}};
  snapshot.mqtt_sessions = {{{"dev1"}, {{{"devices/dev1/#", 1, 7}}}}};
  hub::TelemetryMessage event;
  event.sequence_number = 100;
  event.offset = 2000;
  event.enqueued_time = hub::from_unix_ms(12);
  event.origin = std::make_shared<hub::TelemetryOrigin>(
      hub::TelemetryOrigin{{"dev1", "mod"}, "637", "{}", "d"});
  event.interface_id = "i";
  event.subject = "s";
  event.content.body = "\xe0";
  snapshot.events = {{3, std::make_shared<hub::TelemetryMessage>(event)}};
  return model_test::to_text(snapshot);
}

constexpr std::array<Migration, 2> two_steps = {{
    {"001_first",
     "CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT);"
     "CREATE TABLE thing (a TEXT); INSERT INTO thing VALUES ('kept');"},
    {"002_second", "ALTER TABLE thing ADD COLUMN b INTEGER NOT NULL DEFAULT 7"},
}};

}  // namespace

TEST_CASE("ST-03 the migrations in the binary are numbered without gaps and recorded") {
  TempFolder folder;
  SqliteStore::open(folder.path());
  SqliteStore::open(folder.path());
  const auto migrations = storage::embedded_migrations();
  REQUIRE(migrations.size() >= 1);
  CHECK(migrations[0].name == "001_initial");
  Database database{folder.path() / "hub.db"};
  storage::Statement rows{database, "SELECT version, name FROM migration ORDER BY version"};
  for (std::size_t i = 0; i < migrations.size(); ++i) {
    CHECK(std::stoul(std::string{migrations[i].name.substr(0, 3)}) == i + 1);
    REQUIRE(rows.next());
    CHECK(rows.take_int() == static_cast<std::int64_t>(i) + 1);
    CHECK(rows.take_string() == migrations[i].name);
  }
  CHECK_FALSE(rows.next());
}

TEST_CASE("ST-03 a database of schema 1 is read by this emulator") {
  TempFolder folder;
  {
    Database old{folder.path() / "hub.db"};
    old.check();
    storage::migrate(old, storage::embedded_migrations().first(1));
    old.run(rows_of_schema_1);
  }
  CHECK(model_test::to_text(SqliteStore::open(folder.path())->load()) == as_text_of_schema_1());
  CHECK(model_test::to_text(SqliteStore::open(folder.path())->load()) == as_text_of_schema_1());
}

TEST_CASE("ST-03 H-81 a creation time of schema 2 is an application property, the last one") {
  TempFolder folder;
  {
    Database old{folder.path() / "hub.db"};
    old.check();
    storage::migrate(old, storage::embedded_migrations().first(2));
    old.run(
        "INSERT INTO message VALUES ('d', 1, 0, 1, 2, 0, 0, 0, x'', 0, x'', x'', x'', x'', x'',"
        " CAST('2026-02-11T10:00:00.1234567Z' AS BLOB), NULL, x'01000000610200000000FF', x'');"
        "INSERT INTO event VALUES (0, 0, 0, 1, 'd', '', '1', '{}', 'Telemetry', x'', x'', x'', 0,"
        " x'', 0, x'', x'', x'', x'', x'', CAST('now' AS BLOB), NULL, x'', x'');");
  }
  const auto snapshot = SqliteStore::open(folder.path())->load();
  REQUIRE(snapshot.messages.size() == 1);
  CHECK(snapshot.messages[0].message->content.properties ==
        std::vector<hub::Property>{{"a", "\0\xff"s},
                                   {"iothub-creation-time-utc", "2026-02-11T10:00:00.1234567Z"}});
  REQUIRE(snapshot.events.size() == 1);
  CHECK(snapshot.events[0].event->content.properties ==
        std::vector<hub::Property>{{"iothub-creation-time-utc", "now"}});
}

TEST_CASE("ST-03 only the steps that are missing run, and the rows stay") {
  TempFolder folder;
  const auto file = folder.path() / "some.db";
  Database database{file};
  const std::span<const Migration> steps{two_steps};
  storage::migrate(database, steps.first(1));
  database.run("INSERT INTO thing VALUES ('new')");
  storage::migrate(database, steps);
  storage::migrate(database, steps);
  CHECK(number_in(file, "SELECT count(*) FROM thing WHERE b = 7") == 2);
  CHECK(number_in(file, "SELECT count(*) FROM migration") == 2);
}

TEST_CASE("ST-03 a step that fails leaves the version before it") {
  TempFolder folder;
  const auto file = folder.path() / "some.db";
  auto steps = two_steps;
  steps[1].sql = "CREATE TABLE half (a); INSERT INTO missing VALUES (1)";
  {
    Database database{file};
    CHECK(contains(refusal([&] { storage::migrate(database, steps); }), "no such table: missing"));
  }
  CHECK(number_in(file, "SELECT count(*) FROM migration") == 1);
  CHECK(number_in(file, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == 0);
}

TEST_CASE("ST-03 a database of a newer emulator is refused and left as it is") {
  TempFolder folder;
  const auto file = folder.path() / "hub.db";
  SqliteStore::open(folder.path());
  Database{file}.run("INSERT INTO migration VALUES (999, '999_future')");
  const auto before = bytes_of(file);
  const auto why = refusal([&] { SqliteStore::open(folder.path()); });
  CHECK(contains(why, file.string()));
  CHECK(contains(why, "newer emulator (schema 999, this one knows"));
  CHECK(bytes_of(file) == before);
}

TEST_CASE("ST-03 a database of another program is refused and left as it is") {
  TempFolder folder;
  const auto file = folder.path() / "hub.db";
  Database{file}.run("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
  const auto before = bytes_of(file);
  const auto why = refusal([&] { SqliteStore::open(folder.path()); });
  CHECK(contains(why, file.string() + " is a database of another program"));
  CHECK(bytes_of(file) == before);
}
