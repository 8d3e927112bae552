// SAS tokens, policies, X.509: spec/c2d.md 6.2..6.4.
#include "emulator/core/access/auth.hpp"
#include "emulator/core/base/encoding.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

namespace {

// A token over exactly this text, as an SDK would write it.
std::string token_over(std::string sr, std::string_view key, TimePoint expiry,
                       std::string_view policy = {}) {
  const std::string se = std::to_string(to_unix_ms(expiry) / 1000);
  const std::string sig =
      percent_encode(base64_encode(hmac_sha256(*base64_decode(key), sr + "\n" + se)));
  std::string token = "SharedAccessSignature sr=" + sr + "&sig=" + sig + "&se=" + se;
  if (!policy.empty()) token.append("&skn=").append(policy);
  return token;
}

}  // namespace

TEST_CASE("SEC-01 fields come in any order and any case of their names; the scheme word is exact") {
  const auto good = parse_sas_token("SharedAccessSignature SIG=a%2Fb%3D&se=10&&sr=H%2fx&skn=p%20q");
  REQUIRE(good);
  CHECK(good->sr == "H%2fx");
  CHECK(good->se == "10");
  CHECK(good->sig == "a/b=");
  CHECK(good->skn == "p q");
  CHECK(good->expires_at == from_unix_seconds(10));
  for (const char* bad :
       {"", "SharedAccessSignature", "sharedaccesssignature sr=a&sig=b&se=1",
        "SharedAccessSignature sr=a&sig=b", "SharedAccessSignature sr=a&se=1",
        "SharedAccessSignature sig=a&se=1", "SharedAccessSignature sr=a&sig=b&se=x",
        "SharedAccessSignature sr=a&sig=b&se=-1", "SharedAccessSignature sr&sig=b&se=1",
        "SharedAccessSignaturesr=a&sig=b&se=1", "Bearer x"}) {
    CHECK_MESSAGE(!parse_sas_token(bad), bad);
  }
  CHECK_FALSE(
      parse_sas_token("SharedAccessSignature sr=a&sig=b&se=1&skn=" + std::string(300, 'p')));
  CHECK_FALSE(parse_sas_token("SharedAccessSignature sr=" + std::string(5000, 'a')));
}

TEST_CASE("SEC-02 the signature is over the raw sr text, whatever its escapes look like") {
  TestHub t;
  t.create("d");
  for (const char* sr :
       {"localhost%2Fdevices%2Fd", "localhost%2fdevices%2fd", "localhost/devices/d",
        "LOCALHOST/devices/d", "other.name:8883/devices/d"}) {
    CHECK_MESSAGE(t.hub.access().authenticate_sas(token_over(sr, device_key, t.now + 1h), t.now),
                  sr);
  }
  auto forged = token_over("localhost/devices/d", device_key, t.now + 1h);
  forged.replace(forged.find("devices"), 7, "Devices");
  CHECK_FALSE(t.hub.access().authenticate_sas(forged, t.now));
}

