#pragma once
// What answers the requests of one connection: the hub's routes, or the control API's. The Session
// around it knows HTTP and no hub. Order of calls, for each request: admit() when its head is
// there, and answer() when all of it is, unless admit() has refused it.
#include "emulator/core/base/log.hpp"
#include "emulator/core/base/time.hpp"
#include "protocols/http/errors.hpp"
#include "protocols/http/limits.hpp"
#include "protocols/http/request.hpp"
#include "protocols/http/response.hpp"
#include "protocols/session.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace http {

// How a Session treats the connections of a service.
struct Rules {
  hub::Duration head_timeout = http::head_timeout;  // from its first byte
  hub::Duration body_timeout =
      http::body_timeout;  // from the head's end; 0: the head's time goes on
  std::size_t body_bytes_max = http::body_bytes_max;
  bool websockets = true;       // upgrades are taken (H-46)
  bool answers_promise = true;  // what the service answers depends on what the hub holds (N-46)
  ErrorStyle errors = ErrorStyle::hub;
  std::string headers = {};  // whole lines, of every answer
};

class Service {
 public:
  // `rules` and `log` outlive it.
  Service(const Rules& service_rules, hub::Log& service_log, protocols::PeerInfo service_peer)
      : rules(service_rules), log(service_log), peer(std::move(service_peer)) {}
  virtual ~Service() = default;

  // May this request come in? Nothing of its body has been taken yet, and nothing is kept of it
  // when the answer is an error. `head`, `target` and `response` stay where they are until
  // answer().
  virtual std::optional<WireError> admit(const RequestHead& head, const Target& target,
                                         Response& response, hub::TimePoint now) = 0;
  // Answers in `response`, or says what went wrong.
  virtual std::optional<WireError> answer(std::string_view body, hub::TimePoint now) = 0;

  const Rules& rules;
  hub::Log& log;
  const protocols::PeerInfo peer;
};

}  // namespace http
