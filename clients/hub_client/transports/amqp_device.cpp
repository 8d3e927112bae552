// A device over AMQP 1.0, by TLS or WebSocket. Login: SASL PLAIN {device}@sas.{hub}, password a SAS
// token; with a client certificate no SASL at all. Links: sender on /devices/{d}/messages/events,
// receiver on /devices/{d}/messages/devicebound.
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/transports/amqp_connection.hpp"
#include "clients/hub_client/transports/amqp_message.hpp"
#include "clients/hub_client/transports/factories.hpp"

namespace iothub {
namespace {

class AmqpDevice : public DeviceTransport {
 public:
  explicit AmqpDevice(const ClientOptions& options)
      : options_(options),
        device_(options.connection.device_id),
        address_("/devices/" + percent_encode(device_) + "/messages/") {}

  void open(const std::string& password, bool receiving, Duration timeout) override {
    const Deadline deadline{timeout};
    const auto& connection = options_.connection;
    // With a policy's key the user is the policy, as on the service side.
    const auto user =
        connection.shared_access_key_name.empty()
            ? device_ + "@sas." + connection.hub_name()
            : connection.shared_access_key_name + "@sas.root." + connection.hub_name();
    connection_ =
        std::make_unique<AmqpConnection>(options_, AmqpConnection::Login{user, password}, timeout);
    if (receiving) connection_->open_receiver(address_ + "devicebound", deadline.remaining());
  }

  void send_event(const Message& message, const SendAttempt&, Duration timeout) override {
    const Deadline deadline{timeout};
    if (!open().has_sender()) open().open_sender(address_ + "events", timeout);
    open().send(to_amqp(message), "send telemetry of " + device_, deadline.remaining());
  }

  bool can_batch() const override { return true; }

  void send_batch(std::span<const Message> messages, Duration timeout) override {
    const Deadline deadline{timeout};
    if (!open().has_sender()) open().open_sender(address_ + "events", timeout);
    open().send_batch(to_amqp_batch(messages), "send a batch of telemetry of " + device_,
                      deadline.remaining());
  }

  std::optional<ReceivedMessage> receive(Duration timeout) override {
    auto incoming = open().receive(timeout);
    if (!incoming) return std::nullopt;
    auto message = from_amqp(incoming->message);
    message.delivery = incoming->delivery;
    message.lock_token = std::move(incoming->lock_token);
    return message;
  }

  void settle(const ReceivedMessage& message, Disposition disposition, Duration timeout) override {
    open().settle(message.delivery, disposition, timeout);
  }

  bool can(Disposition) const override { return true; }

  void keep_alive(Duration duration) override { open().keep_alive(duration); }

  void close() noexcept override { connection_.reset(); }

 private:
  AmqpConnection& open() {
    if (!connection_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
    return *connection_;
  }

  ClientOptions options_;
  std::string device_, address_;
  std::unique_ptr<AmqpConnection> connection_;
};

}  // namespace

std::unique_ptr<DeviceTransport> make_amqp_device(const ClientOptions& options) {
  return std::make_unique<AmqpDevice>(options);
}

}  // namespace iothub
