// One connection of the control API. The first byte says how the bytes are cut, the next one how
// the API was started, the rest is what the peer sends; `$TOKEN` stands for the right token.
// Whatever is sent: the answers do not depend on the cuts, and no key leaves where none may.
#include "emulator/app/control_api.hpp"
#include "tests/fuzz/support/target.hpp"
#include "tests/fuzz/support/world.hpp"

#include <algorithm>

namespace {

using namespace fuzz;

constexpr std::string_view token = "the-right-token";
// The hub's own key is the well-known one, and no secret; those of its devices are.
constexpr std::string_view any_key = "SharedAccessKey=",
                           secret_key = "DeviceId=victim;SharedAccessKey=";

app::Config start(std::uint8_t how) {
  app::Config config;
  if ((how & 1) != 0) config.control_listen = "0.0.0.0";
  if ((how & 2) != 0) config.control_token = token;
  if ((how & 4) != 0) config.control_cors = "http://page.example";
  config.control_hosts = {"*.box.example"};
  return config;
}

struct Seen {
  std::string output;
  bool closed = false;
  bool operator==(const Seen&) const = default;
};

Seen play(std::string_view bytes, std::size_t step, const app::Config& config) {
  World world;
  const app::ControlSources sources{world.hub,
                                    "CA",
                                    [] { return std::vector<std::string>{}; },
                                    app::host_names("localhost", "127.0.0.1", {}),
                                    "http://127.0.0.1:9400/ca.pem",
                                    app::ControlAccess(config)};
  const MakeSession make = [&](hub::Hub&, protocols::PeerInfo peer, hub::Waker,
                               hub::TimePoint now) {
    return app::make_control_session(sources, std::move(peer), now);
  };
  Runner runner(world, make, false);
  Seen seen;
  while (!bytes.empty() && !runner.closed()) {
    runner.bytes(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    HUB_ASSERT(runner.shell().upgrade() == nullptr);
    HUB_ASSERT(!runner.shell().session().output_promises());
  }
  seen = {runner.output(), runner.closed()};
  world.advance(3min);  // whatever it waits for, it does not wait that long
  if (!runner.closed()) runner.settle();
  HUB_ASSERT(runner.closed());
  return seen;
}

}  // namespace

FUZZ_TARGET(control_router) {
  if (input.size() < 2) return;
  const auto step = static_cast<std::uint8_t>(input[0]);
  const app::Config config = start(static_cast<std::uint8_t>(input[1]));
  std::string bytes(input.substr(2));
  const bool knows = bytes.find("$TOKEN") != bytes.npos || bytes.find(token) != bytes.npos;
  for (auto at = bytes.find("$TOKEN"); at != bytes.npos; at = bytes.find("$TOKEN", at)) {
    bytes.replace(at, 6, token);
  }
  const Seen whole = play(bytes, bytes.size(), config);
  const auto shows = [&](std::string_view text) {
    return whole.output.find(text) != whole.output.npos;
  };
  if (!config.control_token.empty() && !knows) HUB_ASSERT(!shows(any_key));
  if (config.control_token.empty() && !app::is_loopback(config.control_listen))
    HUB_ASSERT(!shows(secret_key));
  if (step != 0) HUB_ASSERT(play(bytes, step, config) == whole);
}
