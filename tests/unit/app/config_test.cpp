#include "emulator/app/config.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "emulator/core/settings/setting_list.hpp"
#include "tests/unit/net/net_test_support.hpp"

using app::Action;
using app::Config;

namespace {

app::Invocation parse(std::vector<std::string> arguments,
                      std::vector<std::string> environment = {}) {
  const auto parsed = app::parse_invocation(arguments, environment);
  if (const auto* error = std::get_if<app::ConfigError>(&parsed)) FAIL(error->line);
  return std::get<app::Invocation>(parsed);
}

std::string refusal(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
  const auto parsed = app::parse_invocation(arguments, environment);
  const auto* error = std::get_if<app::ConfigError>(&parsed);
  return error == nullptr ? "" : error->line;
}

struct ConfigFile {
  explicit ConfigFile(std::string_view text) { app::write_file_atomically(path(), text, 0600); }
  std::string path() const { return folder.path() / "config.json"; }
  net_test::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("N-13 without anything the defaults of the contract hold") {
  const Config config = parse({}).config;
  CHECK(config.hub == "localhost");
  CHECK(config.listen == "127.0.0.1");
  CHECK(config.mqtts_port == std::uint16_t{8883});
  CHECK(config.amqps_port == std::uint16_t{5671});
  CHECK(config.https_port == std::uint16_t{443});
  CHECK(config.control_port == std::uint16_t{9400});
  CHECK_FALSE(config.mqtt_port);
  CHECK_FALSE(config.amqp_port);
  CHECK_FALSE(config.http_port);
  CHECK(config.data.empty());
  CHECK(config.threads == 1);
}

TEST_CASE("N-13 flag before environment before file before default") {
  const ConfigFile file(R"({
    // comments are allowed
    "hub": "from-file", "mqtts-port": 1001, "amqps-port": "1002", "https-port": 1003, "san": ["f1", "f2"],
    "set": {"cloudToDevice.maxDeliveryCount": 3, "feedback.window": "PT1S"},
  })");
  const std::vector<std::string> environment{
      "IOTHUB_EMULATOR_CONFIG=" + file.path(),    "IOTHUB_EMULATOR_AMQPS_PORT=2002",
      "IOTHUB_EMULATOR_HTTPS_PORT=2003",          "IOTHUB_EMULATOR_SAN=e1,e2",
      "IOTHUB_EMULATOR_SET=feedback.window=PT2S", "PATH=/bin"};
  const auto invocation = parse({"--https-port", "off", "--set", "deliveryCountMode=every-return",
                                 "--set=Feedback.Window=PT3S", "--san", "a", "--san", "b"},
                                environment);
  const Config& config = invocation.config;
  CHECK(config.hub == "from-file");
  CHECK(config.mqtts_port == std::uint16_t{1001});
  CHECK(config.amqps_port == std::uint16_t{2002});
  CHECK_FALSE(config.https_port);
  CHECK(config.sans == std::vector<std::string>{"a", "b"});
  CHECK(config.settings ==
        std::vector<std::pair<std::string, std::string>>{{"cloudToDevice.maxDeliveryCount", "3"},
                                                         {"deliveryCountMode", "every-return"},
                                                         {"Feedback.Window", "PT3S"}});
  CHECK(invocation.warnings.empty());
  CHECK(parse({}, environment).config.sans == std::vector<std::string>{"e1", "e2"});
}

TEST_CASE("N-13 what is unknown or wrong is refused in one line that names it") {
  const auto names = [](const std::string& line, std::string_view what) {
    INFO(line);
    CHECK(line.find(what) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  };
  names(refusal({"--no-such-flag"}), "--no-such-flag");
  names(refusal({"stray"}), "stray");
  names(refusal({"--hub"}), "--hub");
  names(refusal({"--mqtts-port", "many"}), "--mqtts-port: \"many\"");
  names(refusal({"--mqtts-port", "65536"}), "--mqtts-port");
  names(refusal({"--mqtts-port", "-1"}), "--mqtts-port");
  names(refusal({"--listen", "nowhere"}), "--listen: \"nowhere\"");
  names(refusal({"--log-level", "loud"}), "--log-level");
  names(refusal({"--log-format", "xml"}), "--log-format");
  names(refusal({"--set", "no.such.setting=1"}), "no.such.setting");
  names(refusal({"--set", "cloudToDevice.maxDeliveryCount=1000"}), "maxDeliveryCount");
  names(refusal({"--set", "nothing"}), "NAME=VALUE");
  names(refusal({}, {"IOTHUB_EMULATOR_MQTTS_PORT=x"}), "IOTHUB_EMULATOR_MQTTS_PORT: \"x\"");
  names(refusal({}, {"IOTHUB_EMULATOR_HUB=h\xff"}), "IOTHUB_EMULATOR_HUB: the value is not UTF-8");
  names(refusal({"--config", "/no/such/file.json"}), "/no/such/file.json");
  const ConfigFile unknown(R"({"mqtt-prot": 1})");
  names(refusal({"--config", unknown.path()}), "unknown key \"mqtt-prot\"");
  const ConfigFile wrong(R"({"mqtts-port": [1, 2]})");
  names(refusal({"--config", wrong.path()}), "mqtts-port");
  const ConfigFile broken("{");
  names(refusal({"--config", broken.path()}), broken.path());
}

TEST_CASE("APP-24 what names the hub in a certificate or a Host is a name") {
  for (const char* name : {"*.hub.test", "10.0.0.7", "::1", "my-host", "my_container"}) {
    CHECK(parse({"--san", name}).config.sans == std::vector<std::string>{name});
  }
  for (const char* name : {"a,b", "https://foo", "*", " ", "a:8883", "a.*.b"}) {
    CAPTURE(name);
    CHECK(refusal({"--san", name}).find("host name") != std::string::npos);
    CHECK(refusal({"--control-host", name}).find("host name") != std::string::npos);
  }
}

TEST_CASE("APP-05 a flag takes one value; what follows it is refused") {
  for (const char* flag :
       {"--data", "--mqtts-port", "--hub", "--san", "--set", "--key", "--config"}) {
    INFO(flag);
    const auto line = refusal({flag, "1", "stray"});
    CHECK(line.find("not expected: stray") != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  }
  // Given again the last one holds: an image's entry point has flags that its user may replace.
  CHECK(parse({"--data", "A", "--data", "B"}).config.data == "B");
  CHECK(parse({"--help"}).help.find("last value holds") != std::string::npos);
  CHECK(parse({"--san", "a", "--san", "b"}).config.sans == std::vector<std::string>{"a", "b"});
}

TEST_CASE("APP-06 the hub's name is a host name and nothing else") {
  const std::string longest(63, 'a');
  for (const auto& name : {std::string("localhost"), std::string("my-hub.azure-devices.net"),
                           std::string("127.0.0.1"), std::string("H1"), longest + "." + longest}) {
    INFO(name);
    CHECK(parse({"--hub", name}).config.hub == name);
  }
  for (const auto& name :
       {std::string("a;b=c"), std::string("a\nb"), std::string("a:8883"), std::string("a b"),
        std::string(" a"), std::string("."), std::string("a."), std::string(".a"),
        std::string("a..b"), std::string("-a"), std::string("a-"), std::string("a_b"),
        std::string("h\xc3\xbc"
                    "b"),
        std::string("[::1]"), longest + "a",
        longest + "." + longest + "." + longest + "." + longest}) {
    INFO(name);
    const auto line = refusal({"--hub=" + name});
    CHECK(line.starts_with("--hub: "));
    CHECK(line.find("is no host name") != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
    CHECK_FALSE(refusal({}, {"IOTHUB_EMULATOR_HUB=" + name}).empty());
  }
  CHECK(refusal({}, {"IOTHUB_EMULATOR_HUB="}).find("is no host name") != std::string::npos);
}

TEST_CASE("APP-08 a config file may begin with the mark that editors of Windows write") {
  const ConfigFile file("\xef\xbb\xbf{\"hub\": \"from-file\"}");
  CHECK(parse({"--config", file.path()}).config.hub == "from-file");
}

TEST_CASE("APP-14 an unknown flag, key or variable is told the nearest name") {
  CHECK(refusal({"--mqtt-prot", "1"}).find("did you mean --mqtt-port") != std::string::npos);
  CHECK(refusal({"--set", "feedback.windw=PT1S"}).find("did you mean feedback.window") !=
        std::string::npos);
  const ConfigFile file(R"({"mqtt-prot": 1})");
  CHECK(refusal({"--config", file.path()}).find("did you mean mqtt-port") != std::string::npos);
  CHECK(parse({}, {"IOTHUB_EMULATOR_MQTT_PROT=1"})
            .warnings.at(0)
            .find("did you mean IOTHUB_EMULATOR_MQTT_PORT") != std::string::npos);
}

TEST_CASE("APP-15 --help settings lists every setting with its range and default") {
  const auto help = parse({"--help", "settings"});
  CHECK(help.action == Action::help);
  for (const auto& [name, standard, range, meaning] : hub::all_settings()) {
    INFO(name);
    const auto at = help.help.find("  " + std::string(name) + "\n");
    REQUIRE(at != std::string::npos);
    CHECK(help.help.find(range + "; default " + standard + "\n", at) != std::string::npos);
  }
  CHECK(parse({"--help"}).help.find("--help settings") != std::string::npos);
}

TEST_CASE(
    "APP-11 lists as variables: separated by commas, with or without a blank; --help shows how") {
  const auto config =
      parse({}, {"IOTHUB_EMULATOR_SET=feedback.window=PT1S, cloudToDevice.maxDeliveryCount=3",
                 "IOTHUB_EMULATOR_SAN=a, 10.0.0.1"})
          .config;
  CHECK(config.settings.size() == 2);
  CHECK(config.sans == std::vector<std::string>{"a", "10.0.0.1"});
  const auto help = parse({"--help"}).help;
  CHECK(help.find("IOTHUB_EMULATOR_SAN=a,b") != std::string::npos);
  CHECK(help.find("IOTHUB_EMULATOR_SET=a=1,b=2") != std::string::npos);
}

TEST_CASE("APP-12 a seed given inline is not shown: it may hold keys") {
  const auto json = R"({"devices": [{"id": "d1", "primaryKey": "c2VjcmV0"}, {"id": "d2"}]})";
  CHECK(parse({"--seed", json}).config.seed == json);
  const auto config = parse({}, {std::string("IOTHUB_EMULATOR_SEED=") + json}).config;
  CHECK(config.seed == json);
  CHECK(app::to_json(config).find("c2VjcmV0") == std::string::npos);
  const ConfigFile file(std::string(R"({"seed": )") + json + "}");
  CHECK(parse({"--config", file.path()}).config.seed.starts_with(R"({"devices":)"));
}

TEST_CASE("N-31 --threads is 1 to 64, by flag, environment or file") {
  CHECK(parse({"--threads", "64"}).config.threads == 64);
  CHECK(parse({}, {"IOTHUB_EMULATOR_THREADS=2"}).config.threads == 2);
  const ConfigFile file(R"({"threads": 3})");
  CHECK(parse({"--config", file.path()}).config.threads == 3);
  CHECK(app::to_json(parse({"--threads", "4"}).config).find("\"threads\": 4") != std::string::npos);
  for (const char* wrong : {"0", "65", "-1", "all", "", "2x"}) {
    INFO(wrong);
    CHECK(refusal({"--threads", wrong}).starts_with("--threads: \"" + std::string(wrong) + "\""));
  }
}

TEST_CASE("N-20 a key that is refused is not repeated") {
  const auto line = refusal({"--key", "secret-that-is-no-base64!"});
  CHECK(line.find("--key") != std::string::npos);
  CHECK(line.find("secret") == std::string::npos);
}

TEST_CASE(
    "CT-153 the flags of the control API: a token is in no message and not printed, a file's name "
    "is") {
  const auto config = parse({"--control-token", "sesame", "--control-host", "a", "--control-host",
                             "b", "--control-cors", "http://localhost:5173"})
                          .config;
  CHECK(config.control_token == "sesame");
  CHECK(config.control_hosts == std::vector<std::string>{"a", "b"});
  CHECK(config.control_cors == "http://localhost:5173");
  CHECK(app::to_json(config).find("sesame") == std::string::npos);
  CHECK(app::to_json(parse({"--control-token", "file:/x"}).config).find("file:/x") !=
        std::string::npos);
  const auto line = refusal({"--control-token", "two words"});
  CHECK(line.starts_with("--control-token: "));
  CHECK(line.find("words") == std::string::npos);
  for (const char* wrong :
       {"*", "localhost:5173", "http://", "http://x/page", "null", "http://x y"}) {
    INFO(wrong);
    CHECK(refusal({"--control-cors", wrong}).starts_with("--control-cors: "));
  }
}

TEST_CASE("N-13 an unknown environment variable is a warning: Kubernetes makes such names") {
  const auto invocation = parse({}, {"IOTHUB_EMULATOR_SERVICE_HOST=10.0.0.1"});
  REQUIRE(invocation.warnings.size() == 1);
  CHECK(invocation.warnings[0].find("IOTHUB_EMULATOR_SERVICE_HOST") != std::string::npos);
}

TEST_CASE("N-13 --print-config prints a config file of the same meaning, without a private key") {
  const auto key = "c29tZSBvdGhlciBrZXkgb2YgYSBodWI=";
  const auto config =
      parse({"--hub", "my.hub", "--mqtt-port", "0", "--san", "x", "--set", "feedback.window=PT1S"})
          .config;
  const ConfigFile file(app::to_json(config));
  CHECK(app::to_json(parse({"--config", file.path()}).config) == app::to_json(config));
  const auto shown = app::to_json(parse({"--key", key}).config);
  CHECK(shown.find(key) == std::string::npos);
  CHECK(parse({"--print-config"}).action == Action::print_config);
}

TEST_CASE("N-13 --help lists every flag; --version and --health are actions") {
  const auto help = parse({"--help"});
  CHECK(help.action == Action::help);
  for (const char* flag :
       {"--hub",        "--listen",        "--mqtts-port",   "--amqps-port",   "--https-port",
        "--mqtt-port",  "--amqp-port",     "--http-port",    "--control-port", "--control-listen",
        "--threads",    "--control-token", "--control-host", "--control-cors", "--data",
        "--tls-dir",    "--san",           "--key",          "--seed",         "--set",
        "--ready-file", "--log-level",     "--log-format",   "--print-config", "--version",
        "--config"}) {
    INFO(flag);
    CHECK(help.help.find(flag) != std::string::npos);
  }
  CHECK(parse({"--version"}).action == Action::version);
  CHECK(parse({"--health"}).action == Action::health);
}
