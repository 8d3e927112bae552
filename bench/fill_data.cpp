// Fills a data folder through the hub and the store themselves, for bench/restart:
//   fill_data DIR devices messages body_size hours_ago
// The messages are for the first devices, 50 for each: as deep as a queue can be.
#include "emulator/core/hub/hub.hpp"
#include "storage/sqlite_store.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>

namespace {

constexpr std::size_t changes_max = 20'000;  // in one transaction

class Filler {
 public:
  Filler(const char* dir, hub::TimePoint now)
      : now_(now), store_(storage::SqliteStore::open(dir)), hub_({}, ids_, log_, now_, true) {}

  void create(std::size_t device) {
    hub::DeviceSpec spec;
    spec.id = id_of(device);
    if (!hub_.registry().create(spec, now_)) throw std::runtime_error("create_device failed");
    commit(changes_max);
  }

  void send(std::size_t device, std::size_t number, std::size_t body_size) {
    hub::SendRequest request;
    request.device = id_of(device);
    request.ack = hub::Ack::full;
    request.ack_given = true;
    request.content.message_id = hub::MessageId::of("message-" + std::to_string(number));
    request.content.to = "/devices/" + request.device.text + "/messages/devicebound";
    request.content.properties = {{"number", std::to_string(number)}};
    request.content.body.assign(body_size, 'x');
    if (!hub_.c2d().send(std::move(request), now_)) throw std::runtime_error("send failed");
    commit(changes_max);
  }

  // Once so many changes are staged.
  void commit(std::uint64_t at_least) {
    if (hub_.monitor().staged() - committed_ < at_least) return;
    const auto [changes, sequence] = hub_.monitor().take_changes();
    store_->apply(changes);
    committed_ = sequence;
  }

 private:
  static hub::DeviceId id_of(std::size_t device) { return {"device-" + std::to_string(device)}; }

  hub::RandomIdSource ids_;
  hub::NullLog log_;
  const hub::TimePoint now_;
  std::unique_ptr<hub::Store> store_;
  hub::Hub hub_;
  std::uint64_t committed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: fill_data DIR devices messages body_size hours_ago\n");
    return 2;
  }
  try {
    const auto devices = std::stoull(argv[2]), messages = std::stoull(argv[3]);
    const auto body_size = std::stoull(argv[4]);
    const auto now = hub::from_unix_ms(std::int64_t{std::time(nullptr)} * 1000);
    Filler filler{argv[1], now - std::chrono::hours{std::stoul(argv[5])}};
    const auto depth = hub::Limits{}.queue_depth_max;
    for (std::size_t device = 0; device < devices; ++device) filler.create(device);
    for (std::size_t i = 0; i < messages; ++i) filler.send(i / depth, i, body_size);
    filler.commit(1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fill_data: %s\n", error.what());
    return 1;
  }
}
