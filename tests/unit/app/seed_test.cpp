#include "emulator/app/seed.hpp"

#include <doctest/doctest.h>

#include "emulator/app/file_io.hpp"
#include "tests/unit/net/net_test_support.hpp"

namespace {

const hub::TimePoint now = hub::from_unix_seconds(1'800'000'000);
constexpr auto key_1 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr auto key_2 = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

struct SeedFile {
  explicit SeedFile(const std::string& text) { app::write_file_atomically(path(), text, 0600); }
  std::string path() const { return folder.path() / "seed.json"; }
  net_test::TemporaryFolder folder;
};

std::string refusal(const std::string& text) {
  const SeedFile file(text);
  try {
    app::load_seed(file.path(), {});
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()).starts_with(file.path()));
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return std::string(error.what()).substr(file.path().size());
  }
  return "it was accepted";
}

}  // namespace

TEST_CASE("N-19 devices, policies and settings come from the seed") {
  const SeedFile file(std::string(R"({
    // two devices
    "devices": [
      {"id": "d1", "primaryKey": ")") +
                      key_1 + R"(", "secondaryKey": ")" + key_2 + R"(",
       "status": "disabled", "statusReason": "lost"},
      {"id": "d2", "primaryThumbprint": "0123456789012345678901234567890123456789"},
      {"id": "d3"}
    ],
    "policies": [{"name": "backend", "primaryKey": ")" +
                      key_1 + R"(", "rights": ["ServiceConnect"]},
                 {"name": "service", "primaryKey": ")" +
                      key_2 + R"(", "rights": ["RegistryRead"]}],
    "settings": {"cloudToDevice.maxDeliveryCount": 3, "feedback.window": "PT1S"}
  })");
  const auto seed = app::load_seed(file.path(), {});
  CHECK(seed.settings.max_delivery_count == 3);
  CHECK(seed.settings.feedback_window == std::chrono::seconds{1});
  auto policies = hub::default_policies(key_1);
  app::merge_policies(policies, seed.policies);
  CHECK(policies.size() == 6);
  for (const auto& policy : policies) {
    if (policy.name == "service")
      CHECK(policy.rights == static_cast<hub::Rights>(hub::Right::registry_read));
  }

  hub::SeededIdSource ids(1);
  hub::NullLog log;
  hub::Hub hub({}, ids, log, now);
  app::seed_devices(hub, seed.devices, now);
  const auto d1 = hub.registry().get({"d1"}, now);
  REQUIRE(d1);
  CHECK(d1->identity.authentication.primary_key == key_1);
  CHECK(d1->identity.authentication.secondary_key == key_2);
  CHECK(d1->identity.status == hub::DeviceStatus::disabled);
  CHECK(d1->identity.status_reason == "lost");
  const auto d2 = hub.registry().get({"d2"}, now);
  REQUIRE(d2);
  CHECK(d2->identity.authentication.type == hub::AuthenticationType::self_signed);
  const auto d3 = hub.registry().get({"d3"}, now);
  REQUIRE(d3);
  CHECK_FALSE(d3->identity.authentication.primary_key.empty());

  // Again, as after a restart with --data: nothing changes, not even an etag.
  app::seed_devices(hub, seed.devices, now);
  CHECK(hub.registry().get({"d1"}, now)->identity.etag == d1->identity.etag);
  CHECK(hub.registry().get({"d3"}, now)->identity.authentication == d3->identity.authentication);
  // What the seed says comes back, what it does not mention stays.
  hub::DeviceSpec enable;
  enable.id.text = "d1";
  enable.status = hub::DeviceStatus::enabled;
  REQUIRE(hub.registry().update(enable, std::nullopt, now));
  app::seed_devices(hub, seed.devices, now);
  CHECK(hub.registry().get({"d1"}, now)->identity.status == hub::DeviceStatus::disabled);
}

TEST_CASE("MOD-18 a seed has modules behind their devices, by key or thumbprint") {
  const SeedFile file(std::string(R"({"devices": [
      {"id": "d1"},
      {"id": "d1", "moduleId": "m", "primaryKey": ")") +
                      key_1 + R"("},
      {"id": "d1", "moduleId": "n", "primaryThumbprint": "0123456789012345678901234567890123456789"}
    ]})");
  const auto seed = app::load_seed(file.path(), {});
  hub::SeededIdSource ids(1);
  hub::NullLog log;
  hub::Hub hub({}, ids, log, now);
  app::seed_devices(hub, seed.devices, now);
  const auto module = hub.registry().get({"d1", "m"}, now);
  REQUIRE(module);
  CHECK(module->identity.authentication.primary_key == key_1);
  CHECK(hub.registry().get({"d1", "n"}, now)->identity.authentication.type ==
        hub::AuthenticationType::self_signed);
  CHECK(hub.registry().get({"d1"}, now)->identity.authentication.primary_key != key_1);
  app::seed_devices(hub, seed.devices, now);  // again: nothing changes
  CHECK(hub.registry().get({"d1", "m"}, now)->identity.etag == module->identity.etag);
  CHECK(refusal(R"({"devices": [{"id": "a", "moduleId": "m", "status": "disabled"}]})") ==
        ": devices[0]: unknown key \"status\"; known are id, deviceId, moduleId, primaryKey, "
        "secondaryKey, "
        "primaryThumbprint, secondaryThumbprint");
  hub::DeviceSpec orphan;
  orphan.id = {"nobody", "m"};
  CHECK_THROWS_WITH(
      app::seed_devices(hub, {orphan}, now),
      doctest::Contains("module m of device nobody: device nobody is not registered"));
}

