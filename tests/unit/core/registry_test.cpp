// Device identities: spec/c2d.md 6.1, spec/https.md 3.1.
#include "emulator/core/device_registry.hpp"
#include "emulator/core/encoding.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>

using namespace hub;

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
