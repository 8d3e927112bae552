#pragma once
// One AMQP 1.0 connection with at most one sender and one receiver. Proton's connection driver does
// the protocol, our ByteStream the bytes: TLS, WebSocket and the certificate checks are the same
// for every protocol, and there is no thread of Proton's.
#include "clients/hub_client/message.hpp"
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/transports/amqp_format.hpp"
#include "clients/hub_client/transports/stream.hpp"

#include <proton/delivery.hpp>
#include <proton/io/connection_driver.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver.hpp>
#include <proton/sender.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace iothub {

class AmqpConnection : private proton::messaging_handler {
 public:
  struct Login {
    std::string user, password;  // SASL PLAIN; no password: no SASL, the certificate is the proof
  };
  struct Incoming {
    std::uint64_t delivery = 0;
    std::string lock_token;
    proton::message message;
  };

  // Connects, by TLS or WebSocket as the options say, and logs in.
  AmqpConnection(const ClientOptions& options, const Login& login, Duration timeout);
  ~AmqpConnection() override;

  AmqpConnection(const AmqpConnection&) = delete;
  AmqpConnection& operator=(const AmqpConnection&) = delete;

  void open_sender(const std::string& address, Duration timeout);
  void open_receiver(const std::string& address, Duration timeout);
  bool has_sender() const { return static_cast<bool>(sender_); }
  bool has_receiver() const { return static_cast<bool>(receiver_); }

  // Returns when the peer accepted it; Error when it did anything else. `doing` begins the error.
  void send(const proton::message& message, const std::string& doing, Duration timeout);

  // `payload`: see to_amqp_batch. Accepted or refused as a whole.
  void send_batch(std::string_view payload, const std::string& doing, Duration timeout);

  // One credit at a time: nothing is locked that nobody asked for.
  std::optional<Incoming> receive(Duration timeout);

  // Returns when the peer has confirmed it. Error lock_lost.
  void settle(std::uint64_t delivery, Disposition disposition, Duration timeout);
  void keep_alive(Duration duration);
  void close() noexcept;

 private:
  struct Failure {
    std::string condition, description;
  };
  enum class Outcome { none, accepted, rejected, released };

  void on_connection_open(proton::connection&) override;
  void on_connection_close(proton::connection&) override;
  void on_connection_error(proton::connection&) override;
  void on_session_error(proton::session&) override;
  void on_sender_open(proton::sender&) override;
  void on_sender_close(proton::sender&) override;
  void on_sender_error(proton::sender&) override;
  void on_receiver_open(proton::receiver&) override;
  void on_receiver_close(proton::receiver&) override;
  void on_receiver_error(proton::receiver&) override;
  void on_transport_error(proton::transport&) override;
  void on_transport_close(proton::transport&) override;
  void on_message(proton::delivery&, proton::message&) override;
  void on_tracker_accept(proton::tracker&) override;
  void on_tracker_reject(proton::tracker&) override;
  void on_tracker_release(proton::tracker&) override;
  void on_tracker_settle(proton::tracker&) override;
  void on_delivery_settle(proton::delivery&) override;
  void on_error(const proton::error_condition&) override;

  void await_outcome(const Deadline& deadline, const std::string& doing);
  static Failure condition_of(pn_delivery_t* delivery);
  void fail(const proton::error_condition& condition);
  [[noreturn]] void throw_failure(const std::string& doing) const;
  template <class Done>
  void await(const Deadline& deadline, const std::string& doing, Done done);
  bool pump(Duration timeout);
  void flush(Duration timeout);

  std::string host_;
  std::unique_ptr<ByteStream> stream_;
  proton::io::connection_driver driver_;
  proton::sender sender_;
  proton::receiver receiver_;
  bool opened_ = false, closed_ = false, closing_ = false;
  bool sender_open_ = false, receiver_open_ = false;
  std::optional<Failure> failure_;
  Outcome outcome_ = Outcome::none;
  Failure rejection_;
  std::optional<TransferFormat> format_;  // while a batch leaves
  std::uint64_t deliveries_ = 0, batches_ = 0;
  std::deque<Incoming> inbox_;
  std::map<std::uint64_t, proton::delivery> unsettled_;
};

}  // namespace iothub
