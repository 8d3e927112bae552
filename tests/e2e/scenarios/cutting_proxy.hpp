#pragma once
// Passes bytes between a client and the hub, TLS end to end, and cuts a connection where it is
// told to: after the n-th TLS record that goes in one direction, or in the middle of it.
//
// Listens on a port of 127.0.0.1 that the system chose. One thread inside, ended by the destructor;
// the member functions may be called from the thread that made it.
#include "clients/hub_client/options.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace scenarios {

enum class Direction { to_hub, to_client };

struct Cut {
  Direction direction = Direction::to_hub;
  unsigned record = 1;  // from 1
  bool within = false;  // only half of the record passes
  bool reset = false;   // RST to both sides instead of FIN
};

std::string to_string(const Cut& cut);

class CuttingProxy {
 public:
  explicit CuttingProxy(const iothub::Endpoint& hub);
  ~CuttingProxy();

  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::uint16_t port() const;

  // For the next connection; those after it pass whole.
  void cut_next(std::optional<Cut> cut);

  // Of the first connection since the last cut_next: whole TLS records that passed, to the hub and
  // to the client, and whether it came to the cut.
  std::array<unsigned, 2> records() const;
  bool was_cut() const;

 private:
  struct Shared;
  class Connection;
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace scenarios
