#include "clients/hub_client/sas_token.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace iothub;
using namespace std::chrono_literals;

// The expected tokens were computed with Python's hmac, hashlib, base64 and urllib.parse.quote.

TEST_CASE("a policy's token is signed as the documentation says") {
  const auto token =
      sign_sas_token("localhost", "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=", "iothubowner",
                     TimePoint{1'700'000'000s});
  CHECK(token.text ==
        "SharedAccessSignature "
        "sr=localhost&sig=sxrRRJcqSsnQW1n9s2%2BAXC8yW%2BQ2BGzK55cklGi6EIk%3D&se=1700000000&skn="
        "iothubowner");
  CHECK(token.expires_at == TimePoint{1'700'000'000s});
}

TEST_CASE("a device's token names the device, encoded, and no policy") {
  std::string key;
  for (int i = 0; i < 32; ++i) key += static_cast<char>(i);
  const auto token = sign_sas_token("contoso.azure-devices.net/devices/dev:1", base64_encode(key),
                                    {}, TimePoint{1'893'456'000s});
  CHECK(token.text ==
        "SharedAccessSignature "
        "sr=contoso.azure-devices.net%2Fdevices%2Fdev%3A1&sig=y2RlCwVFbLF6U94HtfEVkbpPlMiXV%2Fn%"
        "2Bk9GnjQ41kf0%3D&se=1893456000");
}

TEST_CASE("a token made from a connection string lives for the time asked") {
  const auto cs = ConnectionString::parse("HostName=h:8443;DeviceId=d;SharedAccessKey=c2VjcmV0");
  const TimePoint at{1'000s};
  const auto token = make_sas_token(cs, at, 1h);
  CHECK(token.expires_at == at + 1h);
  CHECK(token.text.find("sr=h%2Fdevices%2Fd&") != std::string::npos);  // without the port
  CHECK(renewal_time(token, at) == at + 51min);
}

TEST_CASE("a token made elsewhere is used as it is, until its own expiry") {
  const auto cs = ConnectionString::parse(
      "HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=5000");
  const auto token = make_sas_token(cs, TimePoint{1'000s}, 1h);
  CHECK(token.text == "SharedAccessSignature sr=h&sig=x&se=5000");
  CHECK(token.expires_at == TimePoint{5'000s});
}

TEST_CASE("a token whose expiry is no time is taken to last: the hub will judge") {
  for (const char* se :
       {"-1", "-134836310148149703", "100000000000", "99999999999999999999", "x", ""}) {
    const auto cs = ConnectionString::parse(
        "HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=" +
        std::string(se));
    CHECK_MESSAGE(make_sas_token(cs, TimePoint{1'000s}, 1h).expires_at == TimePoint::max(), se);
  }
}

TEST_CASE("without a key there is no token, and the error says what is missing") {
  const auto cs = ConnectionString::parse("HostName=h;DeviceId=d");
  CHECK_THROWS_WITH_AS(make_sas_token(cs, TimePoint{}, 1h),
                       doctest::Contains("SharedAccessKey is missing"), Error);
}

TEST_CASE("base64 goes both ways, and refuses what is none") {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    CHECK(base64_decode(base64_encode(text)) == text);
  }
  CHECK(base64_encode("ab") == "YWI=");
  CHECK_FALSE(base64_decode("YWI"));
  CHECK_FALSE(base64_decode("YW I="));
  CHECK_FALSE(base64_decode("YWI=\n"));
  CHECK_FALSE(base64_decode("Y?I="));
}

TEST_CASE("a UUID has the form of version 4 and differs each time") {
  const auto uuid = make_uuid();
  CHECK(uuid.size() == 36);
  CHECK(uuid[14] == '4');
  CHECK(uuid != make_uuid());
}
