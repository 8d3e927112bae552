// What is refused because there is too much of it, and the small print of identities and times.
#include "emulator/core/base/encoding.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include <set>

using namespace hub;
using namespace test;

namespace {

SendRequest request_to(std::string device) {
  SendRequest request;
  request.device = {std::move(device)};
  request.content.body = "x";
  return request;
}

std::string spec_error(TestHub& t, const DeviceSpec& spec) {
  const auto made = t.hub.registry().create(spec, t.now);
  return made ? "" : std::string(name_of(made.error().code));
}

}  // namespace

TEST_CASE("C2D-38 a message id of 128 characters is taken, 129 are not; its case matters") {
  TestHub t;
  t.create("d");
  auto request = request_to("d");
  request.content.message_id = MessageId::of(std::string(128, 'm'));
  CHECK(t.hub.c2d().send(SendRequest(request), t.now));
  request.content.message_id = MessageId::of(std::string(129, 'm'));
  CHECK(t.hub.c2d().send(SendRequest(request), t.now).error().code == HubErrc::argument_invalid);
  for (const char* id : {"id", "ID"}) {
    request.content.message_id = MessageId::of(id);
    request.ack = Ack::full;
    REQUIRE(t.hub.c2d().send(SendRequest(request), t.now));
  }
  REQUIRE(*t.hub.c2d().purge({"d"}, t.now) == 3);
  t.advance(15s);
  const auto feedback = t.feedback().at(0);
  CHECK(count(feedback, "\"originalMessageId\":\"id\"") == 1);
  CHECK(count(feedback, "\"originalMessageId\":\"ID\"") == 1);
}

TEST_CASE("C2D-38 1000 application properties are taken, 1001 are not, whatever their size") {
  TestHub t;
  t.create("d");
  auto request = request_to("d");
  for (int i = 0; i < 1000; ++i)
    request.content.properties.emplace_back("p" + std::to_string(i), "");
  CHECK(t.hub.c2d().send(SendRequest(request), t.now));
  request.content.properties.emplace_back("one", "more");
  CHECK(t.hub.c2d().send(SendRequest(request), t.now).error().code == HubErrc::argument_invalid);
  CHECK(t.depth("d") == 1);
}

TEST_CASE(
    "C2D-39 strictPropertyChars refuses what the strict document refuses, in names and in values") {
  Settings settings;
  settings.strict_property_chars = true;
  TestHub strict(settings), usual;
  strict.create("d");
  usual.create("d");
  const auto sent = [](TestHub& t, std::string name, std::string value) {
    auto request = request_to("d");
    request.content.properties = {{std::move(name), std::move(value)}};
    const auto done = t.hub.c2d().send(SendRequest(request), t.now);
    if (!done) CHECK(done.error().code == HubErrc::argument_invalid);
    return done.has_value();
  };
  CHECK(sent(strict, "azAZ09!#$%&'*+-.^_`|~", "azAZ09!#$%&'*+-.^_`|~"));
  for (const char* bad :
       {"a b", "a\"b", "a(b", "a/b", "a:b", "a@b", "a[b", "a{b", "a}b", "a\x7f", "\xC3\xA9"}) {
    CAPTURE(bad);
    CHECK_FALSE(sent(strict, bad, "v"));
    CHECK_FALSE(sent(strict, "n", bad));
    CHECK(sent(usual, bad, bad));
  }
}

TEST_CASE("REG-07 a hub has a bound on its devices, and a reason has 128 characters") {
  TestHub t;
  DeviceSpec spec;
  spec.id = {"d"};
  spec.status_reason = std::string(129, 'r');
  CHECK(spec_error(t, spec) == "ArgumentInvalid");
  spec.status_reason = std::string(128, 'r');
  CHECK(spec_error(t, spec).empty());
  spec.status_reason = std::string(129, 'r');
  CHECK_FALSE(t.hub.registry().update(spec, "*", t.now));
  CHECK(t.hub.registry().get({"d"}, t.now)->identity.status_reason == std::string(128, 'r'));

  SeededIdSource ids{1};
  DeviceRegistry registry(ids, 2);
  for (const char* id : {"a", "b"}) {
    spec.id = {id};
    spec.status_reason.reset();
    REQUIRE(registry.create(spec, t.now));
  }
  spec.id = {"c"};
  CHECK(registry.create(spec, t.now).error().code == HubErrc::too_many_devices);
  registry.remove({"a"});
  CHECK(registry.create(spec, t.now));
}

