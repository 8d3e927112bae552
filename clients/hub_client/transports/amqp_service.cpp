// The service side over AMQP 1.0. Login: SASL PLAIN {policy}@sas.root.{hub}, password a SAS token.
// Links: sender on /messages/devicebound, the device named by the message's `to`; receiver on
// /messages/serviceBound/feedback.
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/transports/amqp_connection.hpp"
#include "clients/hub_client/transports/amqp_message.hpp"
#include "clients/hub_client/transports/factories.hpp"

namespace iothub {
namespace {

class AmqpService : public ServiceTransport {
 public:
  explicit AmqpService(const ClientOptions& options) : options_(options) {}

  void open(const std::string& password, Duration timeout) override {
    const auto& connection = options_.connection;
    const auto user = connection.shared_access_key_name + "@sas.root." + connection.hub_name();
    connection_ =
        std::make_unique<AmqpConnection>(options_, AmqpConnection::Login{user, password}, timeout);
  }

  void send(const std::string& device_id, const Message& message, Duration timeout) override {
    const Deadline deadline{timeout};
    if (!open().has_sender()) open().open_sender("/messages/devicebound", timeout);
    auto out = to_amqp(message);
    out.to("/devices/" + percent_encode(device_id) + "/messages/devicebound");
    open().send(out, "send to device " + device_id, deadline.remaining());
  }

  void open_feedback(Duration timeout) override {
    if (!open().has_receiver()) open().open_receiver("/messages/serviceBound/feedback", timeout);
  }

  std::optional<FeedbackBatch> receive_feedback(Duration timeout) override {
    open_feedback(options_.operation_timeout);
    auto incoming = open().receive(timeout);
    if (!incoming) return std::nullopt;
    FeedbackBatch batch;
    batch.delivery = incoming->delivery;
    batch.user_id = incoming->message.user();
    batch.records = parse_feedback(body_of(incoming->message));
    return batch;
  }

  void settle(const FeedbackBatch& batch, Disposition disposition, Duration timeout) override {
    open().settle(batch.delivery, disposition, timeout);
  }

  void close() noexcept override { connection_.reset(); }

 private:
  AmqpConnection& open() {
    if (!connection_) throw Error{ErrorKind::connection_lost, "the connection is closed"};
    return *connection_;
  }

  ClientOptions options_;
  std::unique_ptr<AmqpConnection> connection_;
};

}  // namespace

std::unique_ptr<ServiceTransport> make_amqp_service(const ClientOptions& options) {
  return std::make_unique<AmqpService>(options);
}

}  // namespace iothub
