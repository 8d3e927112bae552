// Random operations on a hub and its model. A failure prints its seed and history; HUB_SEED=N
// replays it, HUB_ROUNDS=N plays more, HUB_FIRST_SEED=N others.
#include "tests/model/world.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

using namespace std::chrono_literals;
using namespace model_test;

namespace {

class RandomPlay {
 public:
  explicit RandomPlay(std::uint64_t seed) : random_(seed), world_(settings(), limits()) {}

  void play(int steps) {
    world_.create("a");
    world_.create("b");
    while (steps-- > 0) step();
  }

 private:
  std::size_t below(std::size_t count) { return random_() % count; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }

  hub::Settings settings() {
    hub::Settings settings;
    settings.max_delivery_count = one_of({1u, 2u, 3u, 10u});
    settings.feedback_max_delivery_count = one_of({1u, 2u, 10u});
    settings.delivery_count_mode =
        one_of({hub::DeliveryCountMode::abandon_only, hub::DeliveryCountMode::every_return});
    settings.expire_while_locked =
        one_of({hub::ExpireWhileLocked::immediate, hub::ExpireWhileLocked::immediate,
                hub::ExpireWhileLocked::at_unlock});
    settings.release_locks_on_disconnect = !chance(4);
    settings.redeliver_on_live_connection = !chance(4);
    settings.mqtt_backlog = one_of({hub::MqttBacklog::reject, hub::MqttBacklog::keep});
    settings.feedback_window = one_of<hub::Duration>({0ms, 100ms, 15s});
    settings.feedback_batch_records = one_of({2u, 3u, 64u});
    return settings;
  }
  hub::Limits limits() {
    hub::Limits limits;
    limits.queue_depth_max = one_of({2u, 4u, 50u});
    return limits;
  }

  std::string some_device() { return one_of<const char*>({"a", "a", "a", "b", "c"}); }
  Verb some_verb() {
    return one_of({Verb::complete, Verb::complete, Verb::abandon, Verb::abandon, Verb::reject});
  }
  // Mostly one of the last, which may be current.
  hub::LockToken some_token() {
    const auto& tokens = world_.tokens();
    if (tokens.empty() || chance(30)) return hub::LockToken{};
    return tokens[tokens.size() - 1 -
                  below(std::min<std::size_t>(tokens.size(), chance(8) ? 50 : 5))];
  }

  void step() {
    switch (below(26)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return send();
      case 4:
      case 5: {
        const auto queue = chance(4) ? std::string{} : some_device();
        if (queue.empty() || !world_.exists(queue) || world_.can_receive(queue)) {
          world_.get(queue, one_of<hub::Duration>({1s, 5s, 60s, 300s}));
        }
        return;
      }
      case 6:
      case 7:
      case 8: {
        const auto queue = chance(4) ? std::string{} : some_device();
        if (queue.empty() || !world_.exists(queue) || world_.can_receive(queue)) {
          world_.settle_once(queue, some_token(), some_verb());
        }
        return;
      }
      case 9:
        return open();
      case 10:
      case 11:
      case 12:
        if (world_.links() > 0) world_.receive(below(world_.links()));
        return;
      case 13:
      case 14:
      case 15:
        if (world_.links() > 0) {
          world_.settle(below(world_.links()), some_token(),
                        chance(8) ? Verb::release : some_verb());
        }
        return;
      case 16:
        if (world_.links() > 0 && chance(2)) world_.close(below(world_.links()));
        return;
      case 17:
        if (world_.links() > 0 && chance(2)) world_.receive(below(world_.links()), true);
        return;
      case 18:
        return administer();
      case 19:
        if (chance(2)) world_.restart(one_of<hub::Duration>({0ms, 1ms, 20s, 2h}));
        return;
      case 20:
        if (world_.presences() > 3) return world_.disconnect(0);
        return world_.connect(some_device(), one_of({hub::Transport::amqp, hub::Transport::mqtt}));
      case 21:
        if (world_.presences() > 0) world_.disconnect(below(world_.presences()));
        return;
      default:
        return advance();
    }
  }

  void send() {
    std::optional<hub::Duration> ttl;
    if (chance(2)) {
      ttl = one_of<hub::Duration>({-1s, 0ms, 1ms, 1s, 5s, 15s, 60s, 61s, 48h, 48h + 1ms});
    }
    world_.send(some_device(),
                one_of({hub::Ack::none, hub::Ack::positive, hub::Ack::negative, hub::Ack::full,
                        hub::Ack::full}),
                ttl);
  }

  void open() {
    const auto queue = chance(3) ? std::string{} : some_device();
    if (world_.links() > 5) return world_.close(0);
    if (queue.empty()) return world_.open(queue, hub::Transport::amqp);
    const auto transport = one_of({hub::Transport::amqp, hub::Transport::mqtt});
    hub::SequenceNumber first = 0;
    if (transport == hub::Transport::mqtt && chance(3) && world_.exists(queue)) {
      first = world_.model().queues.at(queue).last + 1 - below(2);
    }
    world_.open(queue, transport, first);
  }

  void administer() {
    const auto device = some_device();
    switch (below(8)) {
      case 0:
        return world_.remove(device);
      case 1:
        return world_.set_enabled(device, false);
      case 2:
      case 3:
        return world_.set_enabled(device, true);
      case 4:
        return world_.purge(device);
      case 5:
        return world_.put_session(device);
      case 6:
        return world_.remove_session(device);
      default:
        return world_.create(device);
    }
  }

  void advance() {
    auto by = one_of<hub::Duration>({1ms, 100ms, 1s, 5s, 15s, 59s, 60s, 61s, 10min});
    const auto next = world_.next_deadline();
    if (next && *next > world_.now() && !chance(3)) {
      by = *next - world_.now() - one_of<hub::Duration>({0ms, 0ms, 1ms});
    }
    world_.advance(std::min<hub::Duration>(by, 20min), !chance(3));
  }

  std::mt19937_64 random_;
  World world_;
};

void play(std::uint64_t seed, int steps) {
  try {
    RandomPlay{seed}.play(steps);
  } catch (const Difference& difference) {
    FAIL("HUB_SEED=" << seed << "\n" << std::string{difference.what()});
  }
}

}  // namespace

TEST_CASE("MOD-01 any sequence of operations: the hub does what the model does") {
  if (const char* seed = std::getenv("HUB_SEED")) return play(std::stoull(seed), 400);
  const char* rounds = std::getenv("HUB_ROUNDS");
  const auto count = rounds != nullptr ? std::stoull(rounds) : 60;
  const char* first = std::getenv("HUB_FIRST_SEED");
  const auto begin = first != nullptr ? std::stoull(first) : 1;
  for (std::uint64_t seed = begin; seed < begin + count; ++seed) play(seed, 400);
}
