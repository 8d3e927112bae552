// Device identities: spec/c2d.md 6.1, spec/https.md 3.1.
#include "emulator/core/registry/device_registry.hpp"
#include "emulator/core/base/encoding.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace std::string_literals;

namespace {

const TimePoint t0 = from_unix_seconds(1'800'000'000);

struct Fixture {
  SeededIdSource ids{1};
  DeviceRegistry registry{ids};
  DeviceSpec spec(std::string id) {
    DeviceSpec out;
    out.id = {std::move(id)};
    return out;
  }
};

}  // namespace

TEST_CASE("REG-01 create makes keys, etag and generation, and refuses a known id") {
  Fixture f;
  const auto device = f.registry.create(f.spec("d"), t0);
  REQUIRE(device);
  CHECK(base64_decode(device->authentication.primary_key)->size() == 32);
  CHECK(device->authentication.primary_key != device->authentication.secondary_key);
  CHECK(device->status == DeviceStatus::enabled);
  CHECK(f.registry.create(f.spec("d"), t0).error().code == HubErrc::device_already_exists);
  CHECK(f.registry.create(f.spec("D"), t0));  // ids are case-sensitive
  CHECK(f.registry.create(f.spec("a/b"), t0).error().code == HubErrc::argument_invalid);
}

TEST_CASE("REG-02 keys and thumbprints are checked") {
  Fixture f;
  auto spec = f.spec("d");
  spec.primary_key = "not base64";
  CHECK(f.registry.create(spec, t0).error().code == HubErrc::argument_invalid);
  spec.primary_key = base64_encode("short");
  CHECK_FALSE(f.registry.create(spec, t0));
  spec.primary_key = base64_encode(std::string(65, 'k'));
  CHECK_FALSE(f.registry.create(spec, t0));
  spec.primary_key.clear();
  spec.primary_thumbprint = "xyz";
  CHECK_FALSE(f.registry.create(spec, t0));
  spec.primary_thumbprint = std::string(39, 'a');
  CHECK_FALSE(f.registry.create(spec, t0));
  spec.primary_thumbprint = std::string(40, 'a');
  const auto device = f.registry.create(spec, t0);
  REQUIRE(device);
  CHECK(device->authentication.type == AuthenticationType::self_signed);
  CHECK(device->authentication.primary_key.empty());
}

TEST_CASE("REG-03 update needs the current etag, or a star, and changes it") {
  Fixture f;
  const auto created = *f.registry.create(f.spec("d"), t0);
  auto spec = f.spec("d");
  spec.status = DeviceStatus::disabled;
  spec.status_reason = "testing";
  CHECK(f.registry.update(spec, "stale", t0).error().code == HubErrc::precondition_failed);
  const auto updated = f.registry.update(spec, created.etag, t0);
  REQUIRE(updated);
  CHECK(updated->etag != created.etag);
  CHECK(updated->generation_id == created.generation_id);
  CHECK(updated->status_updated_time == t0);
  CHECK(updated->authentication == created.authentication);  // keys not given are kept
  CHECK(f.registry.update(spec, "*", t0));
  CHECK(f.registry.update(f.spec("nobody"), {}, t0).error().code == HubErrc::device_not_found);
  CHECK(f.registry.disabled_count() == 1);
}

TEST_CASE("REG-03 the number of disabled devices follows create, update, remove and restore") {
  Fixture f;
  auto disabled = f.spec("a"), enabled = f.spec("a");
  disabled.status = DeviceStatus::disabled;
  enabled.status = DeviceStatus::enabled;
  REQUIRE(f.registry.create(disabled, t0));
  REQUIRE(f.registry.create(f.spec("b"), t0));
  CHECK(f.registry.disabled_count() == 1);
  REQUIRE(f.registry.update(disabled, {}, t0));  // it is already
  CHECK(f.registry.disabled_count() == 1);
  REQUIRE(f.registry.update(enabled, {}, t0));
  CHECK(f.registry.disabled_count() == 0);
  REQUIRE(f.registry.update(f.spec("a"), {}, t0));  // says nothing of the status
  CHECK(f.registry.disabled_count() == 0);
  REQUIRE(f.registry.update(disabled, {}, t0));
  DeviceRegistry again{f.ids};
  for (const auto* each : f.registry.list("", 10)) again.restore(*each);
  CHECK(again.disabled_count() == 1);
  again.remove({"b"});
  CHECK(again.disabled_count() == 1);
  again.remove({"a"});
  CHECK(again.disabled_count() == 0);
}

TEST_CASE("REG-04 remove takes an etag, a star or nothing") {
  Fixture f;
  const auto created = *f.registry.create(f.spec("d"), t0);
  CHECK(f.registry.check({"d"}, "stale").error().code == HubErrc::precondition_failed);
  CHECK(f.registry.check({"d"}, created.etag));
  f.registry.remove({"d"});
  CHECK(f.registry.check({"d"}, {}).error().code == HubErrc::device_not_found);
}

TEST_CASE("REG-05 list pages by id") {
  Fixture f;
  for (const char* id : {"c", "a", "b"}) REQUIRE(f.registry.create(f.spec(id), t0));
  const auto page = f.registry.list("", 2);
  REQUIRE(page.size() == 2);
  CHECK(page[1]->id.text == "b");
  CHECK(f.registry.list("b", 2).size() == 1);
}

TEST_CASE("REG-06 changing to X.509 drops the keys, and back makes new ones") {
  Fixture f;
  const auto created = *f.registry.create(f.spec("d"), t0);
  auto spec = f.spec("d");
  spec.authentication_type = AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(64, 'A');
  const auto x509 = *f.registry.update(spec, {}, t0);
  CHECK(x509.authentication.primary_key.empty());
  auto back = f.spec("d");
  back.authentication_type = AuthenticationType::sas;
  const auto keys = *f.registry.update(back, {}, t0);
  CHECK(!keys.authentication.primary_key.empty());
  CHECK(keys.authentication.primary_key != created.authentication.primary_key);
  CHECK(keys.authentication.primary_thumbprint.empty());
}

namespace {

const std::string unknown_scope = "ms-azure-iot-edge://elsewhere-637131779299315265";

struct Edges : Fixture {
  DeviceIdentity make(const std::string& id, bool edge,
                      std::optional<std::string> device_scope = {},
                      std::optional<std::string> parent_scope = {}) {
    auto wanted = spec(id);
    wanted.iot_edge = edge;
    wanted.device_scope = std::move(device_scope);
    wanted.parent_scope = std::move(parent_scope);
    return registry.create(wanted, t0).value();
  }
  Result<DeviceIdentity> change(const std::string& id, std::optional<std::string> device_scope,
                                std::optional<std::string> parent_scope = {},
                                std::optional<bool> edge = {}) {
    auto wanted = spec(id);
    wanted.iot_edge = edge;
    wanted.device_scope = std::move(device_scope);
    wanted.parent_scope = std::move(parent_scope);
    return registry.update(wanted, {}, t0);
  }
};

}  // namespace

TEST_CASE("REG-09 an edge device gets a scope of its own, which stays, whatever else is given") {
  Edges f;
  const auto edge = f.make("edge", true, unknown_scope);
  const std::string scope = "ms-azure-iot-edge://edge-" + edge.generation_id;
  CHECK(edge.device_scope == scope);
  CHECK(edge.scope_of_parent().empty());
  CHECK(f.change("edge", unknown_scope)->device_scope == scope);
  CHECK(f.change("edge", "")->device_scope == scope);
  CHECK(f.change("edge", {}, {}, true)->device_scope == scope);
  CHECK(f.make("leaf", false).device_scope.empty());
}

TEST_CASE(
    "REG-10 a device is put below an edge device by its scope, and taken away by an empty one") {
  Edges f;
  const auto top = f.make("top", true), low = f.make("low", true, {}, top.device_scope);
  CHECK(low.scope_of_parent() == top.device_scope);
  CHECK(low.device_scope != top.device_scope);

  const auto leaf = f.make("leaf", false, low.device_scope);
  CHECK(leaf.device_scope == low.device_scope);
  CHECK(leaf.scope_of_parent() == low.device_scope);
  CHECK(f.change("leaf", {})->scope_of_parent() == low.device_scope);
  // What comes back with the list of before goes by deviceScope; the list alone does, too.
  CHECK(f.change("leaf", top.device_scope, low.device_scope)->scope_of_parent() ==
        top.device_scope);
  CHECK(f.change("leaf", {}, low.device_scope)->device_scope == low.device_scope);
  CHECK(f.change("leaf", "", low.device_scope)->device_scope.empty());
  CHECK(f.change("leaf", {}, low.device_scope)->device_scope == low.device_scope);
  CHECK(f.change("leaf", {}, "")->device_scope.empty());

  CHECK(f.change("low", {}, "")->scope_of_parent().empty());
  CHECK(f.change("low", {}, top.device_scope)->scope_of_parent() == top.device_scope);
}

TEST_CASE("REG-11 a scope of no known device is stored; an update to what is no scope is refused") {
  Edges f;
  CHECK(f.make("leaf", false, unknown_scope).device_scope == unknown_scope);
  CHECK(f.make("edge", true, {}, unknown_scope).parent_scope == unknown_scope);
  for (const std::string& id : {"leaf"s, "edge"s}) {
    for (const std::string wrong :
         {"5f0e1d5e-4f0f-4b6b-8f52-0c4f63c4e6a1", "ms-azure-iot-edge://",
          "ms-azure-iot-edge://edge", "ms-azure-iot-edge://-1", "ms-azure-iot-edge://edge-",
          "ms-azure-iot-edge:/edge-1", "MS-AZURE-IOT-EDGE://edge-1", "ms-azure-iot-edge://a b-1",
          " ms-azure-iot-edge://edge-1"}) {
      CAPTURE(wrong);
      const auto refused = f.change(id, {}, wrong);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == HubErrc::invalid_device_scope);
      CHECK(refused.error().detail.find("device " + id) != std::string::npos);
    }
    CHECK_FALSE(f.change(id, {}, "ms-azure-iot-edge://" + std::string(300, 'e') + "-1"));
    CHECK(f.registry.find({id})->scope_of_parent() == unknown_scope);
  }
  // The C# suite makes devices with scopes of its own invention, and gets them back (RG-21).
  CHECK(f.make("invented", false, "some scope").device_scope == "some scope");
  CHECK(f.change("invented", "some scope"));
  CHECK_FALSE(f.change("invented", "another"));
  CHECK(f.registry
            .create(
                [&] {
                  auto wanted = f.spec("long");
                  wanted.device_scope = std::string(300, 's');
                  return wanted;
                }(),
                t0)
            .error()
            .code == HubErrc::invalid_device_scope);
}

TEST_CASE("REG-12 a device that becomes an edge device, and no longer is one, keeps its parent") {
  Edges f;
  const auto top = f.make("top", true);
  f.make("d", false, top.device_scope);
  const auto edge = f.change("d", top.device_scope, top.device_scope, true);  // as it was read
  CHECK(edge->device_scope.starts_with("ms-azure-iot-edge://d-"));
  CHECK(edge->parent_scope == top.device_scope);
  const auto leaf = f.change("d", edge->device_scope, edge->parent_scope, false);
  CHECK(leaf->device_scope == top.device_scope);
  CHECK(leaf->parent_scope.empty());
  CHECK(f.change("d", {}, {}, true)->device_scope == edge->device_scope);
}
