#include "tests/durability/ledger.hpp"

#include <algorithm>
#include <functional>

namespace durability {
namespace {

using iothub::Disposition;
using Lock = std::lock_guard<std::mutex>;

std::string outcome_of(Disposition disposition) {
  return disposition == Disposition::reject ? "Rejected" : "Success";
}

// c2d.md 4.1
bool wants_record(const std::string& ack, const std::string& outcome) {
  if (ack == "full") return true;
  return ack == (outcome == "Success" ? "positive" : "negative");
}

bool same(const iothub::DeviceIdentity& known, const StoredDevice& row) {
  return known.generation_id == row.generation_id && known.etag == row.etag &&
         known.status == row.status && known.status_reason == row.status_reason &&
         known.primary_key == row.primary_key && known.secondary_key == row.secondary_key;
}

iothub::DeviceIdentity identity_of(const std::string& id, const StoredDevice& row) {
  iothub::DeviceIdentity out;
  out.device_id = id;
  out.generation_id = row.generation_id;
  out.etag = row.etag;
  out.status = row.status;
  out.status_reason = row.status_reason;
  out.primary_key = row.primary_key;
  out.secondary_key = row.secondary_key;
  return out;
}

StoredDevice row_of(const iothub::DeviceIdentity& device) {
  return {device.generation_id, device.etag,        device.status,
          device.status_reason, device.primary_key, device.secondary_key};
}

}  // namespace

std::string body_of(const std::string& message_id, std::size_t size) {
  auto state = std::hash<std::string>{}(message_id);
  std::string body(size, '\0');
  for (auto& byte : body) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>('!' + (state >> 33) % 90);  // text: some transports know nothing else
  }
  return body;
}

Ledger::Entry* Ledger::find(const std::string& message_id, const char* where) {
  const auto found = entries_.find(message_id);
  if (found != entries_.end()) return &found->second;
  problem(std::string{where} + ": message '" + message_id + "' was never sent");
  return nullptr;
}

// ---- cloud-to-device messages -------------------------------------------------------------------

void Ledger::send_begins(const std::string& device, const iothub::Message& message) {
  const Lock lock{mutex_};
  auto& entry = entries_[*message.message_id];
  entry.device = device;
  entry.ack = *message.ack;
  entry.body_size = message.body.size();
  entry.expires_at = message.expires_at;
  live_.insert(*message.message_id);
}

void Ledger::send_acknowledged(const std::string& message_id) {
  const Lock lock{mutex_};
  ++acknowledged_["messages sent"];
  entries_.at(message_id).stored = Certainty::yes;
}

void Ledger::send_refused(const std::string& message_id) {
  const Lock lock{mutex_};
  auto& entry = entries_.at(message_id);
  if (entry.stored == Certainty::yes) problem(message_id + " was refused, and delivered");
  bury(message_id, entry, {}, false);
}

void Ledger::delivered(const std::string& device, const iothub::ReceivedMessage& message) {
  const Lock lock{mutex_};
  const auto id = message.message_id.value_or("");
  auto* entry = find(id, "delivered");
  if (entry == nullptr) return;
  ++acknowledged_["deliveries seen"];
  if (entry->dead) return problem(id + " was delivered after its end");
  // One that expires may have been on its way to a slow client; not over a restart, it is dead
  // then.
  if (entry->settled == Certainty::yes && entry->outcome != "Expired") {
    return problem(id + " was delivered after its outcome, " + entry->outcome);
  }
  if (entry->device != device) problem(id + " was delivered to " + device);
  if (message.body != body_of(id, entry->body_size)) problem(id + " has another body");
  if (message.ack.value_or("none") != entry->ack) problem(id + " has another ack");
  const auto most = entry->abandons + entry->abandons_in_doubt;
  if (message.delivery_count &&
      (*message.delivery_count < entry->abandons || *message.delivery_count > most)) {
    problem(id + " has delivery count " + std::to_string(*message.delivery_count) + ", abandoned " +
            std::to_string(entry->abandons) + " to " + std::to_string(most) + " times");
  }
  entry->stored = Certainty::yes;
}

void Ledger::settle_begins(const std::string& message_id, Disposition disposition) {
  const Lock lock{mutex_};
  auto& entry = entries_.at(message_id);
  if (disposition == Disposition::abandon) {
    ++entry.abandons_in_doubt;
  } else if (entry.settled == Certainty::no) {
    entry.settled = Certainty::in_doubt;
    entry.outcome = outcome_of(disposition);
  }
}

