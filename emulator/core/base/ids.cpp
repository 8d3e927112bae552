#include "emulator/core/base/ids.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/error.hpp"

namespace hub {

namespace {

// Text position i of a GUID's bytes in .NET's order: the first three groups are little-endian.
constexpr std::array<std::size_t, 16> net_order{3, 2, 1,  0,  5,  4,  7,  6,
                                                8, 9, 10, 11, 12, 13, 14, 15};

}  // namespace

// C2D-13; `+` and `#` are legal in the swagger and in older documents.
bool is_valid_device_id(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') ||
                              std::strchr("-:.+%_#*?!(),=@;$'", c) != nullptr;
                     }) &&
         text.find('\0') == std::string_view::npos;
}

std::vector<std::string> DeviceId::resource() const {
  if (!is_module()) return {"devices", text};
  return {"devices", text, "modules", module};
}

std::string LockToken::to_text() const {
  std::string hex = hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
  return hex;
}

std::array<std::uint8_t, 16> LockToken::to_net_guid() const {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < 16; ++i) out[i] = bytes[net_order[i]];
  return out;
}

std::optional<LockToken> LockToken::from_text(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  LockToken token;
  std::size_t out = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return std::nullopt;
      continue;
    }
    unsigned byte = 0;
    for (int k = 0; k < 2; ++k, ++i) {
      const char c = text[i];
      const char low = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        byte = byte * 16 + static_cast<unsigned>(c - '0');
      } else if (low >= 'a' && low <= 'f') {
        byte = byte * 16 + static_cast<unsigned>(low - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    token.bytes[out++] = static_cast<std::uint8_t>(byte);
  }
  return token;
}

std::optional<LockToken> LockToken::from_net_guid(std::string_view sixteen_bytes) {
  if (sixteen_bytes.size() != 16) return std::nullopt;
  LockToken token;
  for (std::size_t i = 0; i < 16; ++i) {
    token.bytes[net_order[i]] = static_cast<std::uint8_t>(sixteen_bytes[i]);
  }
  return token;
}

LockToken IdSource::next_lock_token() {
  LockToken token;
  fill(token.bytes.data(), token.bytes.size());
  // A version 4 GUID, as Guid.NewGuid() makes them.
  token.bytes[6] = static_cast<std::uint8_t>((token.bytes[6] & 0x0F) | 0x40);
  token.bytes[8] = static_cast<std::uint8_t>((token.bytes[8] & 0x3F) | 0x80);
  return token;
}

std::string IdSource::next_etag() {
  std::array<std::uint8_t, 9> bytes{};
  fill(bytes.data(), bytes.size());
  return base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string IdSource::next_symmetric_key() {
  std::array<std::uint8_t, 32> bytes{};
  fill(bytes.data(), bytes.size());
  return base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::uint64_t IdSource::next_u64() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes.data(), bytes.size());
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

void RandomIdSource::fill(std::uint8_t* out, std::size_t size) {
  HUB_ASSERT(size <= pool_.size());
  if (left_ < size) {
    HUB_ASSERT(RAND_bytes(pool_.data(), static_cast<int>(pool_.size())) == 1);
    left_ = pool_.size();
  }
  left_ -= size;
  std::memcpy(out, pool_.data() + left_, size);
  OPENSSL_cleanse(pool_.data() + left_, size);  // keys come from here, too
}

void SeededIdSource::fill(std::uint8_t* out, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    out[i] = static_cast<std::uint8_t>(z ^ (z >> 31));
  }
}

}  // namespace hub