TEST_CASE("N-19 what is wrong in a seed is named with its place") {
  CHECK(refusal("[]") == ": is no object");
  CHECK(refusal(R"({"device": []})") == ": unknown key \"device\"; did you mean devices?");
  CHECK(refusal(R"({"devices": {}})") == ": devices is no array");
  CHECK(refusal(R"({"devices": [{"id": "a"}, {"primaryKey": "x"}]})") ==
        ": devices[1]: id is missing");
  CHECK(refusal(R"({"devices": [{"id": "a", "color": "red"}]})")
            .starts_with(": devices[0]: unknown key \"color\""));
  CHECK(refusal(R"({"devices": [{"id": "a", "status": "on"}]})") ==
        ": devices[0]: status is enabled or disabled");
  CHECK(refusal(R"({"devices": [{"id": "a", "primaryKey": "x", "primaryThumbprint": "y"}]})") ==
        ": devices[0]: keys or thumbprints, not both");
  CHECK(refusal(R"({"policies": [{"name": "p", "primaryKey": "eA==", "rights": ["All"]}]})")
            .find("not \"All\"") != std::string::npos);
  CHECK(refusal(R"({"policies": [{"name": "p", "primaryKey": "eA=="}]})") ==
        ": policies[0]: rights are missing");
  CHECK(refusal(R"({"settings": {"no.such": 1}})").find("no.such") != std::string::npos);
  CHECK(refusal("{").find("is no JSON") != std::string::npos);
  CHECK(refusal("{\n  \"devices\": [\n    {\"id\": \"a\" \"b\"}\n]}")
            .starts_with(": line 3: is no JSON"));
  CHECK(refusal("{\n\n").starts_with(": line 3: is no JSON"));

  hub::SeededIdSource ids(1);
  hub::NullLog log;
  hub::Hub hub({}, ids, log, now);
  hub::DeviceSpec bad;
  bad.id.text = "a b";
  CHECK_THROWS_WITH(app::seed_devices(hub, {bad}, now), doctest::Contains("a b"));
}

TEST_CASE("APP-07 what stands in a seed twice is refused, and both places are named") {
  CHECK(refusal(R"({"devices": [{"id": "a"}, {"id": "b"}, {"deviceId": "a"}]})") ==
        ": devices[2]: device a is already devices[0]");
  CHECK(
      refusal(
          R"({"devices": [{"id": "a"}, {"id": "a", "moduleId": "m"}, {"id": "a", "moduleId": "m"}]})") ==
      ": devices[2]: module m of device a is already devices[1]");
  CHECK(refusal(R"({"policies": [{"name": "p", "primaryKey": "eA==", "rights": ["RegistryRead"]},
                                 {"name": "p", "primaryKey": "eA==", "rights": ["RegistryRead"]}]})") ==
        ": policies[1]: policy p is already policies[0]");
  CHECK(refusal("{\"devices\": [],\n\"devices\": []}") ==
        ": line 2: \"devices\" stands here again");
  CHECK(refusal("{\"devices\": [{\"id\": \"a\", // \"id\"\n\"i\\u0064\": \"b\"}],}") ==
        ": line 2: \"id\" stands here again");
  CHECK(refusal("{\"a\\u0000b\": 1, \"a\\u0000b\": 2}") ==
        ": line 1: \"a\\u0000b\" stands here again");
  const SeedFile other(
      R"({"devices": [{"id": "a"}, {"id": "A"}]})");  // ids know upper and lower case
  CHECK(app::load_seed(other.path(), {}).devices.size() == 2);
}

TEST_CASE("APP-08 a seed may begin with the mark that editors of Windows write") {
  const SeedFile file("\xef\xbb\xbf{\"devices\": [{\"id\": \"d1\"}]}");
  CHECK(app::load_seed(file.path(), {}).devices.size() == 1);
}

TEST_CASE("APP-12 a seed may be given itself in place of its file") {
  const auto seed = app::load_seed(
      " \n{\"devices\": [{\"id\": \"d1\"}], \"settings\": {\"feedback.window\": \"PT1S\"}}", {});
  CHECK(seed.devices.size() == 1);
  CHECK(seed.settings.feedback_window == std::chrono::seconds{1});
  CHECK_THROWS_WITH(app::load_seed("{\n\"devices\": 1,,}", {}),
                    doctest::Contains("the JSON given: line 2: is no JSON"));
  CHECK_THROWS_WITH(app::load_seed(R"({"devices": [{"name": "d1"}]})", {}),
                    doctest::Contains("the JSON given: devices[0]: "));
}

TEST_CASE("APP-13 a seed takes the SDKs' deviceId; what is unknown is told the nearest name") {
  const SeedFile file(R"({"devices": [{"deviceId": "d1"}, {"deviceId": "d1", "moduleId": "m"}]})");
  const auto seed = app::load_seed(file.path(), {});
  REQUIRE(seed.devices.size() == 2);
  CHECK(seed.devices[0].id.text == "d1");
  CHECK(seed.devices[1].id.is_module());
  CHECK(refusal(R"({"devices": [{"id": "a", "deviceId": "a"}]})") ==
        ": devices[0]: id and deviceId are the same thing: one of them");
  CHECK(refusal(R"({"devices": [{"deviceID": "a"}]})") ==
        ": devices[0]: unknown key \"deviceID\"; did you mean deviceId?");
  CHECK(refusal(R"({"devices": [{"id": "a", "primarykey": "eA=="}]})") ==
        ": devices[0]: unknown key \"primarykey\"; did you mean primaryKey?");
  CHECK(refusal(R"({"devices": [{"id": "a", "primary": {}}]})").find("known are id, deviceId") !=
        std::string::npos);
  CHECK(
      refusal(R"({"settings": {"feedback.windw": "PT1S"}})").find("did you mean feedback.window") !=
      std::string::npos);
}
