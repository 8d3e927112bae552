#pragma once
// Strong ids, and the one source of randomness.
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

// Whom the hub knows: a device or, with `module`, a module of it (MOD-01). Both parts are
// case-sensitive, 1..128 characters of a fixed set (C2D-13), which has no slash.
struct DeviceId {
  std::string text;
  std::string module{};  // empty: the device itself

  bool is_module() const { return !module.empty(); }
  std::string name() const { return is_module() ? text + "/" + module : text; }  // `D` or `D/M`
  // The segments below the host: devices/D[/modules/M].
  std::vector<std::string> resource() const;
  auto operator<=>(const DeviceId&) const = default;
};
bool is_valid_device_id(std::string_view text);  // and of a module id

using SequenceNumber = std::uint64_t;  // per (device, generation), from 1, never reused

// A GUID. As text it is `00112233-4455-6677-8899-aabbccddeeff`; as an AMQP delivery tag it is the
// 16 bytes of .NET's Guid, whose first three groups are little-endian (spec/amqp.md 3.4).
struct LockToken {
  std::array<std::uint8_t, 16> bytes{};  // in text order
  auto operator<=>(const LockToken&) const = default;

  std::string to_text() const;
  std::array<std::uint8_t, 16> to_net_guid() const;
  static std::optional<LockToken> from_text(std::string_view text);  // quotes are not accepted here
  static std::optional<LockToken> from_net_guid(std::string_view sixteen_bytes);
};

// Everything random the hub makes. Tests pass a seeded one, so that a run can be replayed.
class IdSource {
 public:
  virtual ~IdSource() = default;
  virtual void fill(std::uint8_t* out, std::size_t size) = 0;

  LockToken next_lock_token();
  std::string next_etag();           // base64 text
  std::string next_symmetric_key();  // base64 of 32 bytes
  std::uint64_t next_u64();
};

// OpenSSL's generator, buffered; for the real server.
class RandomIdSource : public IdSource {
 public:
  void fill(std::uint8_t* out, std::size_t size) override;

 private:
  std::array<std::uint8_t, 4096> pool_{};
  std::size_t left_ = 0;
};

// splitmix64 from a seed; for tests only.
class SeededIdSource : public IdSource {
 public:
  explicit SeededIdSource(std::uint64_t seed) : state_(seed) {}
  void fill(std::uint8_t* out, std::size_t size) override;

 private:
  std::uint64_t state_;
};

}  // namespace hub

template <>
struct std::hash<hub::DeviceId> {
  std::size_t operator()(const hub::DeviceId& id) const {
    const std::size_t device = std::hash<std::string>{}(id.text);
    return id.is_module() ? device ^ std::hash<std::string>{}(id.module) << 1 : device;
  }
};
template <>
struct std::hash<hub::LockToken> {
  std::size_t operator()(const hub::LockToken& token) const {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(token.bytes.data()), token.bytes.size()});
  }
};
