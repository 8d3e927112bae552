#include "protocols/mqtt/topic.hpp"

#include <doctest/doctest.h>

#include "protocols/mqtt/topic_filter.hpp"

using mqtt::classify_filter;
using mqtt::classify_publish;
using mqtt::FilterKind;
using mqtt::PublishKind;

namespace {
const hub::DeviceId dev1{"dev1"};
}

TEST_CASE("M-30 filters match by the ordinary rules of MQTT 3.1.1") {
  CHECK(mqtt::matches("a/b", "a/b"));
  CHECK_FALSE(mqtt::matches("a/b", "a/c"));
  CHECK_FALSE(mqtt::matches("a", "a/b"));
  CHECK_FALSE(mqtt::matches("a/b", "a"));
  CHECK_FALSE(mqtt::matches("a", "A"));
  CHECK(mqtt::matches("a/+", "a/b"));
  CHECK(mqtt::matches("a/+", "a/"));
  CHECK_FALSE(mqtt::matches("a/+", "a"));
  CHECK_FALSE(mqtt::matches("a/+", "a/b/c"));
  CHECK(mqtt::matches("+/+", "/x"));
  CHECK(mqtt::matches("a/#", "a"));
  CHECK(mqtt::matches("a/#", "a/b/c"));
  CHECK_FALSE(mqtt::matches("a/#", "b/a"));
  CHECK(mqtt::matches("#", "a/b"));
  CHECK(mqtt::matches("a/+/c/#", "a/b/c/d"));
  CHECK_FALSE(mqtt::matches("#", "$iothub/twin/res/200/"));
  CHECK_FALSE(mqtt::matches("+/twin/#", "$iothub/twin/res/200/"));
  CHECK(mqtt::matches("$iothub/#", "$iothub/twin/res/200/"));
}

TEST_CASE("M-61 a filter is valid if its wildcards stand alone, # at the end only") {
  for (const auto* good : {"a", "/", "a/b/#", "#", "+", "+/a/+", "a//b", " ", "$iothub/#"}) {
    CHECK(mqtt::is_valid_filter(good));
  }
  for (const auto* bad : {"", "a#", "#/a", "a/#/b", "a+", "a/b+/c", "##", "++"}) {
    CHECK_FALSE(mqtt::is_valid_filter(bad));
  }
}

TEST_CASE("M-20 telemetry topics in all the forms that SDKs send") {
  const auto bag_of = [](std::string_view topic) {
    const auto found = classify_publish(topic, dev1);
    CHECK(found.kind == PublishKind::telemetry);
    return std::string(found.bag);
  };
  CHECK(bag_of("devices/dev1/messages/events") == "");
  CHECK(bag_of("devices/dev1/messages/events/") == "");
  CHECK(bag_of("devices/dev1/messages/events/a=b") == "a=b");
  CHECK(bag_of("devices/dev1/messages/events/a=b/") == "a=b");
  CHECK(bag_of("devices/dev1/messages/events/a=b/c d%&e=/x/") == "a=b/c d%&e=/x");
  CHECK(bag_of("devices/dev1/messages/events/?a=b") == "?a=b");
}

TEST_CASE("M-60 topics of others, and topics that are none") {
  const auto kind_of = [](std::string_view topic) { return classify_publish(topic, dev1).kind; };
  CHECK(kind_of("devices/dev2/messages/events/") == PublishKind::other_identity);
  CHECK(kind_of("devices/dev10/messages/events/") == PublishKind::other_identity);
  CHECK(kind_of("devices/dev1/modules/m/messages/events/") == PublishKind::other_identity);
  CHECK(kind_of("devices/Dev1/messages/events/") == PublishKind::other_identity);
  CHECK(kind_of("devices/dev1/messages/eventsx") == PublishKind::unsupported);
  CHECK(kind_of("devices/dev1/messages/devicebound/") == PublishKind::unsupported);
  CHECK(kind_of("devices/dev1") == PublishKind::unsupported);
  CHECK(kind_of("$iothub/methods/POST/x/?$rid=1") == PublishKind::unsupported);
  CHECK(kind_of("$SYS/broker/connection/x/state") == PublishKind::unsupported);
  CHECK(kind_of("hello") == PublishKind::unsupported);
}

TEST_CASE("M-51 the request id of a twin request is taken byte by byte") {
  CHECK(classify_publish("$iothub/twin/GET/?$rid=4d-%2F x", dev1).request_id == "4d-%2F x");
  const auto patch =
      classify_publish("$iothub/twin/PATCH/properties/reported/?$rid=7&$version=3", dev1);
  CHECK(patch.kind == PublishKind::twin_patch);
  CHECK(patch.request_id == "7");
  CHECK(classify_publish("$iothub/methods/res/200/?$rid=a", dev1).kind ==
        PublishKind::method_response);
  for (const auto* bad :
       {"$iothub/twin/GET/", "$iothub/twin/GET/?$rid=", "$iothub/twin/GET/x/?$rid=1",
        "$iothub/twin/PUT/?$rid=1", "$iothub/twin/PATCH/properties/desired/?$rid=1",
        "$iothub/twin/GET/?rid=1", "$iothub/twin/GET/?$version=1"}) {
    CHECK(classify_publish(bad, dev1).kind == PublishKind::bad_twin_request);
  }
  CHECK(mqtt::twin_response_topic(200, "a b") == "$iothub/twin/res/200/?$rid=a b");
  CHECK(mqtt::twin_response_topic(204, "7", 12) == "$iothub/twin/res/204/?$rid=7&$version=12");
}

TEST_CASE("M-30 which filters enable delivery, M-61 which can never match") {
  const auto kind_of = [](std::string_view filter) { return classify_filter(filter, dev1); };
  for (const auto* filter :
       {"devices/dev1/messages/devicebound/#", "devices/+/messages/devicebound/#", "#",
        "devices/dev1/messages/#", "devices/dev1/#", "devices/#", "devices/dev1/messages/+/+",
        "devices/dev1/messages/devicebound/+", "+/+/+/+/+", "+/#",
        "devices/dev1/messages/devicebound/+/#"}) {
    CHECK(kind_of(filter) == FilterKind::devicebound);
  }
  for (const auto* filter : {"$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#",
                             "$iothub/methods/POST/#", "$iothub/#", "$iothub/twin/#",
                             "$iothub/twin/res/200/?$rid=1", "$iothub/methods/POST/reboot/#"}) {
    CHECK(kind_of(filter) == FilterKind::iothub);
  }
  for (const auto* filter :
       {"devices/dev1/messages/devicebound", "devices/dev1/messages/devicebound/",
        "devices/dev1/messages/devicebound/x", "devices/dev1/messages/devicebound/x/#",
        "devices/+/messages/devicebound/x/#", "devices/dev1/messages/devicebound/x/+",
        "devices/dev1/modules/+/messages/devicebound/#", "devices/dev1/messages/events/#", "hello",
        "$SYS/#", "+", "devices/"}) {
    CHECK(kind_of(filter) == FilterKind::inert);
  }
  CHECK(kind_of("devices/dev2/messages/devicebound/#") == FilterKind::other_identity);
  CHECK(kind_of("devices/dev10/#") == FilterKind::other_identity);
  CHECK(kind_of("devices/dev1/modules/m/messages/devicebound/#") == FilterKind::other_identity);
}
