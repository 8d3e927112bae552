// Small worlds, wholly: every sequence of operations of a given length on two messages, a link and
// HTTPS. HUB_DEPTH=N plays longer ones.
#include "tests/model/world.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <vector>

using namespace std::chrono_literals;
using namespace model_test;

namespace {

struct Operation {
  const char* name;
  std::function<void(World&)> act;
};

// The tokens first given out matter most: they may be current, timed out or settled.
hub::LockToken token(const World& world, std::size_t number) {
  return number < world.tokens().size() ? world.tokens()[number] : hub::LockToken{};
}

void on_link(World& world, const std::function<void()>& act) {
  if (world.links() > 0) act();
}

// Locks of 60 s (link) and 10 s (HTTPS); the messages live 60 s and an hour.
const std::vector<Operation> operations = {
    {"get", [](World& w) { w.get("d", 10s); }},
    {"link receives", [](World& w) { on_link(w, [&] { w.receive(0); }); }},
    {"link completes the first token",
     [](World& w) { on_link(w, [&] { w.settle(0, token(w, 0), Verb::complete); }); }},
    {"link abandons the second token",
     [](World& w) { on_link(w, [&] { w.settle(0, token(w, 1), Verb::abandon); }); }},
    {"complete the first token", [](World& w) { w.settle_once("d", token(w, 0), Verb::complete); }},
    {"abandon the first token", [](World& w) { w.settle_once("d", token(w, 0), Verb::abandon); }},
    {"reject the second token", [](World& w) { w.settle_once("d", token(w, 1), Verb::reject); }},
    {"10 s", [](World& w) { w.advance(10s); }},
    {"60 s, untold", [](World& w) { w.advance(60s, false); }},
    {"the link drops", [](World& w) { on_link(w, [&] { w.close(0); }); }},
    {"a new link", [](World& w) { w.open("d", hub::Transport::amqp); }},
    {"restart", [](World& w) { w.restart(1s); }},
};

void play_all(const hub::Settings& settings, std::size_t length) {
  std::vector<std::size_t> sequence(length, 0);
  for (;;) {
    hub::Limits limits;
    limits.queue_depth_max = 2;
    World world{settings, limits};
    world.create("d");
    world.send("d", hub::Ack::full, 60s);
    world.send("d", hub::Ack::full, std::nullopt);
    world.open("d", hub::Transport::amqp);
    for (const auto operation : sequence) operations[operation].act(world);
    // What is left must end well too; in steps shorter than the life of a feedback message.
    world.advance(40min);
    world.advance(40min);

    auto place = length;
    while (place > 0 && ++sequence[place - 1] == operations.size()) sequence[--place] = 0;
    if (place == 0) return;
  }
}

}  // namespace

TEST_CASE("MOD-02 every short sequence of operations: the hub does what the model does") {
  const char* depth = std::getenv("HUB_DEPTH");
  const auto length = depth != nullptr ? std::stoul(depth) : 3;
  hub::Settings settings;
  settings.max_delivery_count = 2;
  settings.feedback_batch_records = 2;
  for (const auto mode :
       {hub::DeliveryCountMode::abandon_only, hub::DeliveryCountMode::every_return}) {
    settings.delivery_count_mode = mode;
    try {
      play_all(settings, length);
    } catch (const Difference& difference) {
      FAIL(std::string{difference.what()});
    }
  }
}