void Ledger::settle_acknowledged(const std::string& message_id, Disposition disposition) {
  const Lock lock{mutex_};
  auto& entry = entries_.at(message_id);
  ++acknowledged_["messages settled: " + std::string{to_string(disposition)}];
  if (disposition != Disposition::abandon) {
    entry.settled = Certainty::yes;
    return;
  }
  --entry.abandons_in_doubt;
  if (++entry.abandons == max_delivery_count_) {
    entry.settled = Certainty::yes;
    entry.outcome = "DeliveryCountExceeded";
  }
}

void Ledger::settle_refused(const std::string& message_id, Disposition disposition) {
  const Lock lock{mutex_};
  auto& entry = entries_.at(message_id);
  if (disposition == Disposition::abandon) {
    --entry.abandons_in_doubt;
  } else if (entry.settled == Certainty::in_doubt) {
    entry.settled = Certainty::no;
  }
  if (!entry.expires_at) problem(message_id + ": its lock was lost");
}

std::vector<std::string> Ledger::purge_begins(const std::string& device) {
  const Lock lock{mutex_};
  std::vector<std::string> ids;
  for (const auto& id : live_) {
    auto& entry = entries_.at(id);
    if (entry.device != device || entry.settled != Certainty::no) continue;
    entry.settled = Certainty::in_doubt;
    entry.outcome = "Purged";
    ids.push_back(id);
  }
  return ids;
}

void Ledger::purge_acknowledged(const std::vector<std::string>& message_ids, std::uint64_t count) {
  const Lock lock{mutex_};
  ++acknowledged_["purges"];
  for (const auto& id : message_ids) entries_.at(id).settled = Certainty::yes;
  if (count != message_ids.size()) {
    problem(std::to_string(count) + " were purged, not " + std::to_string(message_ids.size()));
  }
}

// ---- feedback -----------------------------------------------------------------------------------

void Ledger::batch_received(const iothub::FeedbackBatch& batch) {
  const Lock lock{mutex_};
  for (const auto& record : batch.records) {
    const auto& id = record.original_message_id;
    auto* entry = find(id, "feedback");
    if (entry == nullptr) continue;
    const auto legal = entry->dead ? entry->reported : possible_outcomes(*entry);
    if (!legal.contains(record.status_code) || !wants_record(entry->ack, record.status_code)) {
      problem(id + ": a record says " + record.status_code + ", which did not happen");
      continue;
    }
    if (entry->consumed == Certainty::yes) {
      problem(id + ": its record came again after its batch was completed");
    }
    if (entry->dead) continue;
    entry->stored = entry->settled = Certainty::yes;
    entry->outcome = record.status_code;
  }
}

void Ledger::batch_completion_begins(const iothub::FeedbackBatch& batch) {
  const Lock lock{mutex_};
  for (const auto& record : batch.records) {
    entries_[record.original_message_id].consumed = Certainty::in_doubt;
    in_completion_.insert(record.original_message_id);
  }
}

void Ledger::batch_completed(const iothub::FeedbackBatch& batch) {
  const Lock lock{mutex_};
  ++acknowledged_["feedback batches completed"];
  acknowledged_["feedback records consumed"] += batch.records.size();
  for (const auto& record : batch.records) {
    entries_[record.original_message_id].consumed = Certainty::yes;
    in_completion_.erase(record.original_message_id);
    owed_.erase(record.original_message_id);
  }
}

// ---- registry -----------------------------------------------------------------------------------

void Ledger::create_begins(const std::string& device) {
  const Lock lock{mutex_};
  devices_[device].pending = Device::Pending::create;
}

void Ledger::update_begins(const iothub::DeviceIdentity& wanted) {
  const Lock lock{mutex_};
  auto& device = devices_.at(wanted.device_id);
  device.pending = Device::Pending::update;
  device.wanted = wanted;
}

void Ledger::put_acknowledged(const iothub::DeviceIdentity& identity) {
  const Lock lock{mutex_};
  auto& device = devices_.at(identity.device_id);
  ++acknowledged_[device.known ? "devices updated" : "devices created"];
  device.known = identity;
  device.pending = Device::Pending::none;
}

void Ledger::delete_begins(const std::string& device) {
  const Lock lock{mutex_};
  devices_.at(device).pending = Device::Pending::remove;
}

void Ledger::delete_acknowledged(const std::string& device) {
  const Lock lock{mutex_};
  ++acknowledged_["devices deleted"];
  devices_.at(device) = {};
  bury_all_of(device);
}

void Ledger::got(const std::string& device, const std::optional<iothub::DeviceIdentity>& answer) {
  const Lock lock{mutex_};
  const auto& known = devices_[device].known;
  if (known.has_value() != answer.has_value() || (known && !same(*known, row_of(*answer)))) {
    problem("the registry's answer about " + device + " is not what was acknowledged");
  }
}

