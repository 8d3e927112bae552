// One HTTP connection. The first byte says how the bytes are cut, the rest is what the peer sends;
// `$DEVICE` and `$OWNER` stand for tokens of the attacker's device and of policy iothubowner.
// Whatever is sent, the answers are the same as when it comes in one piece.
#include "protocols/http/hub_service.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

#include <algorithm>

namespace {

using namespace fuzz;

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

std::unique_ptr<protocols::Session> make(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker,
                                         hub::TimePoint now) {
  return http::make_hub_session(hub, std::move(peer), now);
}

struct Seen {
  std::string output;
  std::string end;
  bool operator==(const Seen&) const = default;
};

Seen play(std::string_view bytes, std::size_t step, bool guard_victim) {
  World world;
  HUB_ASSERT(world.send(attacker, "hello"));
  Runner runner(world, make, guard_victim);
  Seen seen;
  while (!bytes.empty() && !runner.closed()) {
    runner.bytes(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    if (const auto* upgrade = runner.shell().upgrade()) {
      HUB_ASSERT(upgrade->subprotocol == "mqtt" || upgrade->subprotocol == "AMQPWSB10");
      seen.end = upgrade->subprotocol + upgrade->request_head + upgrade->leftover;
      seen.end += bytes;
      break;
    }
  }
  seen.output = runner.output();
  if (seen.end.empty()) {
    seen.end = runner.closed() ? "closed" : "open";
    world.advance(3min);  // whatever it waits for, it does not wait that long
    if (!runner.closed()) runner.settle();
    HUB_ASSERT(runner.closed());
  }
  return seen;
}

}  // namespace

FUZZ_TARGET(http_session) {
  if (input.empty()) return;
  const auto step = static_cast<std::uint8_t>(input.front());
  const std::string text(input.substr(1));
  const bool is_owner = text.find("$OWNER") != std::string::npos;
  const std::string bytes = replace_all(replace_all(text, "$OWNER", World::owner_token()),
                                        "$DEVICE", World::attacker_token());
  const Seen whole = play(bytes, bytes.size(), !is_owner);
  if (step != 0) HUB_ASSERT(play(bytes, step, !is_owner) == whole);
}
