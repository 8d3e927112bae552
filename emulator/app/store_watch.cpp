#include "emulator/app/store_watch.hpp"

#include <string>
#include <utility>

namespace app {
namespace {

constexpr auto between_looks = std::chrono::seconds{5};

}  // namespace

StoreWatch::StoreWatch(const protocols::CommitGate& gate, hub::Log& log, net::IoThread& thread)
    : gate_(gate), log_(log), timer_(thread.executor()) {
  wait();
}

void StoreWatch::look() {
  const auto staged = gate_.staged();
  const auto before = std::exchange(committed_, gate_.committed());
  const bool waits = staged > committed_;
  const bool stuck = std::exchange(waited_, waits) && waits && committed_ == before;
  if (stuck == told_) return;
  told_ = stuck;
  if (!stuck) return log_.info("the store has caught up");
  log_.warn(
      "the store has stored nothing for 5 seconds or more; answers wait for it, and once much "
      "waits nothing "
      "more is read",
      {{"changes", std::to_string(staged - committed_)},
       {"remedy", "look whether the disk of --data hangs; a second SIGTERM ends the hub at once"}});
}

void StoreWatch::wait() {
  timer_.expires_after(between_looks);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    look();
    wait();
  });
}

}  // namespace app
