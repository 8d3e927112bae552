#include "storage/property_codec.hpp"

#include <cstdint>

namespace storage {
namespace {

constexpr std::size_t length_size = 4;
constexpr std::string_view null = "\xFF\xFF\xFF\xFF";

void append(std::string& out, std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  for (std::size_t i = 0; i < length_size; ++i) out += static_cast<char>(length >> (8 * i));
  out += text;
}

std::optional<std::string> take(std::string_view& bytes) {
  if (bytes.size() < length_size) return std::nullopt;
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i) {
    length |= std::uint32_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
  }
  bytes.remove_prefix(length_size);
  if (bytes.size() < length) return std::nullopt;
  std::string text{bytes.substr(0, length)};
  bytes.remove_prefix(length);
  return text;
}

}  // namespace

std::string encode_properties(const std::vector<hub::Property>& properties) {
  std::string out;
  for (const auto& [name, value] : properties) {
    append(out, name);
    if (value) {
      append(out, *value);
    } else {
      out += null;
    }
  }
  return out;
}

std::optional<std::vector<hub::Property>> decode_properties(std::string_view bytes) {
  std::vector<hub::Property> properties;
  while (!bytes.empty()) {
    auto name = take(bytes);
    if (!name) return std::nullopt;
    auto& property = properties.emplace_back(std::move(*name), std::nullopt);
    if (bytes.starts_with(null)) {
      bytes.remove_prefix(null.size());
    } else if (!(property.second = take(bytes))) {
      return std::nullopt;
    }
  }
  return properties;
}

}  // namespace storage
