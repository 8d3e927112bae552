// What peers may ask of the world they act in.
#include "tests/simulation/peer.hpp"
#include "tests/support/test_hub.hpp"

#include <initializer_list>

namespace simulation {

namespace {

const std::initializer_list<const char*> devices = {"a", "a", "b", "b", "c", "d"};

}  // namespace

std::string Surroundings::some_device() { return devices.begin()[random.below(devices.size())]; }

OpPtr Surroundings::some_message() {
  const auto op = std::make_shared<Op>();
  op->kind = Op::Kind::send;
  op->queue = some_device();
  op->body = "m" + std::to_string(next_body++);
  op->message_id = "id" + std::to_string(next_body % 7);  // not unique: no deduplication
  op->ack = random.one_of(
      {hub::Ack::none, hub::Ack::positive, hub::Ack::negative, hub::Ack::full, hub::Ack::full});
  if (random.chance(3)) {
    op->ttl = random.one_of<hub::Duration>(
        {hub::Duration{-1000}, hub::Duration{0}, hub::Duration{1}, hub::Duration{1000},
         hub::Duration{5000}, hub::Duration{15'000}, hub::Duration{60'000}, hub::Duration{61'000},
         std::chrono::hours{48}, std::chrono::hours{49}});
    op->expiry = now + *op->ttl;
  }
  return op;
}

Verb Surroundings::some_verb() {
  return random.one_of({Verb::complete, Verb::complete, Verb::complete, Verb::abandon,
                        Verb::abandon, Verb::reject, Verb::release});
}

TimePoint Surroundings::some_token_end() {
  using namespace std::chrono_literals;
  const auto lifetime =
      random.one_of<hub::Duration>({-1s, 0s, 5s, 5s, 60s, 10min, token_lifetime, token_lifetime});
  return std::chrono::floor<std::chrono::seconds>(now + lifetime);  // `se` has no finer ones
}

std::string device_token(const std::string& device, TimePoint end) {
  return hub::make_sas_token("localhost/devices/" + device, test::device_key, end);
}

}  // namespace simulation
