#include "protocols/mqtt/in_flight.hpp"

#include <doctest/doctest.h>

using hub::MqttOutOfOrderAck;
using mqtt::InFlight;
using AckResult = InFlight::AckResult;
using namespace std::chrono_literals;

namespace {

const hub::TimePoint start = hub::from_unix_seconds(1000);

hub::Delivery delivery(hub::SequenceNumber sequence, std::uint8_t token) {
  auto message = std::make_shared<hub::Message>();
  message->sequence_number = sequence;
  hub::Delivery out;
  out.message = message;
  out.lock_token.bytes[0] = token;
  return out;
}

std::uint16_t add(InFlight& in_flight, hub::SequenceNumber sequence, hub::Duration lock = 60s) {
  return in_flight.add(delivery(sequence, static_cast<std::uint8_t>(sequence)), start + lock, start)
      .packet_id;
}

std::vector<int> settled(InFlight& in_flight, hub::TimePoint now = start) {
  std::vector<int> tokens;
  while (const auto token = in_flight.take_settled(now)) tokens.push_back(token->bytes[0]);
  return tokens;
}

}  // namespace

TEST_CASE("M-38 the packet id comes from the sequence number and is unique") {
  InFlight in_flight;
  CHECK(add(in_flight, 1) == 2);
  CHECK(add(in_flight, 0x3FFF) == 0x4000);
  CHECK(add(in_flight, 0x4000) == 1);
  CHECK(add(in_flight, 0x4001) == 3);  // 2 is taken
  CHECK(add(in_flight, 0x8001) == 4);
}

TEST_CASE("M-38 a message that comes again keeps its packet id and place") {
  InFlight in_flight;
  const auto first = add(in_flight, 1, 60s);
  const auto second = add(in_flight, 2, 60s);
  const auto later = start + 60s;
  const auto again = in_flight.add(delivery(1, 101), later + 60s, later);
  CHECK(again.published_here);
  CHECK_FALSE(again.acknowledged);
  CHECK(again.packet_id == first);
  in_flight.add(delivery(2, 102), later + 60s, later);
  CHECK(in_flight.acknowledge(first, MqttOutOfOrderAck::hold, later) == AckResult::settled);
  CHECK(settled(in_flight, later) == std::vector{101});
  CHECK(in_flight.acknowledge(second, MqttOutOfOrderAck::hold, later) == AckResult::settled);
  CHECK(settled(in_flight, later) == std::vector{102});
  CHECK(in_flight.empty());
}

TEST_CASE("M-39 C2D-U19 acknowledgements out of order, by each policy") {
  for (const auto policy : {MqttOutOfOrderAck::hold, MqttOutOfOrderAck::ignore,
                            MqttOutOfOrderAck::close, MqttOutOfOrderAck::complete}) {
    InFlight in_flight;
    const auto a = add(in_flight, 1), b = add(in_flight, 2), c = add(in_flight, 3);
    CHECK(in_flight.acknowledge(999, policy, start) == AckResult::unknown);
    const auto result = in_flight.acknowledge(b, policy, start);
    switch (policy) {
      case MqttOutOfOrderAck::hold:
        CHECK(result == AckResult::held);
        CHECK(settled(in_flight).empty());
        CHECK(in_flight.acknowledge(a, policy, start) == AckResult::settled);
        CHECK(settled(in_flight) == std::vector{1, 2});
        break;
      case MqttOutOfOrderAck::ignore:
        CHECK(result == AckResult::ignored);
        CHECK(in_flight.acknowledge(a, policy, start) == AckResult::settled);
        CHECK(settled(in_flight) == std::vector{1});
        break;
      case MqttOutOfOrderAck::close:
        CHECK(result == AckResult::forbidden);
        break;
      case MqttOutOfOrderAck::complete:
        CHECK(result == AckResult::settled);
        CHECK(settled(in_flight) == std::vector{2});
        break;
    }
    CHECK(c == 4);
  }
}

TEST_CASE("M-37 a lost message holds nobody up, and its PUBACK is too late") {
  InFlight in_flight;
  const auto a = add(in_flight, 1, 10s), b = add(in_flight, 2, 60s);
  CHECK(in_flight.locked_count(start) == 2);
  CHECK(in_flight.acknowledge(b, MqttOutOfOrderAck::hold, start) == AckResult::held);
  CHECK(in_flight.next_lost(start) == start + 10s);
  CHECK(settled(in_flight, start + 9s).empty());
  CHECK(settled(in_flight, start + 10s) == std::vector{2});
  CHECK(in_flight.locked_count(start + 10s) == 0);
  CHECK_FALSE(in_flight.next_lost(start + 10s).has_value());
  CHECK(in_flight.acknowledge(a, MqttOutOfOrderAck::hold, start + 10s) == AckResult::lost);
  CHECK(in_flight.empty());
}

TEST_CASE("an acknowledged message that is locked anew is not sent again") {
  InFlight in_flight;
  add(in_flight, 1, 60s);
  const auto b = add(in_flight, 2, 60s);
  in_flight.acknowledge(b, MqttOutOfOrderAck::hold, start);
  const auto later = start + 60s;
  in_flight.add(delivery(1, 1), later + 60s, later);
  CHECK(in_flight.add(delivery(2, 2), later + 60s, later).acknowledged);
  CHECK(settled(in_flight, later).empty());
}

TEST_CASE("lost messages are forgotten when there are too many of them") {
  InFlight in_flight;
  for (hub::SequenceNumber sequence = 1; sequence <= 256; ++sequence) add(in_flight, sequence, 1s);
  const auto later = start + 1s;
  in_flight.add(delivery(300, 1), later + 60s, later);
  CHECK(in_flight.locked_count(later) == 1);
  CHECK(in_flight.acknowledge(2, MqttOutOfOrderAck::hold, later) == AckResult::unknown);
}

TEST_CASE("the number of messages in flight is bounded even when none is lost") {
  InFlight in_flight;
  for (hub::SequenceNumber sequence = 1; sequence <= 1000; ++sequence) add(in_flight, sequence);
  CHECK(in_flight.locked_count(start) == 256);
}
