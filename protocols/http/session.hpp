#pragma once
// One HTTP/1.1 connection: keep-alive, pipelining, 100-continue, limits, and the hand-over of
// WebSocket upgrades. Requests are answered one after the other, in order; all answers of one
// wake-up are in one output buffer. What they say is the service's business. Nothing here waits:
// HTTPS only ever polls.
#include "protocols/http/request_parser.hpp"
#include "protocols/http/response.hpp"
#include "protocols/http/service.hpp"
#include "protocols/session.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace http {

class Session final : public protocols::Session {
 public:
  Session(std::unique_ptr<Service> service, protocols::TimePoint now);

  void on_bytes(std::string_view bytes, protocols::TimePoint now) override;
  void on_wake(protocols::TimePoint now) override;
  void on_time(protocols::TimePoint now) override;
  void on_peer_closed(protocols::TimePoint now) override;
  void on_shutdown(protocols::TimePoint now) override;

  std::string_view output() const override;
  void consume_output(std::size_t size) override;
  std::optional<protocols::TimePoint> next_deadline() const override;
  bool wants_close() const override;
  bool output_promises() const override { return output_promises_; }
  bool wants_input() const override;
  std::optional<protocols::Upgrade> take_upgrade() override;

 private:
  enum class State : std::uint8_t {
    open,
    upgraded,  // take_upgrade() ends this session
    closed,    // what still comes is dropped (H-25)
  };

  void read(std::string_view bytes, protocols::TimePoint now);
  void on_head(std::string_view behind, protocols::TimePoint now);
  void on_request(protocols::TimePoint now);
  void refuse(const Refusal& refusal, protocols::TimePoint now);
  void write(const WireError& error, bool keep_alive, protocols::TimePoint now);
  void write(bool keep_alive, protocols::TimePoint now);  // response_
  void log_refused(const WireError& error) const;
  std::string next_request_id();
  std::size_t waiting_output() const { return output_.size() - written_; }

  const std::unique_ptr<Service> service_;
  State state_ = State::open;
  RequestParser parser_;
  std::optional<Target> target_;
  std::optional<WireError> refused_;  // the request that is being read, by its head
  Response response_;
  std::string request_id_;
  std::string output_;
  std::size_t written_ = 0;  // of output_, by net already
  bool output_promises_ = false;
  std::string held_;  // input that waits until the output is gone
  std::optional<protocols::Upgrade> upgrade_;
  protocols::TimePoint opened_;
  protocols::TimePoint due_;  // the end of patience with an idle peer, a head or a body
  std::uint64_t request_count_ = 0;
};

}  // namespace http