TEST_CASE("REG-08 what an update does not give stays, and what it gives shows") {
  TestHub t;
  DeviceSpec spec;
  spec.id = {"d"};
  spec.iot_edge = true;
  spec.parent_scope = "ms-azure-iot-edge://top-1";
  spec.status = DeviceStatus::disabled;
  spec.status_reason = "why";
  const auto made = t.hub.registry().create(spec, t.now);
  REQUIRE(made);
  CHECK_FALSE(made->identity.status_updated_time);
  DeviceSpec nothing;
  nothing.id = {"d"};
  auto view = t.hub.registry().update(nothing, {}, t.now + 1s);
  REQUIRE(view);
  CHECK(view->identity.iot_edge);
  CHECK(view->identity.parent_scope == "ms-azure-iot-edge://top-1");
  CHECK(view->identity.status == DeviceStatus::disabled);
  CHECK(view->identity.status_reason == "why");
  CHECK(view->identity.etag != made->identity.etag);
  CHECK(view->identity.generation_id == made->identity.generation_id);
  nothing.iot_edge = false;
  nothing.device_scope = "ms-azure-iot-edge://other-1";
  nothing.status = DeviceStatus::enabled;
  nothing.status_reason = "";
  view = t.hub.registry().update(nothing, {}, t.now + 2s);
  CHECK_FALSE(view->identity.iot_edge);
  CHECK(view->identity.device_scope == "ms-azure-iot-edge://other-1");
  CHECK(view->identity.status_reason.empty());
  CHECK(view->identity.status_updated_time == t.now + 2s);
  for (const char* text : {"enabled", "ENABLED"})
    CHECK(parse_device_status(text) == DeviceStatus::enabled);
  CHECK_FALSE(parse_device_status("on"));
  CHECK(to_text(DeviceStatus::disabled) == "disabled");
  for (const auto type : {AuthenticationType::sas, AuthenticationType::self_signed,
                          AuthenticationType::certificate_authority, AuthenticationType::none}) {
    CHECK(parse_authentication_type(to_text(type)) == type);
  }
  CHECK_FALSE(parse_authentication_type("tpm"));
  CHECK_FALSE(t.hub.registry().get({"nobody"}, t.now));
}

TEST_CASE(
    "REG-08 connectionState is of MQTT and AMQP, exact, and HTTPS does not move lastActivityTime") {
  TestHub t;
  t.create("d");
  const auto view = [&] { return *t.hub.registry().get({"d"}, t.now); };
  CHECK_FALSE(view().connected);
  CHECK_FALSE(view().last_activity_time);
  REQUIRE(t.send("d"));
  REQUIRE(t.get("d"));
  CHECK_FALSE(view().connected);
  CHECK_FALSE(view().last_activity_time);
  auto presence = t.hub.connections().connect(
      {"d"}, Transport::mqtt, [] {}, t.now);
  REQUIRE(presence);
  CHECK(view().connected);
  CHECK(view().connection_state_updated_time == t.now);
  t.advance(5s);
  presence->close(t.now);
  CHECK_FALSE(view().connected);
  CHECK(view().connection_state_updated_time == t.now);
  CHECK(view().last_activity_time == t.now);
}

