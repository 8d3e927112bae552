#pragma once
// One hub and a client of each protocol in front of it, in memory: what a rule about identity means
// over MQTT, AMQP and HTTPS alike.
#include "protocols/mqtt/codec.hpp"
#include "protocols/mqtt/session.hpp"
#include "tests/support/driven_session.hpp"
#include "tests/unit/amqp/support/client.hpp"
#include "tests/unit/http/support.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace security {

using namespace std::chrono_literals;
using amqp_test::Client;
using http::test::Answer;
using http::test::HttpHub;
using ::test::device_key;
using ::test::well_known_key;

inline const std::string api_version = "?api-version=2021-04-12";

// The MQTT end of a device. What the hub writes is kept as packets in short: "PUBLISH topic".
class Mqtt {
 public:
  struct Login {
    std::string device;
    std::optional<std::string> password = {};
    std::optional<hub::ClientCertificate> certificate = {};
  };
  Mqtt(::test::TestHub& hub, const Login& login);

  template <class P>
  Mqtt& send(const P& packet) {
    std::string bytes;
    mqtt::encode(bytes, packet);
    driven_.bytes(bytes);
    return run();
  }
  Mqtt& subscribe(std::string_view filter) { return send(mqtt::Subscribe{1, {{filter, 1}}}); }
  Mqtt& publish(std::string_view topic, std::string_view payload = "x");
  Mqtt& run();  // wakes and deadlines that are due

  bool accepted() const { return accepted_; }  // CONNACK 0 has come
  bool open() const { return accepted_ && !driven_.closed(); }
  // Topics of what was published to this client, PUBACKs and SUBACKs as such.
  std::vector<std::string> take();

 private:
  ::test::DrivenSession driven_;
  std::vector<std::string> seen_;
  bool accepted_ = false;
};

// An AMQP connection that has put its token, or shows its certificate.
class Amqp {
 public:
  Amqp(::test::TestHub& hub, const std::string& token) : client_(hub) {
    status_ = client_.put_token(token);
  }
  Amqp(::test::TestHub& hub, const hub::ClientCertificate& certificate)
      : client_(hub, with(certificate)) {}

  int status() const { return status_; }  // of the put-token
  Client& operator*() { return client_; }
  // A link that stays, or null: refused, which leaves `condition`.
  pn_link_t* sender(const std::string& address) { return kept(client_.sender(name(), address)); }
  pn_link_t* receiver(const std::string& address) {
    return kept(client_.receiver(name(), address));
  }
  std::string condition;

 private:
  static Client::Options with(const hub::ClientCertificate& certificate) {
    Client::Options options;
    options.certificate = certificate;
    return options;
  }
  std::string name() { return "link-" + std::to_string(links_++); }
  pn_link_t* kept(pn_link_t* link);
  Client client_;
  int status_ = 0;
  int links_ = 0;
};

// The status of one HTTPS call; 401 is the answer to whoever may not.
int https(HttpHub& hub, const std::string& method, const std::string& path,
          const std::string& token, const std::string& body = {});

std::string devicebound(const std::string& device);  // AMQP addresses
std::string events(const std::string& device);

hub::DeviceSpec keys(const std::string& id, std::string_view primary,
                     std::string_view secondary = {});

}  // namespace security
