// what is refused over AMQP is said in the log, as a warning, with whom, why and what to do.
#include <doctest/doctest.h>

#include <functional>
#include <map>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;

namespace {

struct Line {
  hub::LogLevel level;
  std::string event;
  std::map<std::string, std::string, std::less<>> fields;
};
class Lines : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel level, std::string_view event,
             std::initializer_list<hub::LogField> fields) override {
    Line line{level, std::string(event), {}};
    for (const auto& [key, value] : fields) line.fields.emplace(key, value);
    lines.push_back(std::move(line));
  }
  std::vector<Line> lines;
};

// A hub with the same keys as `tokens`, whose log keeps levels and fields, and one peer.
struct World {
  World() {
    tokens.create("dev1");
    hub::DeviceSpec spec;
    spec.id = {"dev1"};
    spec.primary_key = test::device_key;
    REQUIRE(hub.registry().create(spec, now));
  }
  void say(const std::string& bytes) {
    driven.bytes(bytes);
    rest();
  }
  void rest() {
    driven.rest();
    driven.take();
  }
  void pass(hub::Duration time) {
    now += time;
    rest();
  }
  std::string login(const std::string& user, const std::string& token) const {
    const std::string response = std::string("\0", 1) + user + std::string("\0", 1) + token;
    return sasl_header + sasl_init("PLAIN", &response);
  }
  void open(const std::string& before = {}) {
    say(before + amqp_header + open_frame() + begin_frame());
  }
  void open_device() { open(login("dev1@sas.localhost", device_token(tokens, "dev1"))); }
  void open_owner() {
    open(login("iothubowner@sas.root.localhost", service_token(tokens, "iothubowner")));
  }
  void put_token(const Message& message) {
    say(attach_sender_frame(0, 0, "c", "$cbs") + transfer_frame({}, message.encode()));
  }

  test::TestHub tokens;
  Lines log;
  hub::SeededIdSource ids{42};
  hub::TimePoint now = tokens.now;
  hub::Hub hub{
      {"localhost", hub::default_policies(test::well_known_key), {}, {}}, ids, log, now, false};
  test::DrivenSession driven{now, [this](hub::Waker waker) {
                               return std::make_unique<amqp::Session>(
                                   hub, protocols::PeerInfo{"192.0.2.7:5", true, false, "", {}},
                                   std::move(waker), now);
                             }};
};

Message token_message(std::string_view token,
                      std::string_view type = "servicebus.windows.net:sastoken") {
  return Message()
      .id("1")
      .property("operation", "put-token")
      .property("type", type)
      .property("name", "localhost/devices/dev1")
      .value_body(token);
}

}  // namespace

