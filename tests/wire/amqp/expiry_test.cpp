// What sets a message's expiry over AMQP, and what does not (spec/c2d.md 5.1, 5.2).
#include <doctest/doctest.h>
#include <proton/disposition.h>

#include "tests/unit/amqp/support/client.hpp"

using namespace amqp_test;
using test::TestHub;

TEST_CASE(
    "C2D-45 only absolute-expiry-time sets the expiry: neither the header's ttl nor a property of "
    "its name") {
  TestHub hub;
  hub.create("dev1");
  Client client(hub);
  REQUIRE(client.put_token(service_token(hub)) == 200);
  pn_link_t* link = client.sender("c2d", "/messages/devicebound");
  const auto expiry_of = [&](const Message& message) {
    CHECK(client.send(link, message).state == PN_ACCEPTED);
    const auto queue = hub.hub.c2d().peek({{"dev1"}});
    REQUIRE(queue.size() == 1);
    const auto expiry = queue[0].message->expires_at;
    REQUIRE(hub.hub.c2d().purge({"dev1"}, hub.now));
    return expiry;
  };
  const auto message = [] { return Message().to("/devices/dev1/messages/devicebound").body("x"); };
  CHECK(expiry_of(message()) == hub.now + 1h);
  CHECK(expiry_of(message().expiry(hub.now + 5min)) == hub.now + 5min);
  Message with_ttl = message();
  pn_message_set_ttl(*with_ttl, 1000);
  CHECK(expiry_of(with_ttl) == hub.now + 1h);
  for (const char* name : {"absolute-expiry-time", "iothub-expiry", "$.exp", "expiryTimeUtc"}) {
    CAPTURE(name);
    CHECK(expiry_of(message().property(name, "2000-01-01T00:00:00Z")) == hub.now + 1h);
  }
}
