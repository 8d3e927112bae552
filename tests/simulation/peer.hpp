#pragma once
// A client of one protocol without a socket: it writes bytes, with the operations that are in them,
// and reads what the hub wrote. What it sees it tells the auditor.
#include "tests/simulation/auditor.hpp"
#include "tests/simulation/random.hpp"

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace simulation {

// What a peer may know of the world it acts in.
struct Surroundings {
  Random& random;
  Auditor& auditor;
  TimePoint& now;
  std::uint64_t& next_body;
  std::string some_device();
  // A message with all its choices, for any way of sending.
  OpPtr some_message();
  Verb some_verb();
  TimePoint some_token_end();  // past, soon, or later
};

// Longer than any run.
inline constexpr std::chrono::hours token_lifetime{1'000'000};

// One device has no keys, but a certificate.
inline bool has_certificate(std::string_view device) { return device == "d"; }
std::string device_token(const std::string& device, TimePoint end);

class Peer {
 public:
  Peer(Surroundings& world, Line& line) : world_(world), line_(line) {}
  virtual ~Peer() = default;
  virtual void take(std::string_view bytes) = 0;  // from the hub
  virtual void act() = 0;                         // one thing of its own will
  virtual bool wants_close() const { return false; }

  // Bytes not yet on their way, and the absolute end of each operation in the stream.
  std::string take_output() { return std::exchange(out_, {}); }
  std::deque<std::pair<std::uint64_t, OpPtr>> ops;

 protected:
  void write(std::string_view bytes) { out_.append(bytes), written_ += bytes.size(); }
  void write(std::string_view bytes, OpPtr op) {
    write(bytes);
    ops.emplace_back(written_, std::move(op));
  }
  Surroundings& world_;
  Line& line_;
  std::string out_;
  std::uint64_t written_ = 0;
};

std::unique_ptr<Peer> make_mqtt_device(Surroundings& world, Line& line, const std::string& device);
std::unique_ptr<Peer> make_amqp_device(Surroundings& world, Line& line, const std::string& device);
std::unique_ptr<Peer> make_amqp_service(Surroundings& world, Line& line);
std::unique_ptr<Peer> make_http_device(Surroundings& world, Line& line, const std::string& device);
std::unique_ptr<Peer> make_http_service(Surroundings& world, Line& line);

}  // namespace simulation
