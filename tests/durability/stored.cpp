#include "tests/durability/stored.hpp"

#include "storage/sqlite.hpp"

#include <array>

namespace durability {
namespace {

using storage::Database;
using storage::Statement;

// In the order of storage/codes.hpp.
constexpr std::array acks{"none", "positive", "negative", "full"};
constexpr std::array statuses{"Success", "Expired", "DeliveryCountExceeded", "Rejected", "Purged"};

template <class Names>
std::string name_of(const Names& names, std::int64_t code) {
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : "code " + std::to_string(code);
}

std::string integrity_of(Database& database) {
  Statement check{database, "PRAGMA integrity_check"};
  const auto verdict = check.next() ? check.take_string() : "no answer";
  Statement foreign_keys{database, "PRAGMA foreign_key_check"};
  return verdict == "ok" && foreign_keys.next() ? "a foreign key is broken" : verdict;
}

void read_devices(Database& database, Stored& stored) {
  Statement row{database,
                "SELECT id, generation_id, etag, status, status_reason, primary_key, secondary_key"
                " FROM device"};
  while (row.next()) {
    auto& device = stored.devices[row.take_string()];
    device.generation_id = row.take_string();
    device.etag = row.take_string();
    device.status = row.take_int() == 0 ? "enabled" : "disabled";
    device.status_reason = row.take_string();
    device.primary_key = row.take_string();
    device.secondary_key = row.take_string();
  }
  Statement counter{database, "SELECT queue, last FROM sequence_counter"};
  while (counter.next()) {
    auto& last = stored.last_sequence[counter.take_string()];
    last = static_cast<std::uint64_t>(counter.take_int());
  }
}

void read_messages(Database& database, Stored& stored) {
  Statement row{database,
                "SELECT message_id, queue, sequence_number, delivery_count, expires_at, ack, body"
                " FROM message"};
  while (row.next()) {
    const auto id = row.take_string();
    StoredMessage message;
    message.device = row.take_string();
    message.sequence_number = static_cast<std::uint64_t>(row.take_int());
    message.delivery_count = static_cast<unsigned>(row.take_int());
    message.expires_at_ms = row.take_int();
    message.ack = name_of(acks, row.take_int());
    message.body = row.take_string();
    if (message.device.empty()) {  // the feedback queue
      for (const auto& record : iothub::parse_feedback(message.body)) {
        stored.records.emplace(record.original_message_id, record.status_code);
      }
    } else if (!stored.messages.emplace(id, std::move(message)).second) {
      stored.oddities.push_back("message " + id + " is there twice");
    }
  }
  Statement record{database, "SELECT message_id, status FROM feedback_record"};
  while (record.next()) {
    auto id = record.take_string();
    stored.records.emplace(std::move(id), name_of(statuses, record.take_int()));
  }
}

void read_events(Database& database, Stored& stored) {
  Statement row{database, "SELECT message_id FROM event"};
  while (row.next()) ++stored.events[row.take_string()];
  Statement gaps{database,
                 "SELECT partition FROM event GROUP BY partition"
                 " HAVING count(*) <> max(sequence_number) - min(sequence_number) + 1"};
  while (gaps.next()) {
    stored.oddities.push_back("partition " + std::to_string(gaps.take_int()) + " has a gap");
  }
}

}  // namespace

Stored read_stored(const std::filesystem::path& data, const std::filesystem::path& scratch) {
  std::filesystem::remove_all(scratch);
  std::filesystem::create_directories(scratch);
  // Not hub.db-shm: SQLite makes it anew from the log.
  for (const auto* file : {"hub.db", "hub.db-wal", "hub.db-journal"}) {
    if (std::filesystem::exists(data / file)) {
      std::filesystem::copy_file(data / file, scratch / file);
    }
  }
  Stored stored;
  {
    Database database{scratch / "hub.db"};
    stored.integrity = integrity_of(database);
    Statement tables{database, "SELECT count(*) FROM sqlite_schema WHERE name = 'event'"};
    if (stored.integrity == "ok" && tables.next() && tables.take_int() != 0) {
      read_devices(database, stored);
      read_messages(database, stored);
      read_events(database, stored);
    }
  }
  std::filesystem::remove_all(scratch);
  return stored;
}

}  // namespace durability
