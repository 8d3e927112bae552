#pragma once
// Everybody at once, a thread each: two devices on each of the five transports, back ends over AMQP
// with and without WebSocket that send, two that read feedback, and two that work on the registry.
// All of it through the reference clients, told to the ledger as it goes.
#include "clients/hub_client/options.hpp"
#include "tests/durability/ledger.hpp"

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace durability {

// What one thread needs. `random` follows from the seed, the round and who it is.
struct Worker {
  Ledger& ledger;
  const std::atomic<bool>& stopping;
  const std::atomic<bool>& may_be_cut;  // else a connection that ends is a problem
  std::mt19937_64 random;
  std::string name;  // of messages: no two workers of a run have the same
  std::uint64_t ids = 0;

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  bool one_in(std::uint64_t bound) { return below(bound) == 0; }
  std::string new_id() { return name + "-" + std::to_string(++ids); }
};

// A device that receives over one transport for the whole of a run.
struct Receiver {
  std::string device_id;
  iothub::TransportKind transport;
};
std::vector<Receiver> receivers();

// Makes the receivers' devices, and lets those over MQTT subscribe once: what is sent before is not
// for them.
void prepare(const iothub::ClientOptions& hub, Ledger& ledger);

class Load {
 public:
  // Starts at once.
  Load(const iothub::ClientOptions& hub, Ledger& ledger, std::uint64_t seed, unsigned round);
  ~Load();  // stops it, and waits for every thread

  void expect_kill() { may_be_cut_ = true; }

 private:
  std::atomic<bool> stopping_{false}, may_be_cut_{false};
  std::vector<std::thread> threads_;
};

// Nothing is sent any more: receives and completes until every queue is empty, and reads feedback
// until every record that is owed has come.
void drain(const iothub::ClientOptions& hub, Ledger& ledger, iothub::Duration limit);

// The registry's answers about all devices, and how many messages each has.
void check_over_the_wire(const iothub::ClientOptions& hub, Ledger& ledger);

}  // namespace durability