TEST_CASE("A-52 each refusal is a warning that names who, why and the remedy") {
  struct Row {
    const char* event;
    std::function<void(World&)> provoke;
    const char* reason;
  };
  const std::string flow =
      raw_frame(0, 0, hex("00 53 13 c0 15 07 43 70 00000800 43 70 00000800 52 07 43 70 00000064"));
  for (const Row& row : {
           Row{"AMQP peer refused", [](World& w) { w.say("GET / HTTP/1.1"); },
               "no AMQP protocol header"},
           Row{"AMQP peer refused", [](World& w) { w.say(amqp_header + open_frame(100)); },
               "idle-time-out of 100 ms"},
           Row{"AMQP peer refused",
               [](World& w) {
                 w.open();
                 for (std::uint32_t i = 0; i < 500; ++i) {
                   w.say(
                       attach_sender_frame(0, i, "l" + std::to_string(i), std::string(5000, 'x')));
                 }
               },
               "without a token"},
           Row{"AMQP peer refused",
               [](World& w) {
                 w.open_device();
                 for (std::uint32_t i = 0; i < 1100; ++i)
                   w.say(attach_sender_frame(0, i, "l" + std::to_string(i), "x"));
               },
               "refused and not detached"},
           Row{"AMQP peer breaks the protocol",
               [](World& w) {
                 w.open();
                 w.say(begin_frame());
               },
               "channel 0 is in use"},
           Row{"AMQP peer given up", [](World& w) { w.pass(61s); }, "60 seconds"},
           Row{"AMQP connection failed",
               [](World& w) {
                 w.open();
                 w.pass(1s);
                 w.pass(600s);
               },
               "timeout"},
           Row{"AMQP login refused",
               [](World& w) {
                 const std::string r = "x";
                 w.say(sasl_header + sasl_init("PLAIN", &r));
               },
               "no user"},
           Row{"AMQP login refused", [](World& w) { w.say(w.login("dev1", "t")); }, "user name"},
           Row{"AMQP login refused", [](World& w) { w.say(w.login("dev1@sas.localhost", "t")); },
               ""},
           Row{"AMQP login refused",
               [](World& w) { w.say(w.login("HostName=h;SharedAccessKey=secret", "t")); },
               "user name"},
           Row{"AMQP put-token refused",
               [](World& w) {
                 w.open();
                 w.put_token(Message()
                                 .id("1")
                                 .property("operation", "put-token")
                                 .property("name", "SharedAccessSignature sr=a&sig=secret")
                                 .value_body("t"));
               },
               "type"},
           Row{"AMQP link refused",
               [](World& w) {
                 w.open();
                 w.say(attach_sender_frame(0, 0, "l", "SharedAccessKey=secret"));
               },
               "no such address"},
           Row{"AMQP login refused",
               [](World& w) {
                 w.say(
                     w.login("service@sas.root.localhost", service_token(w.tokens, "iothubowner")));
               },
               "not of that policy"},
           Row{"AMQP login refused",
               [](World& w) { w.say(sasl_header + sasl_init("EXTERNAL", nullptr)); },
               "no TLS certificate"},
           Row{"AMQP login refused",
               [](World& w) { w.say(sasl_header + sasl_init("GSSAPI\xff", nullptr)); },
               "mechanism"},
           Row{"AMQP link refused",
               [](World& w) {
                 w.open();
                 w.say(attach_sender_frame(0, 0, "l", "no\xff\nwhere"));
               },
               "no such address"},
           Row{"AMQP link refused",
               [](World& w) {
                 w.open();
                 w.say(attach_sender_frame(0, 0, "l", "/devices/dev1/messages/events"));
               },
               "no token"},
           Row{"AMQP link refused",
               [](World& w) {
                 w.open_device();
                 w.say(attach_sender_frame(0, 0, "l", "/devices/dev1/messages/devicebound"));
               },
               "direction"},
           Row{"AMQP put-token refused",
               [](World& w) {
                 w.open();
                 w.put_token(Message().id("1").value_body("t"));
               },
               "operation"},
           Row{"AMQP put-token refused",
               [](World& w) {
                 w.open();
                 w.put_token(token_message("x.y.z", "jwt"));
               },
               "Azure AD"},
           Row{"AMQP put-token refused",
               [](World& w) {
                 w.open();
                 w.put_token(token_message("nonsense"));
               },
               ""},
           Row{"telemetry refused",
               [](World& w) {
                 w.open_device();
                 w.say(attach_sender_frame(0, 0, "l", "/devices/dev1/messages/events") +
                       transfer_frame({}, "no message"));
               },
               ""},
           Row{"cloud-to-device message refused",
               [](World& w) {
                 w.open_owner();
                 w.say(attach_sender_frame(0, 0, "l", "/messages/devicebound") +
                       transfer_frame(
                           {},
                           Message().to("/devices/none/messages/devicebound").body("x").encode()));
               },
               "none"},
           Row{"AMQP twin request refused",
               [](World& w) {
                 w.open_device();
                 w.say(attach_sender_frame(0, 0, "l", "/devices/dev1/twin") +
                       transfer_frame({}, Message()
                                              .correlation_id("1")
                                              .annotation("operation", "PATCH")
                                              .body("{}")
                                              .encode()));
               },
               "not kept"},
           Row{"AMQP token expired",
               [](World& w) {
                 w.open_device();
                 w.pass(2h);
               },
               "se has passed"},
           Row{"AMQP link detached",
               [&](World& w) {
                 w.open_device();
                 w.say(attach_receiver_frame(0, 7, "first", "/devices/dev1/messages/devicebound") +
                       flow);
                 w.say(attach_receiver_frame(0, 8, "second", "/devices/dev1/messages/devicebound"));
               },
               "a second link for its messages on this connection took over"},
           Row{"AMQP link detached",
               [&](World& w) {
                 w.open_device();
                 w.say(attach_receiver_frame(0, 7, "first", "/devices/dev1/messages/devicebound"));
                 REQUIRE(w.hub.registry().remove({"dev1"}, std::nullopt, w.now));
                 w.rest();
               },
               "the identity was deleted"},
       }) {
    CAPTURE(std::string(row.event));
    CAPTURE(std::string(row.reason));
    World world;
    row.provoke(world);
    const Line* said = nullptr;
    for (const Line& line : world.log.lines) {
      if (line.event == row.event && said == nullptr) said = &line;
    }
    REQUIRE(said != nullptr);
    if (said->event == "AMQP login refused")
      CHECK(world.log.lines.back().event == said->event);  // and nobody is blamed
    CHECK(said->level == hub::LogLevel::warn);
    CHECK(said->fields.find("peer")->second == "192.0.2.7:5");
    REQUIRE(said->fields.contains("reason"));
    CHECK(said->fields.find("reason")->second.size() > 8);
    CHECK(said->fields.find("reason")->second.find(row.reason) != std::string::npos);
    REQUIRE(said->fields.contains("remedy"));
    CHECK(said->fields.find("remedy")->second.size() > 20);
    for (const Line& line : world.log.lines) {
      for (const auto& [key, value] : line.fields) {
        CHECK(value.find("secret") == std::string::npos);  // SEC-22
      }
    }
  }
}
