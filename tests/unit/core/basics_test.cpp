// Encodings, times, ids, settings.
#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/settings/limits.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace hub;
using namespace std::chrono_literals;

TEST_CASE("base64 is strict both ways") {
  for (const std::string_view bytes : {"", "f", "fo", "foo", "foob"}) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
  }
  CHECK(base64_encode("foob") == "Zm9vYg==");
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zg==Zg==", " Zg==", "Zm9\n", "Z=9v", "!m9v"}) {
    CHECK_MESSAGE(!base64_decode(bad), bad);
  }
}

TEST_CASE("M-34 percent encoding keeps the unreserved and writes upper case") {
  CHECK(percent_encode("aZ0-._~ $/=+&\xC3\xA9") == "aZ0-._~%20%24%2F%3D%2B%26%C3%A9");
}

TEST_CASE("M-20 an escape that is none stays as it is, and plus is plus") {
  CHECK(percent_decode("a%2Fb%2fc+d") == "a/b/c+d");
  CHECK(percent_decode("%") == "%");
  CHECK(percent_decode("%2") == "%2");
  CHECK(percent_decode("%zz%41") == "%zzA");
}

TEST_CASE("C2D-26 times have seven fraction digits and a Z") {
  CHECK(to_iso8601(from_unix_ms(1'595'686'465'172)) == "2020-07-25T14:14:25.1720000Z");
  CHECK(to_iso8601(from_unix_ms(0)) == "1970-01-01T00:00:00.0000000Z");
  // Whatever number a peer has sent for a time (C2D-48).
  CHECK(to_iso8601(TimePoint::min()) == "0001-01-01T00:00:00.0000000Z");
  CHECK(to_iso8601(TimePoint::max()) == "9999-12-31T23:59:59.9990000Z");
}