std::vector<iothub::DeviceIdentity> Ledger::devices() const {
  const Lock lock{mutex_};
  std::vector<iothub::DeviceIdentity> out;
  for (const auto& [id, device] : devices_) {
    if (device.known) out.push_back(*device.known);
  }
  return out;
}

// ---- telemetry ----------------------------------------------------------------------------------

void Ledger::telemetry_begins(const std::vector<std::string>& message_ids) {
  const Lock lock{mutex_};
  telemetry_.push_back({message_ids, false});
}

void Ledger::telemetry_acknowledged(const std::vector<std::string>& message_ids) {
  const Lock lock{mutex_};
  acknowledged_["telemetry"] += message_ids.size();
  const auto sent = std::find_if(telemetry_.rbegin(), telemetry_.rend(),
                                 [&](const Send& send) { return send.message_ids == message_ids; });
  sent->acknowledged = true;
}

// ---- questions ----------------------------------------------------------------------------------

void Ledger::report(std::string text) {
  const Lock lock{mutex_};
  problem(std::move(text));
}

std::pair<std::size_t, std::size_t> Ledger::waiting(const std::string& device) const {
  const Lock lock{mutex_};
  std::size_t all = 0, expiring = 0;
  for (const auto& id : live_) {
    const auto& entry = entries_.at(id);
    if (entry.device != device) continue;
    ++all;
    if (entry.expires_at) ++expiring;
  }
  return {all - expiring, all};
}

bool Ledger::settled() const {
  const Lock lock{mutex_};
  return live_.empty() && owed_.empty();
}

std::vector<std::string> Ledger::problems() const {
  const Lock lock{mutex_};
  return problems_;
}

std::map<std::string, std::uint64_t> Ledger::acknowledged() const {
  const Lock lock{mutex_};
  return acknowledged_;
}

std::uint64_t Ledger::operations() const {
  const Lock lock{mutex_};
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : acknowledged_) sum += count;
  return sum;
}

// ---- after a kill -------------------------------------------------------------------------------

Ledger::Outcomes Ledger::possible_outcomes(const Entry& entry) const {
  if (entry.settled == Certainty::yes) return {entry.outcome};
  Outcomes out;
  if (entry.settled == Certainty::in_doubt) out.insert(entry.outcome);
  if (entry.expires_at && *entry.expires_at <= iothub::now()) out.insert("Expired");
  if (entry.abandons + entry.abandons_in_doubt >= max_delivery_count_) {
    out.insert("DeliveryCountExceeded");
  }
  return out;
}

// Exactly one of `outcomes` happened, or, if there are none, it was never stored.
void Ledger::bury(const std::string& id, Entry& entry, const Outcomes& outcomes,
                  bool record_may_vanish) {
  entry.dead = true;
  live_.erase(id);
  for (const auto& outcome : outcomes) {
    if (wants_record(entry.ack, outcome)) entry.reported.insert(outcome);
  }
  const bool certain = !outcomes.empty() && entry.reported.size() == outcomes.size() &&
                       entry.stored == Certainty::yes;
  if (certain && !record_may_vanish && entry.consumed != Certainty::yes) owed_.insert(id);
}

// The device is deleted: its queue and its pending records are gone with it (C2D-16, C2D-35).
void Ledger::bury_all_of(const std::string& device) {
  for (auto next = live_.begin(); next != live_.end();) {
    const auto id = *next++;
    auto& entry = entries_.at(id);
    if (entry.device == device) bury(id, entry, possible_outcomes(entry), true);
  }
  std::erase_if(owed_, [&](const auto& id) { return entries_.at(id).device == device; });
  last_sequence_.erase(device);
}

void Ledger::check(const Stored& stored) {
  const Lock lock{mutex_};
  if (stored.integrity != "ok") problem("integrity_check: " + stored.integrity);
  for (const auto& oddity : stored.oddities) problem(oddity);
  check_devices(stored);
  check_messages(stored);
  check_records(stored);
  check_telemetry(stored);
  last_sequence_ = stored.last_sequence;
}

void Ledger::check_devices(const Stored& stored) {
  for (auto& [id, device] : devices_) {
    const auto row = stored.devices.find(id);
    check_device(id, device, row == stored.devices.end() ? nullptr : &row->second);
    device.pending = Device::Pending::none;
  }
  for (const auto& [id, row] : stored.devices) {
    if (!devices_.contains(id)) problem("device " + id + " was never created");
  }
}

