// Nothing a device can send reaches another device's queue, identity or subscription: device a,
// with each kind of credential that a may have, tries every topic, address and path of device b.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

#include <algorithm>

using namespace security;

namespace {

// Of the thumbprint that the identity names, and signed by a CA of the hub.
hub::ClientCertificate certificate_of(char device) {
  return {std::string(40, device), std::string(64, device), std::string(1, device), true};
}

struct Credential {
  std::string name;
  std::optional<std::string> token;
  std::optional<hub::ClientCertificate> certificate = {};
};

// b is connected and subscribed over MQTT and has one message in flight there; another is locked
// over HTTPS, a third waits for the window. Its identity has been read, so that a changed etag
// shows.
struct Bench : HttpHub {
  explicit Bench(hub::AuthenticationType type) : HttpHub(one_in_flight()) {
    for (const char id : {'a', 'b'}) {
      hub::DeviceSpec spec = keys(std::string(1, id), id == 'a' ? device_key : key_of_b);
      spec.authentication_type = type;
      if (type == hub::AuthenticationType::self_signed)
        spec.primary_thumbprint = std::string(40, id);
      REQUIRE(hub.registry().create(spec, now));
    }
    if (type == hub::AuthenticationType::sas) {
      credential_of_b.token = hub::make_sas_token("localhost/devices/b", key_of_b, now + 10h);
    } else {
      credential_of_b.certificate = certificate_of('b');
    }
    REQUIRE(send("b", "locked"));
    lock = get("b", 300s)->lock_token.to_text();
    b.emplace(*this, Mqtt::Login{.device = "b",
                                 .password = credential_of_b.token,
                                 .certificate = credential_of_b.certificate});
    b->subscribe("devices/b/messages/devicebound/#").take();
    REQUIRE(send("b", "in flight"));
    REQUIRE(send("b", "waiting"));
    REQUIRE(b->take().size() == 1);
  }
  static hub::Settings one_in_flight() {
    hub::Settings settings;
    settings.mqtt_in_flight_max = 1;
    return settings;
  }
  // Everything of b that somebody else could have changed or seen.
  std::string state() {
    const auto view = *hub.registry().get({"b"}, now);
    std::string text = view.identity.etag + view.identity.generation_id +
                       view.identity.authentication.primary_key +
                       (view.connected ? " connected" : " gone") + " depth " +
                       std::to_string(view.c2d_message_count);
    for (const auto& entry : hub.c2d().peek({{"b"}})) {
      text += " " + entry.message->content.body + (entry.locked ? "*" : "") +
              std::to_string(entry.delivery_count);
    }
    const auto session = hub.connections().mqtt_session({"b"}).value();
    for (const auto& subscription : session.subscriptions) text += " " + subscription.filter;
    for (const auto& event : events()) {
      if (event->origin->device.text == "b") text += " telemetry";
    }
    return text + (b->run().open() ? " open" : " closed");
  }