TEST_CASE("C2D-26 H-34 an ISO 8601 time is read back, to the millisecond") {
  const auto at = from_unix_seconds(1'763'964'000);  // 2025-11-24T06:00:00Z
  CHECK(parse_iso8601("2025-11-24T06:00:00Z") == at);
  CHECK(parse_iso8601("2025-11-24T06:00:00") == at);
  CHECK(parse_iso8601("2025-11-24T06:00:00.1234567Z") == at + 123ms);
  CHECK(parse_iso8601("2025-11-24T08:30:00+02:30") == at);
  CHECK(parse_iso8601("2025-11-24T04:00:00-02:00") == at);
  CHECK(parse_iso8601(to_iso8601(at + 7ms)) == at + 7ms);
  for (const char* bad : {"", "now", "2025-11-24", "2025-02-30T00:00:00Z", "2025-11-24T24:00:00Z",
                          "2025-11-24T06:00Z", "2025-11-24T06:00:00Zx", "11/24/2025 06:00:00",
                          "2025-11-24T06:00:00+0200"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_iso8601(bad));
  }
}

TEST_CASE("C2D-18 durations are taken in any ISO 8601 spelling") {
  CHECK(parse_iso8601_duration("PT1H") == Duration{1h});
  CHECK(parse_iso8601_duration("PT1H0M0S") == Duration{1h});
  CHECK(parse_iso8601_duration("P2D") == Duration{48h});
  CHECK(parse_iso8601_duration("P1DT2H3M4.5S") == Duration{26h + 3min + 4500ms});
  CHECK(parse_iso8601_duration("PT0.1S") == Duration{100ms});
  CHECK(parse_iso8601_duration("PT0S") == Duration{0});
  for (const char* bad : {"", "P", "PT", "1H", "PT1", "PTH", "P1H", "PT1D", "PT1M1H", "PT-1S",
                          "PT1.5H", "PT1.S", "P99999999D", "PT1Sx"}) {
    CHECK_MESSAGE(!parse_iso8601_duration(bad), bad);
  }
  for (const Duration d : {Duration{0}, Duration{100}, Duration{90min}, Duration{48h}}) {
    CHECK(parse_iso8601_duration(to_iso8601_duration(d)) == d);
  }
}

TEST_CASE("A-09 a lock token is 16 bytes of a .NET Guid, and back") {
  const auto token = LockToken::from_text("00112233-4455-6677-8899-aabbccddeeff");
  REQUIRE(token);
  const auto bytes = token->to_net_guid();
  CHECK(hex_encode({reinterpret_cast<const char*>(bytes.data()), 16}) ==
        "33221100554477668899aabbccddeeff");
  CHECK(LockToken::from_net_guid({reinterpret_cast<const char*>(bytes.data()), 16}) == token);
  CHECK(token->to_text() == "00112233-4455-6677-8899-aabbccddeeff");
  for (const char* bad : {"", "00112233", "00112233-4455-6677-8899-aabbccddeefg",
                          "00112233x4455-6677-8899-aabbccddeeff"}) {
    CHECK_FALSE(LockToken::from_text(bad));
  }
  CHECK_FALSE(LockToken::from_net_guid("short"));
}

TEST_CASE("lock tokens are never given twice") {
  RandomIdSource ids;
  std::set<LockToken> seen;
  for (int i = 0; i < 2000; ++i) CHECK(seen.insert(ids.next_lock_token()).second);
}

TEST_CASE("C2D-13 device ids: 1 to 128 of the documented characters") {
  CHECK(is_valid_device_id("aZ9-:.+%_#*?!(),=@;$'"));
  CHECK(is_valid_device_id(std::string(128, 'a')));
  CHECK_FALSE(is_valid_device_id(std::string(129, 'a')));
  using namespace std::string_view_literals;
  for (const std::string_view bad : {""sv, "a/b"sv, "a b"sv, "\xC3\xA9"sv, "a\0b"sv, "a\"b"sv}) {
    CHECK_FALSE(is_valid_device_id(bad));
  }
}

TEST_CASE("C2D-18 each setting has its name, its range and an error that names both") {
  Settings s;
  CHECK(s.set("cloudToDevice.maxDeliveryCount", "3"));
  CHECK(s.max_delivery_count == 3);
  CHECK(s.set("CLOUDTODEVICE.defaultTtl", "PT2H"));
  CHECK(s.set("cloudToDevice.defaultTtlAsIso8601", "PT1M"));
  CHECK(s.default_ttl == Duration{60s});
  CHECK(s.set("feedback.window", "PT0.1S"));
  CHECK(s.feedback_window == 100ms);
  CHECK(s.set("deliveryCountMode", "every-return"));
  CHECK(s.delivery_count_mode == DeliveryCountMode::every_return);
  CHECK(s.set("expireWhileLocked", "atUnlock"));
  CHECK(s.set("mqttOutOfOrderAck", "close"));
  CHECK(s.set("sasClockSkewSeconds", "300"));
  CHECK(s.sas_clock_skew == 300s);
  CHECK(s.set("tokenExpiryGrace", "PT10M"));
  CHECK(s.set("mqttBacklogOnFirstSubscribe", "deliver"));
  const Settings before = s;
  for (const auto& [name, value] : {std::pair{"cloudToDevice.maxDeliveryCount", "0"},
                                    {"cloudToDevice.maxDeliveryCount", "101"},
                                    {"cloudToDevice.maxDeliveryCount", "3x"},
                                    {"cloudToDevice.defaultTtl", "PT59S"},
                                    {"cloudToDevice.feedback.lockDuration", "PT4S"},
                                    {"deliveryCountMode", "never"},
                                    {"releaseLocksOnDisconnect", "maybe"},
                                    {"noSuchSetting", "1"}}) {
    const auto refused = s.set(name, value);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find(name) != std::string::npos);
  }
  CHECK(s.max_delivery_count == before.max_delivery_count);
}

TEST_CASE("error numbers and names are the hub's") {
  CHECK(number_of(HubErrc::device_message_lock_lost) == 412002);
  CHECK(name_of(HubErrc::device_message_lock_lost) == "DeviceMessageLockLost");
  CHECK(name_of(HubErrc::device_maximum_queue_depth_exceeded) == "DeviceMaximumQueueDepthExceeded");
}