void Ledger::check_device(const std::string& id, Device& device, const StoredDevice* row) {
  using enum Device::Pending;
  if (row == nullptr) {
    if (!device.known) return;
    if (device.pending != remove) return problem("device " + id + " is lost");
    device.known.reset();
    return bury_all_of(id);
  }
  if (!device.known) {
    if (device.pending != create) return problem("device " + id + " is there, and was deleted");
    device.known = identity_of(id, *row);
    return;
  }
  if (same(*device.known, *row)) return;
  auto wanted = device.wanted;
  wanted.etag = row->etag;  // the hub's choice, but a new one
  if (device.pending != update || row->etag == device.known->etag || !same(wanted, *row)) {
    return problem("device " + id + " is not as it was acknowledged");
  }
  device.known = identity_of(id, *row);
}

void Ledger::check_messages(const Stored& stored) {
  for (const auto& [id, message] : stored.messages) {
    const auto* entry = find(id, "stored");
    if (entry != nullptr && entry->dead) problem(id + " is in a queue after its end");
  }
  for (auto next = live_.begin(); next != live_.end();) {
    const auto id = *next++;
    auto& entry = entries_.at(id);
    if (stored.messages.contains(id)) {
      check_present(id, entry, stored);
    } else {
      check_absent(id, entry);
    }
  }
}

void Ledger::check_present(const std::string& id, Entry& entry, const Stored& stored) {
  const auto& message = stored.messages.at(id);
  if (entry.settled == Certainty::yes) {
    problem(id + " is in the queue after its outcome, " + entry.outcome);
  }
  const auto expires = entry.expires_at ? entry.expires_at->time_since_epoch().count() : 0;
  if (message.device != entry.device || message.ack != entry.ack ||
      message.body != body_of(id, entry.body_size) ||
      (entry.expires_at && message.expires_at_ms != expires)) {
    problem(id + " is not as it was sent");
  }
  if (message.delivery_count < entry.abandons ||
      message.delivery_count > entry.abandons + entry.abandons_in_doubt ||
      message.delivery_count >= max_delivery_count_) {
    problem(id + " has delivery count " + std::to_string(message.delivery_count) +
            " in the database, abandoned " + std::to_string(entry.abandons) + " and perhaps " +
            std::to_string(entry.abandons_in_doubt) + " times");
  }
  const auto before = last_sequence_.find(entry.device);
  if (!entry.numbered && before != last_sequence_.end() &&
      message.sequence_number <= before->second) {
    problem(id + " has a sequence number that was given out before");
  }
  const auto counter = stored.last_sequence.find(entry.device);
  if (counter == stored.last_sequence.end() || counter->second < message.sequence_number) {
    problem(id + " has a sequence number that may be given out again");
  }
  if (stored.records.contains(id)) problem(id + " is in the queue, and its record is there");
  entry.numbered = true;
  entry.stored = Certainty::yes;
  entry.settled = Certainty::no;
  entry.abandons = message.delivery_count;
  entry.abandons_in_doubt = 0;
}

void Ledger::check_absent(const std::string& id, Entry& entry) {
  const auto outcomes = possible_outcomes(entry);
  if (outcomes.empty() && entry.stored == Certainty::yes) problem(id + " is lost");
  bury(id, entry, outcomes, false);
}

void Ledger::check_records(const Stored& stored) {
  for (const auto& [id, status] : stored.records) {
    auto* entry = find(id, "a stored record");
    if (entry == nullptr) continue;
    if (stored.records.count(id) != 1) problem(id + " has two records");
    if (!entry->reported.contains(status)) {
      problem(id + ": a stored record says " + status + ", which did not happen");
    }
    if (entry->consumed == Certainty::yes) {
      problem(id + ": its record is there after its batch was completed");
    }
    entry->stored = Certainty::yes;
    entry->reported = {status};
    owed_.insert(id);
  }
  for (const auto& id : std::exchange(in_completion_, {})) {
    auto& entry = entries_.at(id);
    entry.consumed = stored.records.contains(id) ? Certainty::no : Certainty::yes;
    if (entry.consumed == Certainty::yes) owed_.erase(id);
  }
  for (const auto& id : std::set{owed_}) {
    if (stored.records.contains(id)) continue;
    problem(id + ": its record is lost");
    owed_.erase(id);
  }
}

void Ledger::check_telemetry(const Stored& stored) {
  const auto times = [&](const std::string& id) {
    const auto found = stored.events.find(id);
    return found == stored.events.end() ? 0 : found->second;
  };
  for (const auto& send : std::exchange(telemetry_, {})) {
    const auto first = times(send.message_ids.front());
    for (const auto& id : send.message_ids) {
      if (times(id) > 1) problem("telemetry " + id + " is there twice");
      if (times(id) == 0 && send.acknowledged) problem("telemetry " + id + " is lost");
      if (times(id) != first)
        problem("telemetry " + id + " is part of a batch that is there by halves");
    }
  }
}

}  // namespace durability
