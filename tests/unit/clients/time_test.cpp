#include "clients/hub_client/time.hpp"

#include "clients/hub_client/retry.hpp"

#include <doctest/doctest.h>

using namespace iothub;
using namespace std::chrono_literals;

TEST_CASE("durations are read as people write them") {
  CHECK(parse_duration("30s") == 30s);
  CHECK(parse_duration("100ms") == 100ms);
  CHECK(parse_duration("2m") == 2min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("1d") == 24h);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("0s") == 0s);
}

TEST_CASE("what is not a duration is refused") {
  for (const char* text : {"", "30", "s", "-1s", "1x", "1 s", "1s ", "30sec", "1e3s", "nans",
                           "infs", "99999999999h", "0x10s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("times go to text and back, with the hub's seven digits too") {
  const TimePoint time{1'700'000'000'123ms};
  CHECK(format_time(time) == "2023-11-14T22:13:20.123Z");
  CHECK(parse_time("2023-11-14T22:13:20.123Z") == time);
  CHECK(parse_time("2023-11-14T22:13:20.1234567Z") == time);
  CHECK(parse_time("2023-11-14T22:13:20") == TimePoint{1'700'000'000s});
  CHECK(parse_time("2023-11-14T22:13:20+00:00") == TimePoint{1'700'000'000s});
}

TEST_CASE("what is not a time is refused") {
  for (const char* text :
       {"", "2023", "2023-13-01T00:00:00Z", "2023-02-30T00:00:00Z", "2023-11-14T24:00:00Z",
        "2023-11-14 22:13:20Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+02:00"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_time(text));
  }
}

TEST_CASE("waits between attempts double up to the longest, with jitter around them") {
  Backoff backoff{{.first = 100ms, .longest = 1s, .attempts = 100}};
  CHECK(backoff.next(25) == 100ms);  // 75 + 25 = 100 %
  CHECK(backoff.next(25) == 200ms);
  CHECK(backoff.next(0) == 300ms);    // 75 % of 400
  CHECK(backoff.next(50) == 1000ms);  // 125 % of 800
  for (int i = 0; i < 80; ++i) CHECK(backoff.next(25) == 1s);
  backoff.reset();
  CHECK(backoff.next(25) == 100ms);
}

TEST_CASE("attempts end at their limit and begin anew after a success") {
  Backoff backoff{{.first = 1ms, .longest = 1ms, .attempts = 2}};
  CHECK(backoff.may_retry());
  backoff.next(0);
  backoff.next(0);
  CHECK_FALSE(backoff.may_retry());
  backoff.reset();
  CHECK(backoff.may_retry());
}