TEST_CASE("SEC-03 a known token verifies: the vector was made with OpenSSL's command line") {
  // printf 'localhost%%2Fdevices%%2Fd\n1900000000' | openssl dgst -sha256 -mac HMAC -macopt
  //   hexkey:$(echo ZGV2aWNlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM= | base64 -d | xxd -p -c 99)
  //   -binary | base64
  const auto token = parse_sas_token(
      make_sas_token("localhost/devices/d", device_key, from_unix_seconds(1'900'000'000)));
  REQUIRE(token);
  CHECK(token->sig == "0Us8Nm0dFI9eascbKkAp0TIYgw5i7CRSRjMwVi3Ed4M=");
}

TEST_CASE("SEC-04 primary and secondary key both verify, nothing else does") {
  TestHub t;
  DeviceSpec spec;
  spec.id = {"d"};
  spec.primary_key = device_key;
  spec.secondary_key = base64_encode("another-key-of-32-bytes-.-.-.-.-");
  REQUIRE(t.hub.registry().create(spec, t.now));
  const auto ok = [&](std::string_view key) {
    return t.hub.access()
        .authenticate_sas(token_over("h/devices/d", key, t.now + 1h), t.now)
        .has_value();
  };
  CHECK(ok(spec.primary_key));
  CHECK(ok(spec.secondary_key));
  CHECK_FALSE(ok(well_known_key));
  CHECK(t.hub.metrics().authentication_failures == 1);
}

TEST_CASE("SEC-05 a token is expired at se plus the skew, not a millisecond before") {
  Settings lenient;
  lenient.sas_clock_skew = 300s;
  for (const bool skew : {false, true}) {
    TestHub t(skew ? lenient : Settings{});
    t.create("d");
    const auto token = token_over("h/devices/d", device_key, t.now + 10s);
    const auto last = t.now + 10s + (skew ? 300s : 0s);
    CHECK(t.hub.access().authenticate_sas(token, last - 1ms));
    CHECK_FALSE(t.hub.access().authenticate_sas(token, last));
  }
}

TEST_CASE("SEC-06 scope is a prefix by segment") {  // S26
  CHECK(scope_covers({}, {"devices", "a"}));
  CHECK(scope_covers({"devices"}, {"devices", "a"}));
  CHECK(scope_covers({"DEVICES", "a"}, {"devices", "a", "messages"}));
  CHECK_FALSE(scope_covers({"devices", "a"}, {"devices", "ab"}));
  CHECK_FALSE(scope_covers({"devices", "A"}, {"devices", "a"}));
  CHECK_FALSE(scope_covers({"devices", "a", "messages"}, {"devices", "a"}));
  CHECK(scope_covers({"devices", "a", "api-version=2016-11-14"}, {"devices", "a"}));  // M-13
  CHECK_FALSE(scope_covers({"devices", "a%3Ab"}, {"devices", "a:b"}));                // SEC-21
}

TEST_CASE("SEC-07 policies carry their documented rights and no others") {
  const auto policies = default_policies(well_known_key);
  const auto rights = [&](std::string_view name) {
    for (const auto& policy : policies) {
      if (policy.name == name) return policy.rights;
    }
    return Rights{0};
  };
  CHECK(rights("iothubowner") == 15);
  CHECK(rights("service") == static_cast<Rights>(Right::service_connect));
  CHECK(rights("device") == static_cast<Rights>(Right::device_connect));
  CHECK(rights("registryRead") == static_cast<Rights>(Right::registry_read));
  CHECK(rights("registryReadWrite") == 3);

  TestHub t;
  t.create("d");
  const auto principal = [&](std::string_view policy, std::string sr = "localhost") {
    return *t.hub.access().authenticate_sas(
        token_over(std::move(sr), well_known_key, t.now + 1h, policy), t.now);
  };
  CHECK(t.hub.access().authorize_device(principal("device"), {"d"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal("service"), {"d"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal("device"), {"unknown"}, t.now));
  CHECK(t.hub.access().authorize_device(principal("device", "localhost%2Fdevices"), {"d"}, t.now));
  CHECK_FALSE(
      t.hub.access().authorize_device(principal("device", "localhost/devices/e"), {"d"}, t.now));
  const auto service = principal("service");
  CHECK(t.hub.access().authorize_service(service, Right::service_connect, {"messages"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_service(service, Right::registry_read, {"devices"}, t.now));
  CHECK_FALSE(t.hub.access().authenticate_sas(
      token_over("localhost", well_known_key, t.now + 1h, "nopolicy"), t.now));
}

TEST_CASE("SEC-08 a device's own token opens that device and nothing else") {
  TestHub t;
  t.create("dev1");
  t.create("dev10");
  const auto principal =
      *t.hub.access().authenticate_sas(token_over("h/devices/dev1", device_key, t.now + 1h), t.now);
  CHECK(t.hub.access().authorize_device(principal, {"dev1"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal, {"dev10"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal, {"Dev1"}, t.now));
  CHECK_FALSE(
      t.hub.access().authorize_service(principal, Right::service_connect, {"messages"}, t.now));
  CHECK_FALSE(
      t.hub.access().authenticate_sas(token_over("h/devices/Dev1", device_key, t.now + 1h), t.now));
  CHECK_FALSE(
      t.hub.access().authenticate_sas(token_over("h/devices", device_key, t.now + 1h), t.now));

  REQUIRE(t.hub.registry().remove({"dev1"}, {}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal, {"dev1"}, t.now));
  t.create("dev1");  // a new generation: the old proof is worth nothing
  CHECK_FALSE(t.hub.access().authorize_device(principal, {"dev1"}, t.now));
}

TEST_CASE("SEC-09 an id that was encoded twice is found") {
  TestHub t;
  t.create("a:b");
  for (const char* sr : {"h/devices/a:b", "h/devices/a%3Ab", "h%2Fdevices%2Fa%253Ab"}) {
    const auto principal =
        t.hub.access().authenticate_sas(token_over(sr, device_key, t.now + 1h), t.now);
    REQUIRE_MESSAGE(principal, sr);
    CHECK(t.hub.access().authorize_device(*principal, {"a:b"}, t.now));
  }
}

TEST_CASE(
    "SEC-21 a policy's token is narrowed to the id that its sr gives when it is decoded once") {
  TestHub t;
  t.create("d1");
  t.create("d%31");
  const auto opens = [&](std::string sr, const DeviceId& id) {
    const auto principal = t.hub.access().authenticate_sas(
        token_over(std::move(sr), well_known_key, t.now + 1h, "device"), t.now);
    return t.hub.access().authorize_device(*principal, id, t.now).has_value();
  };
  CHECK(opens("h%2Fdevices%2Fd1", {"d1"}));
  CHECK(opens("h/devices/d%31", {"d1"}));
  CHECK_FALSE(opens("h%2Fdevices%2Fd%2531", {"d1"}));
  CHECK(opens("h%2Fdevices%2Fd%2531", {"d%31"}));
  CHECK_FALSE(opens("h/devices/d1", {"d%31"}));
}

TEST_CASE("SEC-21 where both readings of an id are registered, the key says which is meant") {
  TestHub t;
  const std::string other_key = base64_encode("another-key-of-32-bytes-.-.-.-.-");
  t.create("a:b");
  DeviceSpec spec;
  spec.id = {"a%3Ab"};
  spec.primary_key = spec.secondary_key = other_key;
  REQUIRE(t.hub.registry().create(spec, t.now));
  const std::string sr = "h%2Fdevices%2Fa%253Ab";
  const auto by = [&](std::string_view key) {
    return *t.hub.access().authenticate_sas(token_over(sr, key, t.now + 1h), t.now);
  };
  CHECK(t.hub.access().authorize_device(by(device_key), {"a:b"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(by(device_key), {"a%3Ab"}, t.now));
  CHECK(t.hub.access().authorize_device(by(other_key), {"a%3Ab"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(by(other_key), {"a:b"}, t.now));
}

TEST_CASE(
    "C2D-50 who comes with an expired token hears the hub's time, and if the machine's clock was "
    "set") {
  TestHub t;
  t.create("d");
  const auto token = token_over("h/devices/d", device_key, t.now - 1h);
  const auto why = [&] { return t.hub.access().authenticate_sas(token, t.now).error().detail; };
  const std::string times = "the token expired at " + to_iso8601(t.now - 1h) +
                            ", and the hub's clock is at " + to_iso8601(t.now);
  CHECK(why() == times + ": make a new one");
  t.hub.access().note_clock_drift(-3h);
  CHECK(why() == times +
                     "; this machine's clock was set back by 180 minutes since the hub started, "
                     "which keeps to its own: restart the hub");
  t.hub.access().note_clock_drift(3h);  // the hub is behind, and the token has ended even so
  CHECK(why() == times + ": make a new one");
}

TEST_CASE("SEC-10 a disabled device is refused") {
  TestHub t;
  t.create("d");
  const auto token = token_over("h/devices/d", device_key, t.now + 1h);
  const auto principal = *t.hub.access().authenticate_sas(token, t.now);
  DeviceSpec spec;
  spec.id = {"d"};
  spec.status = DeviceStatus::disabled;
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK_FALSE(t.hub.access().authenticate_sas(token, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(principal, {"d"}, t.now));
}

TEST_CASE("SEC-11 a certificate opens its device by thumbprint, one method per device") {
  TestHub t;
  t.create("keys");
  DeviceSpec spec;
  spec.id = {"x"};
  spec.secondary_thumbprint = "AA:" + std::string(62, 'b');
  REQUIRE(t.hub.registry().create(spec, t.now));
  const ClientCertificate certificate{std::string(40, '1'), "aa" + std::string(62, 'b'), "x"};
  const auto principal = t.hub.access().authenticate_certificate({"x"}, certificate, t.now);
  REQUIRE(principal);
  CHECK(t.hub.access().authorize_device(*principal, {"x"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, {"keys"}, t.now));
  CHECK_FALSE(t.hub.access().authenticate_certificate({"keys"}, certificate, t.now));
  CHECK_FALSE(t.hub.access().authenticate_certificate(
      {"x"}, {std::string(40, '1'), std::string(64, '2'), "x"}, t.now));
  CHECK_FALSE(
      t.hub.access().authenticate_sas(token_over("h/devices/x", device_key, t.now + 1h), t.now));
}

TEST_CASE("SEC-15 a CA-signed certificate opens the device that its common name names") {
  TestHub t;
  t.create("keys");
  for (const char* id : {"x", "X"}) {
    DeviceSpec spec;
    spec.id = {id};
    spec.authentication_type = hub::AuthenticationType::certificate_authority;
    REQUIRE(t.hub.registry().create(spec, t.now));
  }
  ClientCertificate certificate{std::string(40, '1'), std::string(64, '2'), "x", true};
  const auto principal = t.hub.access().authenticate_certificate({"x"}, certificate, t.now);
  REQUIRE(principal);
  CHECK(t.hub.access().authorize_device(*principal, {"x"}, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, {"X"}, t.now));
  CHECK_FALSE(t.hub.access().authenticate_certificate({"X"}, certificate, t.now));
  CHECK_FALSE(t.hub.access().authenticate_certificate({"keys"}, certificate, t.now));
  CHECK_FALSE(
      t.hub.access().authenticate_sas(token_over("h/devices/x", device_key, t.now + 1h), t.now));
  certificate.chain_trusted = false;
  CHECK_FALSE(t.hub.access().authenticate_certificate({"x"}, certificate, t.now));
}

TEST_CASE("SEC-14 disableDeviceSAS refuses the tokens of devices, not those of policies") {
  hub::Settings settings;
  REQUIRE(settings.set("disableDeviceSAS", "true"));
  TestHub t(settings);
  t.create("d");
  const auto refused =
      t.hub.access().authenticate_sas(token_over("h/devices/d", device_key, t.now + 1h), t.now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("disableDeviceSAS") != std::string::npos);
  CHECK(t.hub.access().authenticate_sas(
      make_sas_token("localhost", well_known_key, t.now + 1h, "iothubowner"), t.now));
}

TEST_CASE("SEC-13 refusals never repeat the signature") {
  TestHub t;
  t.create("d");
  auto token = token_over("h/devices/d", well_known_key, t.now + 1h);
  const auto sig = parse_sas_token(token)->sig;
  const auto refused = t.hub.access().authenticate_sas(token, t.now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find(sig) == std::string::npos);
}

TEST_CASE("SEC-22 what is wrong with a token's form is said with the form that is expected") {
  TestHub t;
  t.create("d");
  const std::string good = token_over("h/devices/d", device_key, t.now + 1h);
  const std::string fields = good.substr(good.find(' ') + 1);
  struct Row {
    std::string token;
    const char* why;
    const char* remedy;
  };
  const Row rows[] = {
      {"", "the token is empty", "its form is SharedAccessSignature sr="},
      {"HostName=localhost;DeviceId=d;SharedAccessKey=" + std::string(device_key),
       "the token is a connection string", "sign one with its key"},
      {std::string(device_key), "a key was given in the place of a token", "sign one with it"},
      {"secret", "the token is no SharedAccessSignature", "its form is SharedAccessSignature sr="},
      {fields, "the token lacks the word SharedAccessSignature", "its form is"},
      {"sharedaccesssignature " + fields, "written in another case", "its form is"},
      {"\"" + good + "\"", "the token has something in front of SharedAccessSignature",
       "its form is"},
      {"SharedAccessSignature%20" + fields, "percent-encoded as a whole",
       "only the values of sr and sig"},
      {"SharedAccessSignature" + fields, "no space behind SharedAccessSignature", "its form is"},
      {"SharedAccessSignature  " + fields, "more than one space behind SharedAccessSignature",
       "write one"},
      {"SharedAccessSignature \t" + fields, "more than one space", "write one"},
      {"SharedAccessSignature sig=x&se=1", "the token lacks sr", "its form is"},
      {"SharedAccessSignature sr=x&se=1", "the token lacks sig", "its form is"},
      {"SharedAccessSignature sr=x&sig=x", "the token lacks se", "its form is"},
      {"SharedAccessSignature sr=x&sig&se=1", "a field of the token has no '='", "percent-encoded"},
      {"SharedAccessSignature sr=x&sig=x&se=2030-01-01T00:00:00Z", "se of the token is no time",
       "digits only, such as 1900000000"},
      {good + std::string(5000, 'x'), "characters, and 4096 are allowed", "4096"},
      {good + "&skn=" + std::string(300, 'p'), "skn of the token", "256"},
  };
  for (const auto& [token, why, remedy] : rows) {
    CAPTURE(why);
    const auto refused = t.hub.access().authenticate_sas(token, t.now);
    REQUIRE_FALSE(refused);
    const std::string& text = refused.error().detail;
    CAPTURE(text);
    CHECK(text.find(why) != std::string::npos);
    CHECK(text.find(remedy) != std::string::npos);
    for (const std::string_view secret :
         {std::string_view(device_key), std::string_view("secret")}) {
      CHECK(text.find(secret) == std::string::npos);
    }
  }
}

TEST_CASE("SEC-22 a refusal names who was refused, why, and what to do") {
  TestHub t;
  t.create("d");
  t.create("e");
  DeviceSpec by_certificate;
  by_certificate.id = {"x"};
  by_certificate.primary_thumbprint = std::string(40, 'a');
  REQUIRE(t.hub.registry().create(by_certificate, t.now));
  const auto refusal = [&](const std::string& token, const DeviceId& device) {
    const auto principal = t.hub.access().authenticate_sas(token, t.now);
    if (!principal) return principal.error().detail;
    const auto allowed = t.hub.access().authorize_device(*principal, device, t.now);
    return allowed ? std::string("none") : allowed.error().detail;
  };
  const auto of_policy = [&](std::string sr, std::string_view key, std::string_view policy) {
    return token_over(std::move(sr), key, t.now + 1h, policy);
  };
  const auto own = [&](std::string sr, std::string_view key = device_key) {
    return token_over(std::move(sr), key, t.now + 1h);
  };
  struct Row {
    std::string text, who, why, remedy;
  };
  const Row rows[] = {
      {refusal(own("h/devices/d", well_known_key), {"d"}), "device d",
       "the signature fits neither key", "take the key from the registry"},
      {refusal(own("h/devices/x"), {"x"}), "device x", "uses selfSigned, not keys",
       "change its authentication type to sas"},
      {refusal(own("h/devices/e"), {"d"}), "device d", "the token's scope does not cover",
       "its sr says {host}/devices/e"},
      {refusal(own("h"), {"d"}), "sr={host}/devices/{id}", "must name a device", "skn={policy}"},
      {refusal(of_policy("h", device_key, "device"), {"d"}), "policy device",
       "the signature fits neither key", "the key that the hub printed"},
      {refusal(of_policy("h", well_known_key, "devise"), {"d"}), "devise",
       "there is no shared access policy",
       "this hub has iothubowner, service, device, registryRead"},
      {refusal(of_policy("h", well_known_key, "service"), {"d"}), "policy service",
       "lacks DeviceConnect", "a policy such as device"},
  };
  for (const auto& [text, who, why, remedy] : rows) {
    CAPTURE(text);
    for (const std::string& part : {who, why, remedy}) CHECK(text.find(part) != std::string::npos);
  }
  const auto service = [&](const std::string& token, Right right) {
    return t.hub.access()
        .authorize_service(*t.hub.access().authenticate_sas(token, t.now), right, {"devices"},
                           t.now)
        .error()
        .detail;
  };
  CHECK(service(own("h/devices/d"), Right::registry_read) ==
        "d lacks RegistryRead; take the token of a policy that has it, such as iothubowner");
  CHECK(service(of_policy("h", well_known_key, "device"), Right::service_connect) ==
        "policy device lacks ServiceConnect; take the token of a policy that has it, such as "
        "iothubowner");
}

TEST_CASE("SEC-23 a token whose end is given in milliseconds is good, and said to live for ever") {
  TestHub t;
  t.create("d");
  const auto in = [&](std::int64_t se) {
    t.log.lines.clear();
    const auto end = from_unix_seconds(se);
    CHECK(t.hub.access().authenticate_sas(token_over("h/devices/d", device_key, end), t.now));
    return t.log.lines;
  };
  CHECK(in(253'402'300'799).empty());  // the end of the year 9999, as some give it on purpose
  const std::string ms = std::to_string(to_unix_ms(t.now));
  CHECK(in(to_unix_ms(t.now)) ==
        std::vector<std::string>{"a token never expires: its se looks like milliseconds of=d se=" +
                                 ms + " remedy=se is Unix time in seconds"});
}
