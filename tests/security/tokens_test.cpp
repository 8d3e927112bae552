// SAS tokens exactly as each SDK builds them, over each protocol (spec/c2d.md 6.3, https.md 1.3,
// mqtt.md 2.3, amqp.md 2.1 and 2.4), and what is refused.
#include "emulator/core/base/encoding.hpp"
#include "tests/security/doors.hpp"

#include <cctype>

using namespace security;

namespace {

// The escaping functions of the SDKs' languages; the hub's own has no part in it.
std::string escape(std::string_view text, std::string_view kept, bool lower) {
  const char* digits = lower ? "0123456789abcdef" : "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || kept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append(1, '%').append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
  return out;
}
std::string encode_uri_component(std::string_view text) {
  return escape(text, "-_.!~*'()", false);
}  // Node
std::string quote(std::string_view text) { return escape(text, "-_.~", false); }           // Python
std::string url_encode(std::string_view text) { return escape(text, "-_.!*()", false); }   // C#
std::string url_encoder(std::string_view text) { return escape(text, "-_.*", false); }     // Java
std::string c_url_encode(std::string_view text) { return escape(text, "-_.!*()", true); }  // C

struct Token {
  const char* who;
  std::string sr;
  std::string sig_escape;  // upper, lower, or the slash left as it is
  std::string order;       // of the fields, `k` for skn
};

std::string sign(const Token& token, std::string_view key, hub::TimePoint expiry,
                 const std::string& skn = {}) {
  const std::string se = std::to_string(hub::to_unix_ms(expiry) / 1000);
  const std::string sig =
      hub::base64_encode(hub::hmac_sha256(*hub::base64_decode(key), token.sr + "\n" + se));
  std::string text;
  for (const char field : token.order) {
    if (field == 'k' && skn.empty()) continue;
    text += text.empty() ? "SharedAccessSignature " : "&";
    switch (field) {
      case 'r':
        text += "sr=" + token.sr;
        break;
      case 'g':
        text += "sig=" + (token.sig_escape == "lower"   ? escape(sig, "", true)
                          : token.sig_escape == "slash" ? escape(sig, "/", false)
                                                        : escape(sig, "", false));
        break;
      case 'e':
        text += "se=" + se;
        break;
      case 'k':
        text += "skn=" + skn;
        break;
      default:
        FAIL("no such field");
    }
  }
  return text;
}

std::vector<Token> device_tokens(const std::string& host, const std::string& id) {
  const std::string plain = host + "/devices/" + id;
  return {
      {"Node", encode_uri_component(plain), "upper", "rgke"},
      {"Python", quote(plain), "upper", "rgek"},
      {"Python over AMQP: nothing escaped, the slash of sig neither", host + "/devices/" + id,
       "slash", "rgek"},
      {"C: raw slashes, lower-case escapes", host + "/devices/" + c_url_encode(id), "lower",
       "rgek"},
      {"C#: id escaped, then all of it", url_encode(host + "/devices/" + url_encode(id)), "upper",
       "rgek"},
      {"Java: sig, se, sr, raw slashes", host + "/devices/" + url_encoder(id), "upper", "ger"},
      {"Embedded C", escape(plain, "-_.~", false), "upper", "rgek"},
      {"lower-case escapes all over", escape(plain, "-_.~", true), "lower", "rgek"},
      {"fields backwards", quote(plain), "upper", "egr"},
  };
}

int https_receive(HttpHub& hub, const std::string& id, const std::string& token) {
  return https(hub, "GET", "/devices/" + quote(id) + "/messages/deviceBound", token);
}

}  // namespace

TEST_CASE("SEC-17 a device's token is good over every protocol in the form of every SDK") {
  for (const std::string id : {"d1", "a-b.c%-d_e*f?g!h(i),j:k=l@m$n'o;p+q#r"}) {
    CAPTURE(id);
    HttpHub hub;
    hub.create(id);
    hub.create("other");
    for (const std::string host : {"localhost", "LocalHost", "my-hub.azure-devices.net"}) {
      for (const Token& form : device_tokens(host, id)) {
        CAPTURE(form.who);
        const std::string token = sign(form, device_key, hub.now + 1h);
        CAPTURE(token);
        CHECK(https_receive(hub, id, token) == 204);
        CHECK(https_receive(hub, "other", token) == 401);
        Amqp amqp(hub, token);
        CHECK(amqp.status() == 200);
        CHECK(amqp.receiver("/devices/" + quote(id) + "/messages/devicebound") != nullptr);
        CHECK(amqp.receiver(devicebound("other")) == nullptr);
        CHECK(Mqtt(hub, {.device = id, .password = token}).accepted());
        CHECK_FALSE(Mqtt(hub, {.device = "other", .password = token}).accepted());
      }
    }
  }
}

