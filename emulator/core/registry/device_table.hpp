#pragma once
// What the departments keep of devices and modules that did something, each in a part of its own;
// one lookup serves them all. A device that did nothing has no record.
#include "emulator/core/base/device_identity.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>

namespace hub {

class DevicePart {
 public:
  virtual ~DevicePart() = default;
};

// The departments that keep something. A new one is a row here.
enum class DeviceSlot : std::uint8_t { connections, c2d };
inline constexpr std::size_t device_slot_count = 2;

struct DeviceRecord {
  explicit DeviceRecord(const DeviceIdentity& of) : identity(of) {}

  std::unique_ptr<DevicePart>& operator[](DeviceSlot slot) {
    return parts[static_cast<std::size_t>(slot)];
  }
  const DevicePart* operator[](DeviceSlot slot) const {
    return parts[static_cast<std::size_t>(slot)].get();
  }

  const DeviceIdentity& identity;  // the registry's: outlives this
  std::array<std::unique_ptr<DevicePart>, device_slot_count> parts;
};

class DeviceTable {
 public:
  DeviceRecord* find(const DeviceId& id) {
    const auto found = records_.find(id);
    return found == records_.end() ? nullptr : found->get();
  }
  DeviceRecord& get(const DeviceIdentity& identity) {  // made when first used
    if (DeviceRecord* record = find(identity.id)) return *record;
    return **records_.insert(std::make_unique<DeviceRecord>(identity)).first;
  }
  void erase(const DeviceId& id) {
    const auto found = records_.find(id);
    if (found != records_.end()) records_.erase(found);
  }

 private:
  // By the identity's id, which is kept once only.
  static const DeviceId& id_of(const DeviceId& id) { return id; }
  static const DeviceId& id_of(const std::unique_ptr<DeviceRecord>& record) {
    return record->identity.id;
  }
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const auto& key) const { return std::hash<DeviceId>{}(id_of(key)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return id_of(a) == id_of(b); }
  };

  std::unordered_set<std::unique_ptr<DeviceRecord>, Hash, Equal> records_;
};

}  // namespace hub
