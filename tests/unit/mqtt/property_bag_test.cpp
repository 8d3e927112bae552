#include "protocols/mqtt/property_bag.hpp"

#include <doctest/doctest.h>

namespace {

using Properties = std::vector<hub::Property>;

hub::TelemetryMessage decode(std::string_view bag) {
  hub::TelemetryMessage message;
  REQUIRE(mqtt::decode_property_bag(bag, 1000, message).has_value());
  return message;
}

hub::Message message_to(std::string to) {
  hub::Message message;
  message.content.to = std::move(to);
  return message;
}

const hub::DeviceId dev1{"dev1"};

}  // namespace

TEST_CASE("M-21 system properties, spelled $. or %24.") {
  for (const auto* bag :
       {"$.mid=m%2F1&$.cid=c&$.uid=u&$.to=t&$.ct=application%2Fjson%3Bcharset%3Dutf-8&$.ce=utf-8&"
        "$.sub=comp&$.ifid=urn%3Ax&$.ctime=2020-01-02T03:04:05Z&$.exp=2020-07-25T14:14:25.172Z",
        "%24.mid=m%2F1&%24.cid=c&%24.uid=u&%24.to=t&%24.ct=application/json;charset=utf-8&"
        "%24.ce=utf-8&%24.sub=comp&%24.ifid=urn:x&%24.ctime=2020-01-02T03%3A04%3A05Z&"
        "%24.exp=2020-07-25T14%3A14%3A25.1720000Z"}) {
    const auto message = decode(bag);
    CHECK(message.content.message_id.text == "m/1");
    CHECK(message.content.correlation_id.text == "c");
    CHECK(message.content.user_id == "u");
    CHECK(message.content.to == "t");
    CHECK(message.content.content_type == "application/json;charset=utf-8");
    CHECK(message.content.content_encoding == "utf-8");
    CHECK(message.content.absolute_expiry == hub::from_unix_ms(1'595'686'465'172));
    CHECK(message.subject == "comp");
    CHECK(message.interface_id == "urn:x");
    CHECK(message.content.properties ==
          Properties{{"iothub-creation-time-utc", "2020-01-02T03:04:05Z"}});
  }
}

TEST_CASE("M-21 empty values, duplicates, unknown system keys") {
  CHECK(decode("key").content.properties == Properties{{"key", ""}});
  CHECK(decode("key=").content.properties == Properties{{"key", ""}});
  CHECK(decode("a=1&b=2&a=3").content.properties == Properties{{"a", "3"}, {"b", "2"}});
  CHECK(decode("a=1=2").content.properties == Properties{{"a", "1=2"}});
  CHECK(decode("&&a=1&").content.properties == Properties{{"a", "1"}});
  CHECK(decode("$.on=out&$.xyz=1").content.properties ==
        Properties{{"iothub-outputname", "out"}, {"$.xyz", "1"}});
  CHECK(decode("$.schema=v1").content.properties == Properties{{"iothub-message-schema", "v1"}});
  CHECK(decode("$.exp=tomorrow").content.properties == Properties{{"$.exp", "tomorrow"}});
  CHECK(decode("$.mid=").content.message_id.empty());
  CHECK(decode("").content.properties.empty());
}

TEST_CASE("M-21 a device cannot say who it is") {
  const auto message = decode("$.cdid=other&%24.cmid=module");
  CHECK(message.origin == nullptr);
  CHECK(message.content.properties.empty());
}

TEST_CASE("M-20 what is not decodable stays as it is, + stays +") {
  CHECK(decode("a+b=c+d").content.properties == Properties{{"a+b", "c+d"}});
  CHECK(decode("p=100%&q=%zz&r=%4").content.properties ==
        Properties{{"p", "100%"}, {"q", "%zz"}, {"r", "%4"}});
  CHECK(decode("p=a/b c").content.properties == Properties{{"p", "a/b c"}});
  CHECK(decode("p=%FF%FE").content.properties == Properties{{"p", "%FF%FE"}});
  CHECK(decode("p=%C3%BC").content.properties == Properties{{"p", "\xC3\xBC"}});
}

TEST_CASE("the number of properties is bounded") {
  std::string bag;
  for (int i = 0; i < 1001; ++i) bag += "k" + std::to_string(i) + "&";
  hub::TelemetryMessage message;
  CHECK_FALSE(mqtt::decode_property_bag(bag, 1000, message).has_value());
  message = {};
  CHECK(mqtt::decode_property_bag(bag, 1001, message).has_value());
}

