// Sending: what is accepted, in which order it is checked, when it expires.
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

TEST_CASE("C2D-01 a send is checked in the documented order, and a refused one leaves no trace") {
  TestHub t;
  t.create("d");
  SendRequest request;
  request.device = {"nobody"};
  request.content.message_id = MessageId::of(std::string(129, 'i'));
  request.content.body = std::string(70'000, 'b');
  request.content.absolute_expiry = t.now + 49h;
  const auto code = [&] { return t.hub.c2d().send(SendRequest(request), t.now).error().code; };

  CHECK(code() == HubErrc::argument_invalid);
  request.content.message_id = MessageId::of("id");
  CHECK(code() == HubErrc::message_too_large);
  request.content.body = "b";
  CHECK(code() == HubErrc::device_not_found);
  request.device = {"d"};
  CHECK(code() == HubErrc::invalid_message_expiry_time);
  request.content.absolute_expiry.reset();
  for (int i = 0; i < 50; ++i) REQUIRE(t.send("d"));
  CHECK(code() == HubErrc::device_maximum_queue_depth_exceeded);
  CHECK(t.depth("d") == 50);
  CHECK(t.hub.metrics().c2d_ingress_success == 50);
}

TEST_CASE("C2D-11 C2D-12 64 KiB are accepted, counted as body, property values and names") {
  TestHub t;
  t.create("d");
  SendRequest request;
  request.device = {"d"};
  request.content.to = "/devices/d/messages/devicebound";
  request.content.properties = {{"name", "value"}};
  request.content.body = std::string(65'536 - request.content.to.size() - 9, 'b');
  CHECK(t.hub.c2d().send(SendRequest(request), t.now));
  request.content.body += 'b';
  CHECK(t.hub.c2d().send(SendRequest(request), t.now).error().code == HubErrc::message_too_large);
}

TEST_CASE("C2D-01 a request whose device is not found can be sent again, to another one") {
  TestHub t;
  t.create("d");
  SendRequest request;
  request.device = {"nobody"};
  request.content.body = "x";
  CHECK(t.hub.c2d().send(std::move(request), t.now).error().code == HubErrc::device_not_found);
  request.device = {"d"};
  REQUIRE(t.hub.c2d().send(std::move(request), t.now));
  const auto delivery = t.hub.c2d().receive_once({{"d"}}, 60s, t.now);
  REQUIRE((delivery && *delivery));
  CHECK((*delivery)->message->content.body == "x");
}

TEST_CASE("C2D-14 an expiry more than 48 hours ahead is refused, 48 hours are accepted") {
  TestHub t;
  t.create("d");
  CHECK(t.send("d", "x", Ack::none, t.now + 48h));
  CHECK(t.send("d", "x", Ack::none, t.now + 48h + 1ms).error().code ==
        HubErrc::invalid_message_expiry_time);
}

TEST_CASE("C2D-16 a disabled device refuses sends and keeps its queue") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d"));
  DeviceSpec spec;
  spec.id = {"d"};
  spec.status = DeviceStatus::disabled;
  REQUIRE(t.hub.registry().update(spec, "*", t.now));
  CHECK(t.send("d").error().code == HubErrc::device_not_found);
  CHECK(t.depth("d") == 1);
  spec.status = DeviceStatus::enabled;
  REQUIRE(t.hub.registry().update(spec, "*", t.now));
  CHECK(t.get("d"));
}

TEST_CASE(
    "C2D-16 a device created anew has an empty queue, a new generation and sequence 1") {  // S21
  TestHub t;
  const auto old = t.create("d");
  REQUIRE(t.send("d"));
  REQUIRE(t.send("d"));
  REQUIRE(t.hub.registry().remove({"d"}, {}, t.now));
  const auto anew = t.create("d");
  CHECK(anew.identity.generation_id > old.identity.generation_id);
  CHECK(anew.identity.generation_id.size() == 18);
  CHECK(t.depth("d") == 0);
  CHECK(*t.send("d") == 1);
}

TEST_CASE("C2D-20 every delivery shows the same message, only token and count differ") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d", "body"));
  const auto first = t.get("d");
  REQUIRE(t.hub.c2d().abandon({{"d"}}, first->lock_token, t.now));
  const auto second = t.get("d");
  CHECK(first->message == second->message);
  CHECK(second->delivery_count == 1);
  CHECK(first->lock_token != second->lock_token);
}

TEST_CASE("C2D-21 the expiry is fixed at send: given, or the default time to live") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d", "given", Ack::full, t.now + 10s));
  REQUIRE(t.send("d", "default"));
  const auto given = t.get("d");
  CHECK(given->message->expires_at == t.now + 10s);
  CHECK(t.get("d")->message->expires_at == t.now + 1h);
  REQUIRE(t.hub.c2d().abandon({{"d"}}, given->lock_token, t.now + 9s));
  t.advance(10s);
  CHECK(t.depth("d") == 1);
  t.advance(1h);
  CHECK(t.depth("d") == 0);
  CHECK(t.hub.metrics().c2d_messages_expired == 2);
}

TEST_CASE("C2D-21 an expired message frees its slot for the send of the same instant") {  // S2
  TestHub t;
  t.create("d");
  for (int i = 0; i < 50; ++i) REQUIRE(t.send("d", "x", Ack::full, t.now + 10s));
  t.now += 9'999ms;
  CHECK_FALSE(t.send("d"));
  t.now += 1ms;
  CHECK(t.send("d"));
  CHECK(t.depth("d") == 1);
  t.advance(15s);
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(count(batches[0], R"("statusCode":"Expired")") == 50);
}

TEST_CASE("C2D-23 an expiry in the past is accepted and expires at once, with feedback") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d", "late", Ack::negative, t.now - 1h));
  CHECK(t.depth("d") == 0);
  CHECK_FALSE(t.get("d"));
  const auto sent_at = t.now;
  t.advance(15s);
  const auto batches = t.feedback();
  REQUIRE(batches.size() == 1);
  CHECK(batches[0].find(to_iso8601(sent_at)) != std::string::npos);  // not an hour before the send
}

TEST_CASE(
    "C2D-48 an expiry that has passed is warned of: seconds where milliseconds belong, mostly") {
  TestHub t;
  t.create("d");
  REQUIRE(t.send("d", "in time", Ack::none, t.now + 1ms));
  CHECK_FALSE(t.log.contains("expired at once"));
  REQUIRE(t.send("d", "late", Ack::none, from_unix_ms(1'700'000'000)));
  CHECK(t.log.contains("message accepted and expired at once: its expiry has passed"));
  CHECK(t.log.contains("in milliseconds, not seconds"));
  CHECK(t.log.contains("device=d id=id-late expiry=1970-01-20"));
}

TEST_CASE("C2D-28 sequence numbers rise from 1 and are not used again after a purge") {
  TestHub t;
  t.create("d");
  CHECK(*t.send("d") == 1);
  CHECK(*t.send("d") == 2);
  CHECK(*t.hub.c2d().purge({"d"}, t.now) == 2);
  CHECK(*t.send("d") == 3);
  CHECK(t.hub.c2d().next_sequence({"d"}) == 4);
}

TEST_CASE("U16 strictPropertyChars refuses what the strict document refuses") {
  Settings settings;
  settings.strict_property_chars = true;
  for (const bool strict : {false, true}) {
    TestHub t(strict ? settings : Settings{});
    t.create("d");
    SendRequest request;
    request.device = {"d"};
    request.content.properties = {{"room", "a b"}};
    CHECK(t.hub.c2d().send(SendRequest(request), t.now).has_value() == !strict);
  }
}
