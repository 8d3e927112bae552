#include "protocols/amqp/address.hpp"

#include <doctest/doctest.h>

using amqp::Address;
using amqp::parse_address;
using amqp::parse_c2d_to;
using Kind = amqp::Address::Kind;

TEST_CASE("A-13 addresses match in any case, absolute or relative, with port and query") {
  struct Row {
    const char* text;
    Kind kind;
    const char* device;
  };
  for (const Row& row : {
           Row{"$cbs", Kind::cbs, ""},
           Row{"amqps://h:5671/$CBS", Kind::cbs, ""},
           Row{"/devices/dev1/messages/events", Kind::telemetry, "dev1"},
           Row{"amqps://h.example/devices/dev1/messages/events", Kind::telemetry, "dev1"},
           Row{"amqps://h:5671/devices/dev1/messages/deviceBound", Kind::devicebound, "dev1"},
           Row{"devices/dev1/messages/devicebound/?api-version=2020", Kind::devicebound, "dev1"},
           Row{"/DEVICES/Dev1/Messages/DeviceBound?api-version=2020", Kind::devicebound, "Dev1"},
           Row{"/devices/a%2Fb%3Ac/messages/events", Kind::telemetry, "a/b:c"},
           Row{"/devices/a?b/messages/events", Kind::telemetry, "a?b"},
           Row{"/devices/dev1/twin", Kind::twin, "dev1"},
           Row{"/devices/dev1/methods/deviceBound", Kind::methods, "dev1"},
           Row{"/messages/devicebound", Kind::service_devicebound, ""},
           Row{"amqps://h:5671/messages/deviceBound", Kind::service_devicebound, ""},
           Row{"/messages/serviceBound/feedback", Kind::feedback, ""},
           Row{"amqps://h/messages/servicebound/feedback", Kind::feedback, ""},
           Row{"/messages/serviceBound/filenotifications", Kind::file_notifications, ""},
           Row{"messages/events/$management", Kind::management, ""},
           Row{"/messages/events/ConsumerGroups/$Default/Partitions/0", Kind::events, ""},
           Row{"hub/ConsumerGroups/$Default/Partitions/0", Kind::events, ""},
           Row{"", Kind::unknown, ""},
           Row{"/", Kind::unknown, ""},
           Row{"devices", Kind::unknown, ""},
           Row{"devices/dev1", Kind::unknown, ""},
           Row{"devices//messages/events", Kind::unknown, ""},
           Row{"devices/dev1/messages/events/more", Kind::unknown, ""},
           Row{"amqps://h", Kind::unknown, ""},
       }) {
    CAPTURE(row.text);
    const Address address = parse_address(row.text);
    CHECK(address.kind == row.kind);
    CHECK(address.target.id.text == row.device);
  }
}

TEST_CASE("A-13 module addresses name the module") {
  const Address address = parse_address("/devices/d/modules/m%201/messages/events");
  CHECK(address.kind == Kind::telemetry);
  CHECK(address.target.id == hub::DeviceId{"d", "m 1"});
  CHECK(address.target.raw == hub::DeviceId{"d", "m%201"});
  CHECK(parse_address("/devices/d/modules/m/twin").target.id.module == "m");
  CHECK(parse_address("/devices/d/Modules/m/methods/deviceBound").kind == Kind::methods);
  CHECK(parse_address("/devices/d/modules/m").kind == Kind::unknown);
  CHECK(parse_address("/devices/d/modules//twin").kind == Kind::unknown);
}

TEST_CASE("A-13 an endless address is no address") {
  CHECK(parse_address("/devices/" + std::string(5000, 'x') + "/twin").kind == Kind::unknown);
}

TEST_CASE("A-32 `to` of a message, raw and encoded") {
  struct Row {
    const char* text;
    const char* device;
    const char* raw;
  };
  for (const Row& row : {
           Row{"/devices/dev1/messages/devicebound", "dev1", "dev1"},
           Row{"/devices/dev%2F1/messages/deviceBound", "dev/1", "dev%2F1"},
           Row{"/devices/50%/messages/devicebound", "50%", "50%"},
           Row{"/devices/a%41/messages/DEVICEBOUND", "aA", "a%41"},
           Row{"devices/dev1/messages/devicebound", "dev1", "dev1"},
           Row{"amqps://h/devices/dev1/messages/devicebound", "dev1", "dev1"},
       }) {
    CAPTURE(row.text);
    const auto target = parse_c2d_to(row.text);
    REQUIRE(target.has_value());
    CHECK(target->id == hub::DeviceId{row.device});
    CHECK(target->raw == hub::DeviceId{row.raw});
  }
  CHECK(parse_c2d_to("/devices/d/modules/m/messages/devicebound")->id.module == "m");
  for (const char* bad : {"", "/", "dev1", "/devices/dev1", "/devices/dev1/messages",
                          "/devices//messages/devicebound", "/devices/dev1/messages/events",
                          "/messages/devicebound", "/devices/a/b/messages/devicebound"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_c2d_to(bad).has_value());
  }
}