TEST_CASE("SEC-17 a policy's token is good in the form of every SDK and tool") {
  std::vector<hub::SharedAccessPolicy> policies = hub::default_policies(well_known_key);
  policies.push_back({"my policy/1", std::string(well_known_key), std::string(well_known_key), 15});
  HttpHub hub({}, false, policies);
  hub.create("d1");
  struct Form {
    Token token;
    std::string skn;
  };
  const Form forms[] = {
      {{"Node: host as it is", "localhost", "upper", "rgke"}, "iothubowner"},
      {{"C#: host escaped", url_encode("my.hub"), "upper", "rgek"}, "iothubowner"},
      {{"Java: host in lower case", "localhost", "upper", "gerk"}, "iothubowner"},
      {{"Python, CLI", quote("localhost"), "slash", "rgek"}, "iothubowner"},
      {{"C", "localhost", "lower", "rgek"}, "iothubowner"},
      {{"with a slash behind the host", "localhost%2F", "upper", "rgek"}, "iothubowner"},
      {{"a name that wants escapes", "localhost", "upper", "rgek"},
       encode_uri_component("my policy/1")},
      {{"amqp.md 2.4: with a scheme", url_encode("amqps://localhost:5671/"), "upper", "rgek"},
       "iothubowner"},
      {{"amqp.md 2.4: with a scheme, nothing escaped", "https://localhost/", "upper", "rgek"},
       "iothubowner"},
  };
  for (const auto& [form, skn] : forms) {
    CAPTURE(form.who);
    const std::string token = sign(form, well_known_key, hub.now + 1h, skn);
    CHECK(https(hub, "GET", "/devices/d1", token) == 200);
    CHECK(https_receive(hub, "d1", token) == 204);  // the CLI does all a device does this way
    Amqp amqp(hub, token);
    CHECK(amqp.sender("/messages/devicebound") != nullptr);
    CHECK(amqp.receiver("/messages/serviceBound/feedback") != nullptr);
    CHECK(Mqtt(hub, {.device = "d1", .password = token}).accepted());
  }
}

TEST_CASE(
    "SEC-17 what differs in one character from what was signed is refused over every protocol") {
  HttpHub hub;
  hub.create("d1");
  const Token form{"", "localhost%2Fdevices%2Fd1", "upper", "rge"};
  const std::string good = sign(form, device_key, hub.now + 1h);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string token = good;
    token.replace(token.find(from), from.size(), to);
    return token;
  };
  struct Row {
    const char* what;
    std::string token;
  };
  const Row rows[] = {
      {"another casing of the escapes", changed("%2Fd1", "%2fd1")},
      {"sr decoded", changed("localhost%2Fdevices%2Fd1", "localhost/devices/d1")},
      {"another host", changed("localhost", "localhosT")},
      {"a later end", changed("&se=1", "&se=2")},
      {"se with a zero in front", changed("&se=", "&se=0")},
      {"the scheme in lower case", changed("SharedAccessSignature", "sharedaccesssignature")},
      {"two spaces", changed("SharedAccessSignature ", "SharedAccessSignature  ")},
      {"no sig", changed("&sig=", "&sign=")},
      {"skn of a policy", good + "&skn=iothubowner"},
      {"skn of nobody", good + "&skn=nobody"},
      {"a key of the hub without skn", sign(form, well_known_key, hub.now + 1h)},
      {"expired this instant", sign(form, device_key, hub.now)},
      {"se beyond 64 bits", changed("&se=", "&se=99999999999")},
      {"longer than 4096 characters", good + "&x=" + std::string(5000, 'x')},
  };
  for (const auto& [what, token] : rows) {
    CAPTURE(what);
    CHECK(https_receive(hub, "d1", token) == 401);
    CHECK(Amqp(hub, token).status() == 401);
    CHECK_FALSE(Mqtt(hub, {.device = "d1", .password = token}).accepted());
  }
  // ... and what is the same to the hub.
  for (const std::string& token :
       {good, good + "&", good + "&skn=", good + "&more=1", changed("&sig=", "&SIG="),
        changed("SharedAccessSignature ", "SharedAccessSignature &"),
        sign(form, device_key, hub::from_unix_seconds(32'503'680'000))}) {
    CAPTURE(token);
    CHECK(https_receive(hub, "d1", token) == 204);
    CHECK(Amqp(hub, token).status() == 200);
    CHECK(Mqtt(hub, {.device = "d1", .password = token}).accepted());
  }
}

TEST_CASE("SEC-17 a policy's secondary key is as good as its primary, over every protocol") {
  const std::string second = hub::base64_encode("the second key of 32 bytes -----");
  HttpHub hub({}, false, {{"owner", std::string(well_known_key), second, 15}});
  hub.create("d1");
  for (const std::string& key : {std::string(well_known_key), second, std::string(device_key)}) {
    const bool may = key != device_key;
    const std::string token = hub::make_sas_token("localhost", key, hub.now + 1h, "owner");
    CHECK(https(hub, "GET", "/devices/d1", token) == (may ? 200 : 401));
    CHECK(Amqp(hub, token).status() == (may ? 200 : 401));
    CHECK(Mqtt(hub, {.device = "d1", .password = token}).accepted() == may);
  }
}

TEST_CASE(
    "SEC-17 M-13 the tool that signs an api-version below the device gets in, as that device "
    "only") {
  HttpHub hub;
  hub.create("d1");
  hub.create("d2");
  const std::string token =
      sign({"", "localhost%2Fdevices%2Fd1%2Fapi-version%3D2016-11-14", "upper", "rge"}, device_key,
           hub.now + 1h);
  CHECK(Mqtt(hub, {.device = "d1", .password = token}).accepted());
  CHECK_FALSE(Mqtt(hub, {.device = "d2", .password = token}).accepted());
  Amqp amqp(hub, token);
  CHECK(amqp.receiver(devicebound("d1")) != nullptr);
  CHECK(amqp.receiver(devicebound("d2")) == nullptr);
}