  const std::string key_of_b = hub::base64_encode("the key of b, of 32 bytes ------");
  Credential credential_of_b{"b's own", {}};
  std::string lock;  // of b's message, over HTTPS
  std::optional<Mqtt> b;
};

std::vector<Credential> credentials(Bench& bench, hub::AuthenticationType type) {
  std::vector<Credential> all;
  for (const char* policy : {"device", "iothubowner"}) {
    all.push_back(
        {std::string("a token of ") + policy + " for a only",
         hub::make_sas_token("localhost/devices/a", well_known_key, bench.now + 1h, policy)});
  }
  if (type == hub::AuthenticationType::sas) {
    for (const char* sr : {"localhost/devices/a", "localhost/devices/b", "localhost/devices/a/../b",
                           "localhost/devices", "localhost",
                           "localhost/devices/a/messages/devicebound/../../../b", "/devices/b"}) {
      all.push_back(
          {std::string("a's key over ") + sr, hub::make_sas_token(sr, device_key, bench.now + 1h)});
    }
  }
  auto named_b = certificate_of('a');
  named_b.common_name = "b";  // and signed by nobody
  named_b.chain_trusted = false;
  all.push_back({"a's certificate", {}, certificate_of('a')});
  all.push_back({"a certificate that a made itself, with the name of b", {}, named_b});
  return all;
}

// Ways to write "b" in an address that end at b for somebody, somewhere.
const std::vector<std::string> names_of_b{"b",          "B",  "%62", "%2562",      "a/../b",
                                          "a%2F..%2Fb", "b/", "./b", "a/modules/b"};

void try_mqtt(Bench& bench, const Credential& credential) {
  CHECK_FALSE(
      Mqtt(bench,
           {.device = "b", .password = credential.token, .certificate = credential.certificate})
          .accepted());
  const auto as_a = [&] {
    return Mqtt(
        bench,
        {.device = "a", .password = credential.token, .certificate = credential.certificate});
  };
  if (!as_a().accepted()) return;
  for (const std::string& name : names_of_b) {
    for (const std::string& topic :
         {"devices/" + name + "/messages/events/", "devices/" + name + "/messages/devicebound/",
          "devices/" + name + "/messages/devicebound/%24.to=x"}) {
      CAPTURE(topic);
      Mqtt a = as_a();
      CHECK(std::ranges::count(a.publish(topic).take(), "PUBACK") == 0);
      CHECK_FALSE(a.open());
    }
    as_a().subscribe("devices/" + name + "/messages/devicebound/#");
    as_a().send(mqtt::Unsubscribe{3, {"devices/" + name + "/messages/devicebound/#"}});
  }
  // Wildcards that cover b's topics bring a's own messages, if any.
  for (const char* filter :
       {"#", "+/+/+/+/#", "devices/+/messages/devicebound/#", "devices/#", "$iothub/#"}) {
    Mqtt a = as_a();
    a.subscribe(filter).take();
    REQUIRE(bench.hub.c2d().purge({"a"}, bench.now));
    REQUIRE(bench.send("a", "own"));
    for (const std::string& topic : a.take()) CHECK(topic.find("id-own") != std::string::npos);
    for (std::uint16_t id = 1; id < 20; ++id) a.send(mqtt::Puback{id});
  }
  // What a says of the sender is not believed.
  as_a().publish("devices/a/messages/events/%24.cdid=b&%24.cmid=b&iothub-connection-device-id=b");
}

void try_amqp(Bench& bench, const Credential& credential) {
  const auto tries = [&](Amqp& amqp) {
    for (const std::string& name : names_of_b) {
      for (const std::string prefix :
           {"/devices/", "amqps://localhost/devices/", "devices/", "/DEVICES/"}) {
        for (const std::string what :
             {"/messages/events", "/messages/devicebound", "/messages/deviceBound", "/twin",
              "/methods/devicebound", "/messages/events?x=1", ""}) {
          const std::string address = prefix + name + what;
          CAPTURE(address);
          CHECK(amqp.sender(address) == nullptr);
          CHECK(amqp.receiver(address) == nullptr);
        }
      }
    }
    CHECK(amqp.sender("/messages/devicebound") == nullptr);
    CHECK(amqp.receiver("/messages/serviceBound/feedback") == nullptr);
    pn_link_t* own = amqp.sender(events("a"));
    if (own == nullptr) return;
    auto message = amqp_test::Message().body("x").to("/devices/b/messages/devicebound");
    message.annotation("iothub-connection-device-id", "b")
        .property("iothub-connection-device-id", "b");
    CHECK((*amqp).send(own, message).state != 0);
  };
  if (credential.certificate) {
    Amqp amqp(bench, *credential.certificate);
    tries(amqp);
  } else {
    Amqp amqp(bench, *credential.token);
    tries(amqp);
    Client::Options plain;
    plain.mechanism = "PLAIN";
    plain.user = "b@sas.localhost";
    plain.password = *credential.token;
    CHECK_FALSE(Client(bench, plain).is_open());
  }
}

void try_https(Bench& bench, const Credential& credential) {
  const auto status = [&](const std::string& method, const std::string& path,
                          const std::string& body = {}) {
    CAPTURE(method + " " + path);
    http::test::Call call{method, path + api_version, credential.token.value_or(""), {}, body};
    call.headers.emplace_back("iothub-connection-device-id", "b");
    call.headers.emplace_back("iothub-to", "/devices/b/messages/devicebound");
    return bench.call(call, credential.certificate).status;
  };
  const auto refused = [](int code) { return code == 400 || code == 401 || code == 404; };
  for (const std::string& name : names_of_b) {
    const std::string device = "/devices/" + name;
    const std::string queue = device + "/messages/deviceBound";
    CHECK(refused(status("GET", queue)));
    CHECK(refused(status("DELETE", queue + "/" + bench.lock)));
    CHECK(refused(status("DELETE", queue + "/" + bench.lock + "?reject")));
    CHECK(refused(status("POST", queue + "/" + bench.lock + "/abandon")));
    CHECK(refused(status("POST", device + "/messages/events", "x")));
    CHECK(refused(status("GET", device)));
    if (name !=
        "a/modules/b") {  // a policy that ends at a may make a module of a, whatever its name
      CHECK(refused(status("PUT", device, "{}")));
      CHECK(refused(status("DELETE", device)));
    }
    CHECK(refused(status("DELETE", device + "/commands")));
    CHECK(refused(status("GET", "/twins/" + name)));
  }
  CHECK(refused(status("GET", "/devices")));
  CHECK(refused(status("POST", "/devices", R"([{"id":"b","importMode":"delete"}])")));
  CHECK(refused(status("POST", "/messages/deviceBound", "x")));
  CHECK(refused(status("GET", "/messages/serviceBound/feedback")));
  // b's lock in a's own path: lost, as any token that never was (c2d.md 2.5).
  const int own = status("GET", "/devices/a/messages/deviceBound");
  if (own == 401) return;
  CHECK(status("DELETE", "/devices/a/messages/deviceBound/" + bench.lock) == 412);
  CHECK(status("POST", "/devices/a/messages/deviceBound/" + bench.lock + "/abandon") == 412);
  CHECK(status("POST", "/devices/a/messages/events", "x") == 204);
}

}  // namespace

TEST_CASE(
    "SEC-20 nothing that a device sends reaches another device's queue, identity or subscription") {
  for (const auto type : {hub::AuthenticationType::sas, hub::AuthenticationType::self_signed,
                          hub::AuthenticationType::certificate_authority}) {
    Bench bench(type);
    const std::string before = bench.state();
    CAPTURE(before);
    for (const Credential& credential : credentials(bench, type)) {
      CAPTURE(credential.name);
      try_mqtt(bench, credential);
      CHECK(bench.state() == before);
      try_amqp(bench, credential);
      CHECK(bench.state() == before);
      try_https(bench, credential);
      CHECK(bench.state() == before);
    }
    // b has its service: the message in flight, the one that waits, the one locked over HTTPS.
    const auto answer = bench.call({"DELETE",
                                    "/devices/b/messages/deviceBound/" + bench.lock + api_version,
                                    bench.credential_of_b.token.value_or(""),
                                    {},
                                    {}},
                                   bench.credential_of_b.certificate);
    CHECK(answer.status == 204);
    bench.b->send(mqtt::Puback{3});  // M-38: the second message's
    CHECK(bench.b->take().size() == 1);
    CHECK(bench.depth("b") == 1);
  }
}