TEST_CASE(
    "C2D-40 a clock that goes back wakes nothing from the dead, and no number is used twice") {
  TestHub t;
  t.create("d");
  const auto generation = t.hub.registry().get({"d"}, t.now)->identity.generation_id;
  REQUIRE(t.send("d", "expires", Ack::full, t.now + 10s));
  const auto locked = t.get("d");
  t.advance(1min);
  REQUIRE(t.send("d", "stays"));
  CHECK(t.depth("d") == 1);
  t.now -= 1h;
  t.hub.monitor().on_time(t.now);
  CHECK(t.depth("d") == 1);
  CHECK_FALSE(t.hub.c2d().complete({{"d"}}, locked->lock_token, t.now));
  CHECK(*t.send("d", "later") == 3);
  CHECK(t.get("d")->message->content.body == "stays");
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  t.create("d");
  CHECK(t.hub.registry().get({"d"}, t.now)->identity.generation_id > generation);
  // The windows go on where they were.
  t.now += 1h + 15s;
  t.hub.monitor().on_time(t.now);
  CHECK(t.feedback().size() <= 1);
}

TEST_CASE(
    "C2D-33 feedback that nobody reads is bounded: what comes after is dropped, and the log says "
    "so") {
  SeededIdSource ids{7};
  CapturingLog log;
  TimePoint now = from_unix_seconds(1'800'000'000);
  HubConfig config{"localhost", default_policies(well_known_key), {}, {}};
  config.limits.feedback_queue_depth_max = 2;
  config.settings.feedback_window = Duration{0};
  Hub hub(config, ids, log, now);
  DeviceSpec spec;
  spec.id = {"d"};
  REQUIRE(hub.registry().create(spec, now));
  auto request = request_to("d");
  request.ack = Ack::full;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(hub.c2d().send(SendRequest(request), now));
    REQUIRE(hub.c2d().purge({"d"}, now));
  }
  CHECK(hub.c2d().peek({}).size() == 2);
  CHECK(log.contains("feedback batch dropped"));
  CHECK(hub.metrics().feedback_records == 4);
  CHECK(hub.metrics().feedback_batches == 2);
}

