#pragma once
// What a data folder holds that a killed emulator left behind, read without the emulator: by SQL,
// from a copy, so that the emulator finds the folder as the kill left it.
#include "clients/hub_client/message.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace durability {

struct StoredDevice {
  std::string generation_id, etag, status, status_reason, primary_key, secondary_key;
};

struct StoredMessage {
  std::string device;
  std::uint64_t sequence_number = 0;
  unsigned delivery_count = 0;
  std::int64_t expires_at_ms = 0;
  std::string ack, body;
};

struct Stored {
  std::string integrity;  // "ok", else what SQLite's integrity_check or foreign_key_check says
  std::map<std::string, StoredDevice> devices;
  std::map<std::string, StoredMessage> messages;       // by message id
  std::map<std::string, std::uint64_t> last_sequence;  // by device
  std::multimap<std::string, std::string> records;     // message id, status: pending or in a batch
  std::map<std::string, std::uint64_t> events;         // how often, by message id
  std::vector<std::string> oddities;                   // two rows of one message id, gaps
};

// `scratch` is made, and removed again.
Stored read_stored(const std::filesystem::path& data, const std::filesystem::path& scratch);

}  // namespace durability
