#pragma once
// AMQP frames for tests: written by hand for peers that Proton would not play, and read from what
// the hub sent.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/amqp/codec.hpp"

namespace amqp_test {

using amqp::Descriptor;
using amqp::Value;
using amqp::Writer;

inline const std::string amqp_header("AMQP\0\1\0\0", 8);
inline const std::string sasl_header("AMQP\3\1\0\0", 8);

// A frame whose performative is a list of `count` fields that `fields` writes.
std::string frame(std::uint16_t channel, Descriptor performative, std::uint32_t count,
                  const std::function<void(Writer&)>& fields, std::string_view payload = {},
                  std::uint8_t type = 0);
std::string raw_frame(std::uint8_t type, std::uint16_t channel, std::string_view body);

// uint, ushort and boolean values, which the hub itself never writes.
void put_uint(std::string& out, std::uint32_t value);
void put_ushort(std::string& out, std::uint16_t value);
void put_bool(std::string& out, bool value);

// Ready-made ones.
std::string sasl_init(std::string_view mechanism, const std::string* response);
std::string open_frame(std::uint32_t idle_ms = 0);
std::string begin_frame(std::uint16_t channel = 0);
std::string attach_sender_frame(std::uint16_t channel, std::uint32_t handle, std::string_view name,
                                std::string_view target);
std::string attach_receiver_frame(std::uint16_t channel, std::uint32_t handle,
                                  std::string_view name, std::string_view source);
struct Transfer {
  std::uint16_t channel = 0;
  std::uint32_t handle = 0;
  std::optional<std::uint32_t> delivery_id = 0;
  std::uint32_t message_format = 0;
  bool settled = false;
  bool more = false;
};
std::string transfer_frame(const Transfer& transfer, std::string_view payload);
std::string close_frame();

// What one side wrote, taken apart. Fails the test if it is not frames.
struct Seen {
  std::shared_ptr<const std::string> stream;  // what the views point into
  std::uint8_t type = 0;
  std::uint16_t channel = 0;
  Descriptor code{};
  std::vector<Value> fields;  // described ones as null
  std::string_view payload;
  std::string_view body;  // performative and payload
};
std::vector<Seen> frames_of(std::string bytes);
// The first of a kind; fails the test if there is none.
Seen first(const std::vector<Seen>& frames, Descriptor code);
int count(const std::vector<Seen>& frames, Descriptor code);

// Text with spaces and comments (#...) to bytes.
std::string hex(std::string_view text);

}  // namespace amqp_test