TEST_CASE("C2D-33 feedback is bounded by its bytes, which go with what is settled") {
  Settings settings;
  settings.feedback_window = Duration{0};
  SeededIdSource ids{7};
  CapturingLog log;
  TimePoint now = from_unix_seconds(1'800'000'000);
  HubConfig config{"localhost", default_policies(well_known_key), settings, {}};
  config.limits.feedback_queue_bytes_max = 300;  // a record has some 200
  Hub hub(config, ids, log, now);
  DeviceSpec spec;
  spec.id = {"d"};
  REQUIRE(hub.registry().create(spec, now));
  auto request = request_to("d");
  request.ack = Ack::full;
  const auto report_one = [&] {
    REQUIRE(hub.c2d().send(SendRequest(request), now));
    REQUIRE(hub.c2d().purge({"d"}, now));
  };
  for (int i = 0; i < 3; ++i) report_one();
  CHECK(hub.c2d().peek({}).size() == 1);
  CHECK(std::ranges::count_if(log.lines, [](const auto& line) {
          return line.find("feedback batch dropped") != std::string::npos;
        }) == 1);  // of two
  now += 2h;
  hub.monitor().on_time(now);
  CHECK(hub.c2d().peek({}).size() == 0);
  for (int i = 0; i < 3; ++i) report_one();
  CHECK(hub.c2d().peek({}).size() == 1);
}

TEST_CASE("C2D-31 feedbackDescriptions=legacy has the older texts, code repeats the status") {
  Settings settings;
  for (const bool legacy : {false, true}) {
    settings.feedback_legacy_descriptions = legacy;
    settings.max_delivery_count = 1;
    TestHub t(settings);
    t.create("d");
    REQUIRE(t.send("d", "1"));
    REQUIRE(t.hub.c2d().complete({{"d"}}, t.get("d")->lock_token, t.now));
    REQUIRE(t.send("d", "2"));
    REQUIRE(t.hub.c2d().reject({{"d"}}, t.get("d")->lock_token, t.now));
    REQUIRE(t.send("d", "3"));
    REQUIRE(t.hub.c2d().abandon({{"d"}}, t.get("d")->lock_token, t.now));
    REQUIRE(t.send("d", "4", Ack::full, t.now));
    REQUIRE(t.send("d", "5"));
    REQUIRE(t.hub.c2d().purge({"d"}, t.now));
    t.advance(15s);
    const std::string body = t.feedback().at(0);
    struct Text {
      const char *status, *legacy;
    };
    for (const Text& text : {Text{"Success", "Success"},
                             {"Rejected", "Message rejected"},
                             {"DeliveryCountExceeded", "Message delivery count exceeded"},
                             {"Expired", "Message expired"},
                             {"Purged", "Message purged"}}) {
      CAPTURE(text.status);
      CHECK(count(body, "\"statusCode\":\"" + std::string(text.status) + "\"") == 1);
      CHECK(count(body, "\"description\":\"" + std::string(legacy ? text.legacy : text.status) +
                            "\"") == 1);
    }
  }
}

TEST_CASE("C2D-31 a message id that is no UTF-8 is reported in base64") {
  TestHub t;
  t.create("d");
  for (const std::string id :
       {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xFF", "\xC3", "\xE0\x80\x80",
        "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xC1\x81", "\xE2\x28\xAC"}) {
    auto request = request_to("d");
    request.ack = Ack::full;
    request.content.message_id = MessageId::of(id);
    REQUIRE(t.hub.c2d().send(SendRequest(request), t.now));
    REQUIRE(t.hub.c2d().purge({"d"}, t.now));
  }
  t.advance(15s);
  const std::string body = t.feedback().at(0);
  for (const char* kept : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"})
    CHECK(count(body, kept) == 1);
  for (const char* bytes : {"\xFF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                            "\xF4\x90\x80\x80", "\xC1\x81", "\xE2\x28\xAC"}) {
    CHECK(count(body, "\"originalMessageId\":\"" + base64_encode(bytes) + "\"") == 1);
  }
}

TEST_CASE("SEC-05 what was proven by a token is worth nothing after its end, the grace included") {
  Settings settings;
  settings.token_expiry_grace = 5s;
  TestHub t(settings);
  t.create("d");
  const auto device = *t.hub.access().authenticate_sas(
      make_sas_token("h/devices/d", device_key, t.now + 10s), t.now);
  const auto owner = *t.hub.access().authenticate_sas(
      make_sas_token("h", well_known_key, t.now + 10s, "iothubowner"), t.now);
  t.now += 15s - 1ms;
  CHECK(t.hub.access().authorize_device(device, {"d"}, t.now));
  CHECK(t.hub.access().authorize_service(owner, Right::registry_read, {"devices"}, t.now));
  t.now += 1ms;
  CHECK_FALSE(t.hub.access().authorize_device(device, {"d"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_service(owner, Right::registry_read, {"devices"}, t.now));
}

TEST_CASE("ERR-01 every error has a number of six digits and a name, each its own") {
  std::set<int> numbers;
  std::set<std::string_view> names;
  for (const HubErrc code : all_errors()) {
    const auto number = static_cast<int>(number_of(code));
    CHECK((number >= 400'000 && number < 600'000));
    numbers.insert(number);
    names.insert(name_of(code));
  }
  CHECK(names.size() == all_errors().size());
  CHECK_FALSE(numbers.empty());
  // Whoever takes a value that is not there is told why: our own mistake, at start-up only.
  const Result<int> none = fail(HubErrc::device_not_found, "why");
  CHECK_THROWS_WITH_AS((void)none.value(), "DeviceNotFound: why", std::runtime_error);
}

TEST_CASE("A-31 an ack is one of four words in any case, or none at all") {
  CHECK(parse_ack("") == Ack::none);
  for (const Ack ack : {Ack::none, Ack::positive, Ack::negative, Ack::full})
    CHECK(parse_ack(to_text(ack)) == ack);
  CHECK(parse_ack("FULL") == Ack::full);
  CHECK_FALSE(parse_ack("both"));
}

TEST_CASE("INV-32 seeded ids replay") {
  SeededIdSource one(5), two(5), other(6);
  const auto first = one.next_u64();
  CHECK(first == two.next_u64());
  CHECK(first != other.next_u64());
  CHECK(one.next_lock_token() == two.next_lock_token());
}
