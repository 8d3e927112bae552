#include "emulator/app/config.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "tests/unit/net/net_test_support.hpp"

using app::Action;
using app::Config;

namespace {

app::Invocation parse(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
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
  explicit ConfigFile(std::string_view text) {
    app::write_file_atomically(path(), text, 0600);
  }
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
      "IOTHUB_EMULATOR_CONFIG=" + file.path(), "IOTHUB_EMULATOR_AMQPS_PORT=2002",
      "IOTHUB_EMULATOR_HTTPS_PORT=2003", "IOTHUB_EMULATOR_SAN=e1,e2",
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
  CHECK(config.settings == std::vector<std::pair<std::string, std::string>>{
                               {"cloudToDevice.maxDeliveryCount", "3"},
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

TEST_CASE("N-13 an unknown environment variable is a warning: Kubernetes makes such names") {
  const auto invocation = parse({}, {"IOTHUB_EMULATOR_SERVICE_HOST=10.0.0.1"});
  REQUIRE(invocation.warnings.size() == 1);
  CHECK(invocation.warnings[0].find("IOTHUB_EMULATOR_SERVICE_HOST") != std::string::npos);
}

TEST_CASE("N-13 --print-config prints a config file of the same meaning, without a private key") {
  const auto key = "c29tZSBvdGhlciBrZXkgb2YgYSBodWI=";
  const auto config =
      parse({"--hub", "my.hub", "--mqtt-port", "0", "--san", "x", "--set", "feedback.window=PT1S"}).config;
  const ConfigFile file(app::to_json(config));
  CHECK(app::to_json(parse({"--config", file.path()}).config) == app::to_json(config));
  const auto shown = app::to_json(parse({"--key", key}).config);
  CHECK(shown.find(key) == std::string::npos);
  CHECK(parse({"--print-config"}).action == Action::print_config);
}

TEST_CASE("N-13 --help lists every flag; --version and --health are actions") {
  const auto help = parse({"--help"});
  CHECK(help.action == Action::help);
  for (const char* flag : {"--hub", "--listen", "--mqtts-port", "--amqps-port", "--https-port", "--mqtt-port",
                           "--amqp-port", "--http-port", "--control-port", "--control-listen", "--threads",
                           "--data", "--tls-dir", "--san", "--key", "--seed", "--set", "--ready-file", "--log-level",
                           "--log-format", "--print-config", "--version", "--config"}) {
    INFO(flag);
    CHECK(help.help.find(flag) != std::string::npos);
  }
  CHECK(parse({"--version"}).action == Action::version);
  CHECK(parse({"--health"}).action == Action::health);
}
