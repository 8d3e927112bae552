#pragma once
// Message <-> AMQP 1.0 sections. Only for the AMQP transports: Proton's headers are heavy.
#include "clients/hub_client/message.hpp"

#include <proton/binary.hpp>
#include <proton/message.hpp>

#include <span>
#include <string>

namespace iothub {

// `to` is left to the caller. Body in one data section, properties as strings, as the SDKs do.
proton::message to_amqp(const Message& message);

// The payload of a transfer of message-format 0x80013700: one data section for each message, which
// holds that message's own sections.
std::string to_amqp_batch(std::span<const Message> messages);

ReceivedMessage from_amqp(const proton::message& message);

// The bytes of a data section or of a string or binary value. Error protocol_error for others.
std::string body_of(const proton::message& message);

// A 16-byte delivery tag as the GUID text of .NET order; any other tag as hex digits.
std::string lock_token_of(const proton::binary& tag);

}  // namespace iothub
