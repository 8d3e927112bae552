#include "clients/hub_client/property_bag.hpp"

#include "clients/hub_client/encoding.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace iothub;
using namespace std::chrono_literals;

TEST_CASE("a bag as the real hub writes it becomes system and application properties") {
  Message message;
  decode_property_bag(
      "%24.exp=2020-07-25T14%3A14%3A25.1720000Z&%24.mid=My%20Message%20ID"
      "&%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevicebound&%24.cid=c1&%24.uid=u1"
      "&%24.ct=text%2Fplain%3B%20charset%3DUTF-8&%24.ce=utf-8&iothub-ack=full&agps=result",
      message);
  CHECK(message.message_id == "My Message ID");
  CHECK(message.to == "/devices/d/messages/devicebound");
  CHECK(message.correlation_id == "c1");
  CHECK(message.user_id == "u1");
  CHECK(message.content_type == "text/plain; charset=UTF-8");
  CHECK(message.content_encoding == "utf-8");
  CHECK(message.ack == "full");
  CHECK(message.expires_at == parse_time("2020-07-25T14:14:25.172Z"));
  CHECK(message.properties == Properties{{"agps", "result"}});
}

TEST_CASE("system properties are known by their decoded names, in any order") {
  Message message;
  decode_property_bag("a=1&$.mid=x", message);
  CHECK(message.message_id == "x");
  CHECK(message.properties == Properties{{"a", "1"}});
}

TEST_CASE("a key without a value, an empty value and an empty pair are kept or skipped") {
  Message message;
  decode_property_bag("key&empty=&&a=b=c", message);
  CHECK(message.properties == Properties{{"key", ""}, {"empty", ""}, {"a", "b=c"}});
}

TEST_CASE("UTF-8 and reserved characters survive the way there and back") {
  Message message;
  message.message_id = "id/1 & more=less";
  message.content_type = "application/json";
  message.expires_at = TimePoint{1'700'000'000'123ms};
  message.properties = {{"größe", "5 + 3 €"}, {"#/+", "%24"}};
  const auto bag = encode_property_bag(message);
  CHECK(bag.starts_with("%24.mid=id%2F1%20%26%20more%3Dless&%24.ct=application%2Fjson&%24.exp="));
  CHECK(bag.find_first_of("#+/ $") == std::string::npos);
  Message back;
  decode_property_bag(bag, back);
  CHECK(back.message_id == message.message_id);
  CHECK(back.content_type == message.content_type);
  CHECK(back.expires_at == message.expires_at);
  CHECK(back.properties == message.properties);
}

TEST_CASE("a message without properties has an empty bag") {
  CHECK(encode_property_bag(Message{}).empty());
  Message message;
  decode_property_bag("", message);
  CHECK(message.properties.empty());
}

TEST_CASE("percent decoding leaves a plus and a broken escape as they are") {
  CHECK(percent_decode("a+b%2Bc%2bd") == "a+b+c+d");
  CHECK(percent_decode("100%") == "100%");
  CHECK(percent_decode("%4") == "%4");
  CHECK(percent_decode("%zz") == "%zz");
  CHECK(percent_decode("%2") == "%2");
}

TEST_CASE("only UTF-8 is taken for text") {
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("größe €"));
  CHECK_FALSE(is_utf8("\xff"));
  CHECK_FALSE(is_utf8("\xc3"));
  CHECK_FALSE(is_utf8("\xc0\xaf"));
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));
}

TEST_CASE("the creation time goes both ways") {
  Message message;
  message.created_at = TimePoint{std::chrono::milliseconds{1'700'000'000'123}};
  const auto bag = encode_property_bag(message);
  CHECK(bag == "%24.ctime=2023-11-14T22%3A13%3A20.123Z");
  Message back;
  decode_property_bag(bag, back);
  CHECK(back.created_at == message.created_at);
  CHECK(back.properties.empty());
  // A hub passes it on as the application property that it is over AMQP.
  Message received;
  decode_property_bag("iothub-creation-time-utc=2023-11-14T22%3A13%3A20.1234567Z", received);
  CHECK(received.created_at == message.created_at);
  CHECK(received.properties.empty());
}
