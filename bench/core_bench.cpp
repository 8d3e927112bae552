// Queue operations per second of the hub's core: no socket, no protocol, no store, one thread.
//   core_bench [runs] [messages]      default 5 runs of 200000 messages; prints medians
// One message is three operations: send (enqueue), receive (lock), complete.
#include "emulator/core/hub/hub.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr std::size_t device_count = 100;
constexpr std::size_t body_size = 256;
constexpr int operations_per_message = 3;

// CPU time, not wall time: other work on the machine must not count.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "core_bench: %s\n", what);
  std::exit(1);
}

// A hub with devices and one receiver each, as 100 connected devices would have.
class World {
 public:
  World() : hub_(config(), ids_, log_, now_) {
    for (std::size_t i = 0; i < device_count; ++i) {
      const hub::DeviceId id{"dev" + std::to_string(i)};
      hub::DeviceSpec spec;
      spec.id = id;
      if (!hub_.registry().create(spec, now_)) die("create_device failed");
      auto receiver = hub_.c2d().open_devicebound(
          id, hub::Transport::amqp, [] {}, 0, now_);
      if (!receiver) die("open_devicebound failed");
      ids_of_devices_.push_back(id);
      receivers_.push_back(std::move(*receiver));
    }
    feedback_ = hub_.c2d().open_feedback([] {}, now_);
  }

  void send(std::size_t device, hub::Ack ack) {
    hub::SendRequest request;
    request.device = ids_of_devices_[device];
    request.ack = ack;
    request.ack_given = ack != hub::Ack::none;
    request.content.message_id = hub::MessageId::of("message");
    request.content.to = "/devices/dev/messages/devicebound";
    request.content.body.assign(body_size, 'x');
    if (!hub_.c2d().send(std::move(request), now_)) die("send failed");
  }

  void receive_and_complete(std::size_t device) {
    const auto delivery = receivers_[device].receive(now_);
    if (!delivery) die("nothing to receive");
    if (!receivers_[device].complete(delivery->lock_token, now_)) die("complete failed");
  }

  // As a back end would: so that records do not pile up.
  void drain_feedback() {
    while (const auto batch = feedback_.receive(now_)) {
      if (!feedback_.complete(batch->lock_token, now_)) die("complete of feedback failed");
    }
  }

  void advance(hub::Duration by) { now_ += by; }

 private:
  static hub::HubConfig config() {
    hub::HubConfig config;
    config.policies = hub::default_policies("aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=");
    return config;
  }

  hub::TimePoint now_ = hub::from_unix_seconds(1'700'000'000);
  hub::SeededIdSource ids_{1};
  hub::NullLog log_;
  hub::Hub hub_;
  std::vector<hub::DeviceId> ids_of_devices_;
  std::vector<hub::Receiver> receivers_;
  hub::Receiver feedback_;
};

// Each message is received before the next one of its device is sent.
void one_at_a_time(World& world, std::size_t messages, hub::Ack ack) {
  for (std::size_t i = 0; i < messages; ++i) {
    const std::size_t device = i % device_count;
    world.send(device, ack);
    world.receive_and_complete(device);
    if (i % 64 == 63) {
      world.advance(hub::Duration{1});
      if (ack != hub::Ack::none) world.drain_feedback();
    }
  }
}

// Queues are filled to the hub's limit and emptied.
void in_batches_of_50(World& world, std::size_t messages, hub::Ack ack) {
  constexpr std::size_t depth = 50;
  for (std::size_t done = 0; done < messages;) {
    for (std::size_t device = 0; device < device_count && done < messages; ++device) {
      for (std::size_t i = 0; i < depth; ++i) world.send(device, ack);
      for (std::size_t i = 0; i < depth; ++i) world.receive_and_complete(device);
      done += depth;
      world.advance(hub::Duration{1});
      if (ack != hub::Ack::none) world.drain_feedback();
    }
  }
}

void measure(const char* name, int runs, std::size_t messages, hub::Ack ack,
             void (*shape)(World&, std::size_t, hub::Ack)) {
  std::vector<double> seconds;
  for (int run = 0; run < runs; ++run) {
    World world;
    shape(world, messages / 10, ack);  // warm-up
    const double before = cpu_seconds();
    shape(world, messages, ack);
    seconds.push_back(cpu_seconds() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const double count = static_cast<double>(messages);
  std::printf("| %-32s | %10.0f | %12.2f | %8.2f | %8.2f |\n", name,
              count * operations_per_message / median, median / count * 1e6,
              seconds.front() / count * 1e6, seconds.back() / count * 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  const std::size_t messages = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 200'000;
  if (runs < 1 || messages < 1000) die("usage: core_bench [runs] [messages, at least 1000]");
  std::printf(
      "%zu devices, %zu bytes, %zu messages a run, median of %d runs, CPU time of one thread\n\n",
      device_count, body_size, messages, runs);
  std::printf("| shape                            | operations/s | us/message | min | max |\n");
  std::printf("|---|---|---|---|---|\n");
  measure("one at a time", runs, messages, hub::Ack::none, one_at_a_time);
  measure("50 deep", runs, messages, hub::Ack::none, in_batches_of_50);
  measure("one at a time, ack full", runs, messages, hub::Ack::full, one_at_a_time);
}