TEST_CASE("M-32 M-34 the topic of a devicebound message: fixed order, upper-case escapes") {
  hub::Message message = message_to("/devices/dev1/messages/deviceBound");
  message.ack = hub::Ack::full;
  message.ack_given = true;
  message.content.message_id = hub::MessageId::of("a b/c");
  message.content.correlation_id = hub::MessageId::of("corr");
  message.content.user_id = "user";
  message.content.content_type = "text/plain; charset=UTF-8";
  message.content.content_encoding = "utf-8";
  message.content.absolute_expiry = hub::from_unix_ms(1'595'686'465'172);
  message.content.properties = {
      {"z", "1"}, {"a=b", "+&\xC3\xBC"}, {"empty", ""}, {"null", std::nullopt}};
  CHECK(mqtt::devicebound_topic(message, dev1) ==
        "devices/dev1/messages/devicebound/"
        "%24.exp=2020-07-25T14%3A14%3A25.1720000Z&%24.mid=a%20b%2Fc&"
        "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&%24.cid=corr&%24.uid=user&"
        "%24.ct=text%2Fplain%3B%20charset%3DUTF-8&%24.ce=utf-8&"
        "iothub-ack=full&z=1&a%3Db=%2B%26%C3%BC&empty=&null");
}

TEST_CASE("M-33 the bag of a devicebound message is never empty") {
  const std::string expected =
      "devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound";
  CHECK(mqtt::devicebound_topic(message_to("/devices/dev1/messages/devicebound"), dev1) ==
        expected);
  CHECK(mqtt::devicebound_topic(message_to(""), dev1) == expected);
}

TEST_CASE("M-35 a system property without a value is not there, nor an ack nobody asked for") {
  hub::Message message = message_to("/t");
  message.ack = hub::Ack::none;
  CHECK(mqtt::devicebound_topic(message, dev1) == "devices/dev1/messages/devicebound/%24.to=%2Ft");
  message.ack_given = true;
  CHECK(mqtt::devicebound_topic(message, dev1) ==
        "devices/dev1/messages/devicebound/%24.to=%2Ft&iothub-ack=none");
}

TEST_CASE("M-34 M-20 what one side encodes the other decodes") {
  hub::Message message = message_to("/t");
  message.content.message_id = hub::MessageId::of("%24.x&=/ +");
  message.content.properties = {{"k&=%", "v&=%/+ \xE2\x82\xAC"}, {"$x", "y"}};
  const std::string topic = mqtt::devicebound_topic(message, dev1);
  const auto decoded = decode(
      std::string_view(topic).substr(std::string("devices/dev1/messages/devicebound/").size()));
  CHECK(decoded.content.message_id == message.content.message_id);
  CHECK(decoded.content.properties == message.content.properties);
}

TEST_CASE("M-35 times: with and without fraction and offset") {
  const auto ms = [](std::string_view text) {
    const auto time = hub::parse_iso8601(text);
    REQUIRE(time.has_value());
    return hub::to_unix_ms(*time);
  };
  CHECK(ms("1970-01-01T00:00:00Z") == 0);
  CHECK(ms("2020-07-25T14:14:25.1720000Z") == 1'595'686'465'172);
  CHECK(ms("2020-07-25T14:14:25.172") == 1'595'686'465'172);
  CHECK(ms("2020-07-25T16:14:25.1729+02:00") == 1'595'686'465'172);
  CHECK(ms("2020-07-25T14:14:25") == 1'595'686'465'000);
  CHECK(ms("2024-02-29T00:00:00.5Z") == 1'709'164'800'500);
  for (const auto* bad : {"", "2020", "2020-07-25", "2020-13-01T00:00:00Z", "2023-02-29T00:00:00Z",
                          "2020-07-25T24:00:00Z", "2020-07-25T00:60:00Z", "2020-07-25T00:00:00.Z",
                          "2020-07-25T00:00:00Zx", "2020-07-25T00:00:00+2", "2020-07-25 00:00:00Z",
                          "-020-07-25T00:00:00Z", "1595686465"}) {
    CHECK_FALSE(hub::parse_iso8601(bad).has_value());
  }
}
