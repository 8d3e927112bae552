#pragma once
// The numbers in the database that stand for names. They are those of the core's enumerations;
// if one of these assertions fails, databases out there no longer mean what they say: give the new
// name a new number, or write a migration.
#include "emulator/core/base/message.hpp"
#include "emulator/core/c2d/message_queue.hpp"
#include "emulator/core/registry/device_registry.hpp"

#include <cstdint>
#include <optional>

namespace storage {

template <class Enum>
constexpr std::int64_t code_of(Enum value) {
  return static_cast<std::int64_t>(value);
}

static_assert(code_of(hub::DeviceStatus::enabled) == 0);
static_assert(code_of(hub::DeviceStatus::disabled) == 1);
static_assert(code_of(hub::AuthenticationType::sas) == 0);
static_assert(code_of(hub::AuthenticationType::self_signed) == 1);
static_assert(code_of(hub::AuthenticationType::certificate_authority) == 2);
static_assert(code_of(hub::AuthenticationType::none) == 3);
static_assert(code_of(hub::MessageId::Type::none) == 0);
static_assert(code_of(hub::MessageId::Type::string) == 1);
static_assert(code_of(hub::MessageId::Type::ulong) == 2);
static_assert(code_of(hub::MessageId::Type::uuid) == 3);
static_assert(code_of(hub::MessageId::Type::binary) == 4);
static_assert(code_of(hub::Ack::none) == 0);
static_assert(code_of(hub::Ack::positive) == 1);
static_assert(code_of(hub::Ack::negative) == 2);
static_assert(code_of(hub::Ack::full) == 3);
static_assert(code_of(hub::Outcome::Kind::completed) == 0);
static_assert(code_of(hub::Outcome::Kind::expired) == 1);
static_assert(code_of(hub::Outcome::Kind::delivery_count_exceeded) == 2);
static_assert(code_of(hub::Outcome::Kind::rejected) == 3);
static_assert(code_of(hub::Outcome::Kind::purged) == 4);

// nullopt: no such name, so the row is damaged.
template <class Enum>
constexpr std::optional<Enum> name_of_code(std::int64_t code, Enum last) {
  if (code < 0 || code > code_of(last)) return std::nullopt;
  return static_cast<Enum>(code);
}

}  // namespace storage
